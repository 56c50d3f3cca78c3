package rewrite

import "github.com/pgjanus/pgjanus/catalog"

// What up and down say may hang on the collation of a column: comparisons,
// upper(), the order of elements.

// collated reports whether up or down reads a column with a collation of its own,
// kind columns: a constant in the place of the column would not have it.
func (m *Migration) collated() bool {
	read := func(t *catalog.Table, ts []template) bool {
		for i := range ts {
			for _, name := range ts[i].cols {
				if c := t.Column(name); c != nil && c.Collation != 0 && c.Collation != catalog.DefaultCollation {
					return true
				}
			}
		}
		return false
	}
	return read(m.Old, m.up) || m.New != nil && read(m.New, m.down)
}

// byKeysOnly reports whether there are no functions by row, kind rows. With
// on_fanout_error: dirty one subtransaction is enough for a statement, by keys; and
// PL/pgSQL gives all arguments of a function one collation (plpgsql_compile in
// src/pl/plpgsql/src/pl_comp.c), so that columns of several must be read themselves.
func (m *Migration) byKeysOnly() bool {
	if m.tolerant() {
		return true
	}
	var first uint32
	for _, name := range m.self().rowArguments() {
		c := m.self().Old.Column(name)
		switch {
		case c == nil || c.Collation == 0:
		case first == 0:
			first = c.Collation
		case c.Collation != first:
			return true
		}
	}
	return false
}
