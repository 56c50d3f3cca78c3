package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// resolve finds the relation beyond off that a name in a statement stands for:
// nil when it is none.
func (w *planning) resolve(rv *pg_query.RangeVar) *relation {
	return w.find(rv, (*relation).active)
}

// resolveLater is resolve for a name that is read again later, when it may stand
// for something else: the relation that it may stand for then.
func (w *planning) resolveLater(rv *pg_query.RangeVar) *relation {
	if found := w.mayBe(rv, (*relation).active); len(found) > 0 {
		return found[0]
	}
	return nil
}

// target resolves the relation that a write names and refuses what cannot be
// written through.
func (w *planning) target(rv *pg_query.RangeVar) (*relation, error) {
	rel := w.resolve(rv)
	if rel == nil {
		return nil, nil //nolint:nilnil // it is none of ours
	}
	refuse := func(reason, hint string) error {
		return &Refusal{Migration: rel.migration(), Reason: reason, Hint: hint, Offset: int(rv.Location)}
	}
	switch {
	case rel.base != nil && rel.guarded():
		return nil, nil //nolint:nilnil // the trigger on the table itself does it
	case rel.base != nil:
		return nil, refuse(fmt.Sprintf("%s is %s %s, and writes through it are not handled yet", rel.name, rel.via, rel.base.name),
			fmt.Sprintf("write to %s itself", rel.base.name))
	case len(rel.new) > 0:
		return nil, refuse(fmt.Sprintf("%s is the new shape, and writes by applications that know it are not handled yet", rel.name),
			fmt.Sprintf("write to %s, or set the migration to off first", rel.new[0].Old.Name))
	}
	return rel, nil
}

// rowName is how the statement's other clauses name the row of rv.
func rowName(rv *pg_query.RangeVar) string {
	if rv.Alias != nil {
		return Ident(rv.Alias.Aliasname)
	}
	return Ident(rv.Relname)
}
