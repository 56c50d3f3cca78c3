package rewrite

import (
	"fmt"

	"github.com/pgjanus/pgjanus/rules"
)

// Several migrations may have one old table. A sync that writes its rows again, which
// those of kind columns and the way back do, fires triggers of the user once more, and
// these may change what another of the migrations maps. So behind a statement all of
// them have syncs, in an order in which that is still to come (planning.syncs). Where
// it is not, because the trigger does it to one that is done, or because the sync is
// the backfill's, the sync fails.

// stirs reports whether a sync of another migration of the table may write a row
// again that a statement has written, and fire triggers of the user: then m needs a
// sync behind that.
func (r *relation) stirs(m *Migration) bool {
	for _, other := range r.old {
		if other != m && other.Rule.Kind == rules.Columns && other.triggered(onUpdate) {
			return true
		}
	}
	return false
}

// syncs puts the syncs behind the statement in order: first those that write old
// columns, of which triggers of the user may think most, and last those that write
// another table.
func (w *planning) syncs() {
	for _, kind := range []rules.Kind{rules.Columns, rules.Rows} {
		for _, to := range []direction{backward, partial, forward, checking} {
			for _, m := range w.migrations {
				if m.Rule.Kind == kind && w.touched[m] == to {
					w.stmt.Syncs = append(w.stmt.Syncs, w.syncFor(m, to))
				}
			}
		}
	}
}

// findSiblings lets migrations know which others have their old table.
func (p *Planner) findSiblings() {
	for _, m := range p.migrations {
		for _, other := range p.migrations {
			if other != m && other.Rule.Active() && other.Old == m.Old {
				m.siblings = append(m.siblings, other)
			}
		}
	}
}

// stirring adds a write of old rows, and fails where a trigger of the user has changed
// them so that another migration has more drift than before. One whose keys are in its
// settings has its sync yet to come.
func (b *block) stirring(s syncText, write func()) {
	if !s.triggered(onUpdate) {
		write()
		return
	}
	drift := func(other *Migration) func(s syncText) string {
		return func(s syncText) string {
			from, where := s.oldRows()
			return fmt.Sprintf("SELECT count(*) FROM %s WHERE %s AND (%s)", from, where, other.drifts("old"))
		}
	}
	done := func(other *Migration) string {
		return fmt.Sprintf("coalesce(current_setting(%s, true), '') = ''", Literal(other.Key[0].Setting))
	}
	for i, other := range s.siblings {
		b.variable(fmt.Sprintf("drift%d", i), "bigint")
		b.when(done(other))
		b.statement(s, fmt.Sprintf("%s.drift%d", label, i), drift(other))
		b.line("END IF;")
	}
	write()
	for i, other := range s.siblings {
		b.when(done(other))
		b.raise(s, func(s syncText) string {
			return fmt.Sprintf("(%s) > %s", drift(other)(s), s.variable(fmt.Sprintf("drift%d", i), "bigint"))
		}, "27000", fmt.Sprintf("a trigger of %s has changed what migration %q maps", s.Old.Name, other.Rule.Name),
			fmt.Sprintf("Let the trigger leave %s alone where nothing but columns of migration %q change.", quoted(other.Rule.Old.Columns), s.Rule.Name))
		b.line("END IF;")
	}
}
