package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// Unseen lists, one sentence each, what may write the old table of a migration of
// planner, or the new one of kind rows, where no statement of a client shows it,
// and what can be done.
func Unseen(ctx context.Context, conn *pgx.Conn, planner *rewrite.Planner, m *rewrite.Migration) ([]string, error) {
	rule := m.Rule
	columns := append(append([]string(nil), rule.Old.Key...), rule.Old.Columns...)
	if rule.Kind == rules.Columns {
		columns = append(columns, rule.New.Columns...)
	}
	written := []catalog.Written{{Table: m.Old.Name, Through: planner.WrittenThrough(m.Old), Columns: columns}}
	if rule.Kind == rules.Rows && m.New != nil {
		written = append(written, catalog.Written{
			Table: m.New.Name, Through: planner.WrittenThrough(m.New), Columns: m.RowColumns(), With: m.Old.Name,
		})
	}
	var all []string
	for i, table := range written {
		writers, err := catalog.Writers(ctx, conn, table)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", rule.Name, err)
		}
		for _, w := range writers {
			if hint := unseenHint(w, rule.Guard, i == 0); hint != "" {
				all = append(all, fmt.Sprintf("%s: %s may write %s, and no statement shows that (%s)", rule.Name, w.Object, table.Table, hint))
			}
		}
	}
	return all, nil
}

// unseenHint is what can be done about a writer, or "" where a guard does it.
func unseenHint(w catalog.Writer, guard rules.Guard, old bool) string {
	switch {
	case w.Replicated:
		return "its rows fire no triggers: disable it until the migration is over, or run verify and backfill behind it"
	case old && guard == rules.SyncGuard:
		return ""
	case old && guard == rules.RejectGuard:
		return "guard: reject makes it fail where it leaves drift; guard: sync lets it work"
	case old && guard == rules.LogGuard:
		return "guard: log tells of it in Postgres's log where it leaves drift; set guard: sync"
	case old:
		return "set guard: sync"
	case guard == rules.RejectGuard:
		return "guard: reject makes it fail"
	case guard == rules.LogGuard:
		return "guard: log tells of it in Postgres's log"
	}
	return "set guard: reject or guard: log, which notice it; verify finds what it leaves"
}
