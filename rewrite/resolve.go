package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"github.com/pgjanus/pgjanus/catalog"
)

// resolve finds the relation beyond off that a name in a statement stands for:
// nil when it is none. An unqualified name that several schemas have is
// refused, since what it means depends on the session's search_path.
func (w *planning) resolve(rv *pg_query.RangeVar) (*relation, error) {
	rel := w.resolveAny(rv)
	if rel == nil || rv.Schemaname != "" {
		return rel, nil
	}
	if schemas := w.snapshot.Namesakes[rv.Relname]; len(schemas) > 1 {
		return nil, &Refusal{
			Migration: rel.migration(),
			Reason:    fmt.Sprintf("%q is ambiguous: the schemas %s have a relation of that name", rv.Relname, strings.Join(schemas, ", ")),
			Hint:      fmt.Sprintf("write the schema, as in %s", rel.name),
			Offset:    int(rv.Location),
		}
	}
	return rel, nil
}

// resolveAny is resolve without the refusal: any relation that might be meant.
func (w *planning) resolveAny(rv *pg_query.RangeVar) *relation {
	if rv == nil {
		return nil
	}
	return w.lookup(rv.Schemaname, rv.Relname)
}

func (p *Planner) lookup(schema, name string) *relation {
	if schema != "" {
		if rel := p.relations[catalog.Name{Schema: schema, Name: name}]; rel != nil && rel.active() {
			return rel
		}
		return nil
	}
	for _, rel := range p.byName[name] {
		if rel.active() {
			return rel
		}
	}
	return nil
}

// target resolves the relation that a write names and refuses what cannot be
// written through.
func (w *planning) target(rv *pg_query.RangeVar) (*relation, error) {
	rel, err := w.resolve(rv)
	if rel == nil || err != nil {
		return nil, err
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

// rowName is how the statement's other clauses name the row of rv.
func rowName(rv *pg_query.RangeVar) string {
	if rv.Alias != nil {
		return Ident(rv.Alias.Aliasname)
	}
	return Ident(rv.Relname)
}
