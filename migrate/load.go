package migrate

import (
	"context"

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
