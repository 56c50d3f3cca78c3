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
	case rel.base != nil && len(rel.old) > 0:
	case rel.base != nil && (rel.guarded() || w.elsewhere(rel.name, 0)):
		return nil, nil //nolint:nilnil // the trigger on the table itself does it, or nothing has to be done
	case rel.base != nil:
		return nil, refuse(fmt.Sprintf("%s is %s %s that Postgres does not write through in a way that can be told", rel.name, rel.via, rel.base.name),
			fmt.Sprintf("write to %s itself", rel.base.name))
	}
	return rel, nil
}

// newAlone refuses what writes the new table of kind rows and shows no rows.
func (r *relation) newAlone(rv *pg_query.RangeVar, what string) error {
	m := r.new[0]
	return &Refusal{
		Migration: m.Rule.Name, Offset: int(rv.Location),
		Reason: fmt.Sprintf("%s writes %s, which is the new shape, and does not show which rows of %s it is about", what, r.name, m.Old.Name),
		Hint:   "use INSERT, UPDATE or DELETE, or write the old shape",
	}
}

// rowName is how the statement's other clauses name the row of rv. The schema
// tells it from that of a table with the same name elsewhere.
func rowName(rv *pg_query.RangeVar) string {
	switch {
	case rv.Alias != nil:
		return Ident(rv.Alias.Aliasname)
	case rv.Schemaname != "":
		return Ident(rv.Schemaname) + "." + Ident(rv.Relname)
	}
	return Ident(rv.Relname)
}
