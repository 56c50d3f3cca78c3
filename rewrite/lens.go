package rewrite

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// A lens is a relation that statements can write in the place of a migrating
// table: a view that Postgres writes through by itself, or a partition. Its rows
// are rows of that table, and it has names of its own for their columns.
//
// A statement that writes through a lens is planned like one that writes the
// table, for migrations whose columns are called as the lens calls them.

// lens says what a relation shows of a migrating table.
type lens struct {
	base  *relation         // the migrating table
	table *catalog.Table    // its own columns, in its own order
	names map[string]string // what the lens calls a column of the migrating table
	// reserved: the lens may not give the new columns a value for everyone who
	// may write it.
	reserved bool
}

// unseen begins the names of columns that a lens does not show, in migrations
// as seen through it. No statement has such a name.
const unseen = "pgjanus unseen "

// sees reports whether a lens shows all of those columns.
func (m *Migration) sees(columns ...string) bool {
	return !slices.ContainsFunc(columns, func(c string) bool { return strings.HasPrefix(c, unseen) })
}

// ofKey lists the names of the key columns.
func (m *Migration) ofKey() []string {
	names := make([]string, len(m.Key))
	for i, k := range m.Key {
		names[i] = k.Name
	}
	return names
}

// through returns m as it is seen through a lens.
func (m *Migration) through(l *lens) *Migration {
	name := func(c string) string {
		if own, ok := l.names[c]; ok {
			return own
		}
		return unseen + c
	}
	all := func(columns []string) []string {
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = name(c)
		}
		return names
	}
	old := *m.Old
	// Triggers for each statement are those of the table that it names.
	old.Triggers = slices.Concat(old.Triggers, l.table.Triggers)
	old.Columns = slices.Clone(l.table.Columns)
	for _, c := range m.Old.Columns {
		if _, ok := l.names[c.Name]; !ok {
			c.Name = name(c.Name)
			old.Columns = append(old.Columns, c)
		}
	}
	old.Key, old.Unique = all(old.Key), nil
	for _, index := range m.Old.Unique {
		old.Unique = append(old.Unique, all(index))
	}
	rule := *m.Rule
	rule.Old.Key, rule.Old.Columns = all(rule.Old.Key), all(rule.Old.Columns)

	seen := &Migration{Rule: &rule, Old: &old, New: m.New, Key: slices.Clone(m.Key), syncs: m.syncs, strands: m.strands, itself: m.self(), reserved: l.reserved}
	for i := range seen.Key {
		seen.Key[i].Name = name(seen.Key[i].Name)
	}
	renamed := func(ts []template) []template {
		ts = slices.Clone(ts)
		for i := range ts {
			ts[i].cols = all(ts[i].cols)
		}
		return ts
	}
	seen.up, seen.down, seen.downColumns = renamed(m.up), m.down, m.downColumns
	if rule.Kind == rules.Columns {
		seen.down = renamed(m.down)
		seen.New = &old
		rule.New.Columns = all(rule.New.Columns)
		rule.Up, rule.Down = slices.Clone(rule.Up), nil
		for i := range rule.Up {
			rule.Up[i].Column = name(rule.Up[i].Column)
		}
	}
	return seen
}

// self is the migration itself where m is how it is seen through a lens.
func (m *Migration) self() *Migration {
	if m.itself != nil {
		return m.itself
	}
	return m
}

// focus finds out which relatives of migrating tables are lenses.
func (p *Planner) focus() {
	for _, rel := range p.relations {
		rel.settle()
	}
	for _, rel := range p.relations {
		if rel.base == nil {
			continue
		}
		l := p.lens(rel.name, 0)
		if l == nil || len(l.base.new) > 0 {
			continue
		}
		rel.base, rel.shown = l.base, l.table
		for _, m := range rel.base.old {
			rel.old = append(rel.old, m.through(l))
		}
		if rel.via != viaPartition {
			continue // what a view shows, it was defined to show
		}
		for _, m := range rel.base.hides {
			rel.hides = append(rel.hides, m.through(l))
		}
	}
}

