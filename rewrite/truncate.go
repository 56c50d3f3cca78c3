package rewrite

import (
	"fmt"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// truncate takes the new tables along with the old ones.
func (w *planning) truncate(n *pg_query.TruncateStmt) error {
	named := map[string]bool{}
	for _, r := range n.Relations {
		if rel := w.resolve(r.GetRangeVar()); rel != nil {
			named[rel.name.String()] = true
		}
	}
	if n.Behavior == pg_query.DropBehavior_DROP_CASCADE {
		if err := w.truncatesNewAlone(n, named); err != nil {
			return err
		}
	}
	// It passes where it names both tables, and not where one of them is another's.
	w.names.mixed = w.names.mixed || len(n.Relations) > 1
	for _, r := range n.Relations {
		rv := r.GetRangeVar()
		rel := w.resolve(rv)
		if rel == nil {
			continue
		}
		if len(rel.new) > 0 && named[rel.new[0].Old.Name.String()] {
			continue
		}
		if len(rel.new) > 0 {
			return rel.newAlone(rv, "TRUNCATE")
		}
		rel, err := w.target(rv)
		if err != nil {
			return err
		}
		for _, m := range rel.old {
			if rel.via == viaPartition && m.Rule.Kind == rules.Rows {
				return &Refusal{
					Migration: m.Rule.Name, Offset: int(rv.Location),
					Reason: fmt.Sprintf("%s is a partition, and the new rows of its rows alone cannot be truncated", rel.name),
					Hint:   fmt.Sprintf("DELETE FROM %s, or truncate %s", rel.name, m.Old.Name),
				}
			}
			if rel.via == viaView || m.Rule.Kind != rules.Rows || named[m.Rule.New.Table.String()] {
				continue
			}
			named[m.Rule.New.Table.String()] = true
			last := w.afterName(rv) - 1
			if at := tokenAt(w.tokens, int(rv.Location)); w.tokens[at-1].kind == tokenOpen {
				last++ // ONLY (name)
			}
			w.edits.insert(w.tokens[last].end, ", "+QName(m.Rule.New.Table))
			w.concern(m)
		}
	}
	return nil
}

// truncatesNewAlone refuses TRUNCATE .. CASCADE of a table that a new table refers
// to, and the old one does not: it would empty the new shape alone.
func (w *planning) truncatesNewAlone(n *pg_query.TruncateStmt, named map[string]bool) error {
	for _, r := range n.Relations {
		rv := r.GetRangeVar()
		for _, m := range w.migrations {
			for _, name := range m.besides() {
				if name.Name != rv.Relname || rv.Schemaname != "" && rv.Schemaname != name.Schema || named[m.Old.Name.String()] {
					continue
				}
				return &Refusal{
					Migration: m.Rule.Name, Offset: int(rv.Location),
					Reason: fmt.Sprintf("TRUNCATE .. CASCADE of %s empties %s, which is the new shape, and not %s", name, m.New.Name, m.Old.Name),
					Hint:   fmt.Sprintf("truncate %s as well, or DELETE FROM %s", m.Old.Name, name),
				}
			}
		}
	}
	return nil
}

// besides lists the tables that the new table refers to and the old one does not.
func (m *Migration) besides() []catalog.Name {
	if !m.Rule.Active() || m.Rule.Kind != rules.Rows {
		return nil
	}
	var names []catalog.Name
	for _, name := range m.New.Referenced {
		if name != m.Old.Name && !slices.Contains(m.Old.Referenced, name) {
			names = append(names, name)
		}
	}
	return names
}

// afterName returns the index of the token behind the name of rv.
func (w *planning) afterName(rv *pg_query.RangeVar) int {
	escape := func(i int) int {
		if i < len(w.tokens) && w.tokens[i].kind == pg_query.Token_UESCAPE {
			return i + 2
		}
		return i
	}
	i := escape(tokenAt(w.tokens, int(rv.Location)) + 1)
	for range []string{rv.Catalogname, rv.Schemaname} {
		if i < len(w.tokens) && w.tokens[i].kind == pg_query.Token_ASCII_46 {
			i = escape(i + 2)
		}
	}
	return i
}
