package rules

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// upQuery reads up of kind rows: one query.
func (r *reader) upQuery(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	if n.Kind == yaml.MappingNode {
		r.problem(nodePos(n), "write one query over a row named old, behind |", "up must be a query in kind rows, not a mapping")
		return
	}
	if e, ok := r.expr(n, "up", ""); ok {
		m.Up = []Expr{e}
	}
}

// upMap reads up of kind columns: one expression for each new column. The
// outcome is in the order of new.columns.
func (r *reader) upMap(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		r.problem(nodePos(n), "write up: {column: expression}", "up must map new columns to expressions in kind columns, not be %s", describe(n))
		return
	}
	exprs := r.exprs(n, "up", m.New.Columns, "new.columns")
	if m.New.Columns == nil {
		return
	}
	for i, column := range m.New.Columns {
		at := slices.IndexFunc(exprs, func(e Expr) bool { return e.Column == column })
		if at < 0 {
			r.problem(m.New.ColPos[i], "add the expression that computes it from a row named old", "up has nothing for the new column %s", column)
			continue
		}
		if exprs[at].SQL != "" {
			m.Up = append(m.Up, exprs[at])
		}
	}
}

// down reads the way back: expressions for some of the old columns.
func (r *reader) down(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		r.problem(nodePos(n), "write down: {column: expression}, or remove it", "down must map old columns to expressions, not be %s", describe(n))
		return
	}
	for _, e := range r.exprs(n, "down", m.Old.Columns, "old.columns") {
		if e.SQL != "" {
			m.Down = append(m.Down, e)
		}
	}
}

// exprs reads a mapping of columns to SQL. valid holds the allowed columns,
// listed under the key where; nil means that they are not known. An expression
// that is faulty, and reported, has no SQL.
func (r *reader) exprs(n *yaml.Node, path string, valid []string, where string) []Expr {
	entries, ok := r.mapping(n, path)
	if !ok {
		return nil
	}
	var exprs []Expr
	for _, en := range entries {
		column, ok := r.column(en.key, path)
		if !ok {
			continue
		}
		if valid != nil && !slices.Contains(valid, column) {
			r.problem(r.textPos(en.key), suggest(column, valid), "%s: column %s is not in %s", path, column, where)
			continue
		}
		e, ok := r.expr(en.value, join(path, column), column)
		if !ok {
			e = Expr{Column: column}
		}
		exprs = append(exprs, e)
	}
	return exprs
}