// elsewhere reports whether what is written through a view lands in a relation
// that has nothing to do with any migration: the view only reads one that has.
func (p *Planner) elsewhere(name catalog.Name, depth int) bool {
	view := p.snapshot.Views[name]
	if view == nil || !view.Updatable || depth > len(p.snapshot.Views) {
		return false
	}
	from, _ := shows(view)
	switch {
	case from == nil:
		return false
	case p.relations[*from] == nil:
		return true
	}
	return p.elsewhere(*from, depth+1)
}

// WrittenThrough lists the relations by whose names t is written, beside its own:
// its partitions, and the views over it and them, but for those that only read it.
func (p *Planner) WrittenThrough(t *catalog.Table) []catalog.Name {
	all := slices.Clone(t.Children)
	for _, view := range t.Views {
		if !p.elsewhere(view, 0) {
			all = append(all, view)
		}
	}
	return all
}

// lens returns what a relative shows; nil where writes through it do something
// else than writing the table, or where that cannot be told.
func (p *Planner) lens(name catalog.Name, depth int) *lens {
	rel, view := p.relations[name], p.snapshot.Views[name]
	switch {
	case rel == nil || depth > len(p.snapshot.Views):
		return nil
	case rel.base == nil || rel.via == viaPartition:
		t := p.snapshot.Tables[name]
		if t == nil || rel.base != nil && t.Kind == 'f' {
			return nil
		}
		l := &lens{base: rel, table: t, names: map[string]string{}}
		if rel.base != nil {
			l.base = rel.base
		}
		for _, c := range t.Columns {
			l.names[c.Name] = c.Name
		}
		return l
	case view == nil || !view.Updatable:
		return nil
	}
	from, columns := shows(view)
	if from == nil {
		return nil
	}
	below := p.lens(*from, depth+1)
	if below == nil {
		return nil
	}
	return below.under(view, columns)
}

// under is the lens of a view over that of l, of which columns are shown, in
// the order of the view's own; "" stands for what is no column.
func (l *lens) under(view *catalog.View, columns []string) *lens {
	top := &lens{
		base: l.base, table: &catalog.Table{Name: view.Name, Kind: 'v', Triggers: l.table.Triggers}, names: map[string]string{},
		reserved: l.reserved || view.ByColumn,
	}
	shown := map[string]string{} // own name by the name below
	for i, c := range view.Columns {
		column := catalog.Column{Name: c.Name, Generated: 's'}
		if below := l.table.Column(columns[i]); below != nil && c.Updatable {
			if shown[below.Name] != "" {
				return nil // two names for one column
			}
			shown[below.Name] = c.Name
			column = *below
			column.Name, column.Constant = c.Name, below.Constant && !c.Default
		} else if c.Updatable || columns[i] != "" && below != nil && below.Generated == 0 {
			return nil // Postgres thinks otherwise of it
		}
		top.table.Columns = append(top.table.Columns, column)
	}
	for of, name := range l.names {
		if own := shown[name]; own != "" {
			top.names[of] = own
		}
	}
	return top
}

// shows returns the relation that an updatable view is over, and the columns of
// it that the view shows, "" for other expressions; nil where that cannot be told.
func shows(view *catalog.View) (*catalog.Name, []string) {
	tree, err := pg_query.Parse(view.Definition)
	if err != nil || len(tree.Stmts) != 1 {
		return nil, nil
	}
	sel := tree.Stmts[0].Stmt.GetSelectStmt()
	if len(sel.GetFromClause()) != 1 || len(sel.GetTargetList()) != len(view.Columns) {
		return nil, nil
	}
	from := sel.FromClause[0].GetRangeVar()
	if from.GetSchemaname() == "" || len(from.GetAlias().GetColnames()) > 0 {
		return nil, nil
	}
	columns := make([]string, len(view.Columns))
	for i, t := range sel.TargetList {
		if fields := t.GetResTarget().GetVal().GetColumnRef().GetFields(); len(fields) > 0 {
			columns[i] = fields[len(fields)-1].GetString_().GetSval()
		}
	}
	return &catalog.Name{Schema: from.Schemaname, Name: from.Relname}, columns
}
