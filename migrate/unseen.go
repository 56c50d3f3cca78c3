package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Unseen lists, one sentence each, what may write the old table of a migration
// where no statement of a client shows it, and what can be done.
func Unseen(ctx context.Context, conn *pgx.Conn, m *rules.Migration) ([]string, error) {
	table := catalog.Name{Schema: m.Old.Table.Schema, Name: m.Old.Table.Name}
	columns := append(append([]string(nil), m.Old.Key...), m.Old.Columns...)
	writers, err := catalog.Writers(ctx, conn, table, columns)
	if err != nil {
		return nil, fmt.Errorf("migration %s: %w", m.Name, err)
	}
	var all []string
	for _, w := range writers {
		hint := "set guard: sync"
		switch {
		case w.Replicated:
			hint = "its rows fire no triggers: disable it until the migration is over, or run verify and backfill behind it"
		case m.Guard == rules.SyncGuard:
			continue
		case m.Guard == rules.RejectGuard:
			hint = "guard: reject makes it fail where it leaves drift; guard: sync lets it work"
		case m.Guard == rules.LogGuard:
			hint = "guard: log tells of it in Postgres's log where it leaves drift; set guard: sync"
		}
		all = append(all, fmt.Sprintf("%s: %s may write %s, and no statement shows that (%s)", m.Name, w.Object, table, hint))
	}
	return all, nil
}
