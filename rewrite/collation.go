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

// maxArguments is FUNC_MAX_ARGS of src/include/pg_config_manual.h.
const maxArguments = 100

// byKeysOnly reports whether there are no functions by row, kind rows. With
// on_fanout_error: dirty one subtransaction is enough for a statement, by keys; a
// function has only so many arguments; and PL/pgSQL gives all of them one collation
// (plpgsql_compile in src/pl/plpgsql/src/pl_comp.c), so that columns of several must
// be read themselves.
func (m *Migration) byKeysOnly() bool {
	arguments := m.self().rowArguments()
	if m.tolerant() || len(arguments) > maxArguments {
		return true
	}
	var first uint32
	for _, name := range arguments {
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
