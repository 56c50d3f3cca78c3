package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// Load compiles set against the database as it is now. An error that is the
// rules' fault is rules.Problems.
func Load(ctx context.Context, conn *pgx.Conn, set *rules.Set, epoch uint64) (*rewrite.Planner, error) {
	snap, err := catalog.Load(ctx, conn, rewrite.Request(set))
	if err != nil {
		return nil, err
	}
	return rewrite.Compile(set, snap, epoch)
}

// CheckSyncs lets Postgres parse every statement that the planner would run
// behind an application's. Register must have run for the same rules. An error
// that is the rules' fault is rules.Problems.
func CheckSyncs(ctx context.Context, conn *pgx.Conn, planner *rewrite.Planner) error {
	var problems rules.Problems
	for _, m := range planner.Migrations() {
		for _, sql := range m.Syncs() {
			// The unnamed statement goes away with the next one.
			_, err := conn.PgConn().Prepare(ctx, "", sql, nil)
			if err == nil {
				continue
			}
			if code(err) == "" {
				return fmt.Errorf("checking the sync of %s: %w", m.Rule.Name, err)
			}
			problems = append(problems, rules.Problem{
				File:    planner.Set().File,
				Pos:     m.Rule.NamePos,
				Message: fmt.Sprintf("Postgres refuses the statement that keeps %s in sync: %s", m.Rule.Name, err),
				Hint:    "up must yield values that can be stored in the columns of the new shape",
			})
			break
		}
	}
	return problems.Err()
}
