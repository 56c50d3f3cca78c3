package rules

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// old reads the old shape.
func (r *reader) old(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	values := r.object(n, "old", []field{
		{"table", true, "table: schema.table"},
		{"key", true, "key: [id], the primary key of the table"},
		{"columns", true, "columns: with the columns that the new shape is derived from"},
	})
	if t := values["table"]; t != nil {
		m.Old.Table, _ = r.table(t, "old.table")
		m.Old.Pos = r.textPos(t)
	}
	if k := values["key"]; k != nil {
		m.Old.Key, m.Old.KeyPos = r.filled(k, "old.key", "name the primary key columns of the table")
	}
	if c := values["columns"]; c != nil {
		m.Old.Columns, m.Old.ColPos = r.filled(c, "old.columns", "name the columns that the new shape is derived from")
	}
}

// filled reads a list of columns that must not be empty. It returns nil unless
// all of it is valid, so that later checks do not report what follows from it.
func (r *reader) filled(n *yaml.Node, path, hint string) ([]string, []Pos) {
	names, at, ok := r.columns(n, path)
	if !ok {
		return nil, nil
	}
	if len(names) == 0 {
		r.problem(nodePos(n), hint, "%s is empty", path)
	}
	return names, at
}

// newRows reads the new shape of kind rows.
func (r *reader) newRows(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	values := r.object(n, "new", []field{
		{"table", true, "table: schema.table"},
		{"parent", true, "parent: {order_id: id}, from columns of the new table to the key of the old"},
		{"columns", false, ""},
	})
	r.newTable(values["table"], m)
	if p := values["parent"]; p != nil {
		r.parents(p, m)
	}
	if c := values["columns"]; c != nil && (c.Kind != yaml.SequenceNode || len(c.Content) > 0) {
		r.problem(nodePos(c), "remove it; the columns of the query in up are the columns of the new table", "new.columns has no meaning in kind rows")
	}
	if m.New.Table != (Table{}) && m.New.Table == m.Old.Table {
		r.problem(m.New.Pos, "name the table that holds the new rows, or make it kind: columns", "new.table is the old table %s", m.Old.Table)
	}
}

func (r *reader) newTable(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	m.New.Table, _ = r.table(n, "new.table")
	m.New.Pos = r.textPos(n)
}

// parents reads how new rows refer to the key of their old row.
func (r *reader) parents(n *yaml.Node, m *Migration) {
	const path = "new.parent"
	before := len(r.problems)
	entries, _ := r.mapping(n, path)
	covered := map[string]string{}
	for _, e := range entries {
		column, okNew := r.column(e.key, path)
		key, okOld := r.column(e.value, join(path, e.key.Value))
		if !okNew || !okOld {
			continue
		}
		at := r.textPos(e.value)
		other, twice := covered[key]
		switch {
		case m.Old.Key == nil:
		case !slices.Contains(m.Old.Key, key):
			r.problem(at, suggest(key, m.Old.Key), "%s: %s is not in old.key", path, key)
		case twice:
			r.problem(at, "map each key column once", "%s: %s and %s both refer to %s", path, other, column, key)
		}
		covered[key] = column
		m.New.Parents = append(m.New.Parents, Parent{New: column, Old: key})
		m.New.ParentPos = append(m.New.ParentPos, r.textPos(e.key))
	}
	if len(r.problems) > before {
		return
	}
	var missing []string
	for _, key := range m.Old.Key {
		if _, there := covered[key]; !there {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		r.problem(nodePos(n), "a new row must lead to exactly one old row; add a column that refers to each", "%s does not cover the key: %s", path, strings.Join(missing, ", "))
	}
}

// newColumns reads the new shape of kind columns.
func (r *reader) newColumns(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	values := r.object(n, "new", []field{
		{"table", true, "table: the same as old.table"},
		{"columns", true, "columns: with the columns that are added"},
		{"parent", false, ""},
	})
	r.newTable(values["table"], m)
	if m.New.Table != (Table{}) && m.Old.Table != (Table{}) && m.New.Table != m.Old.Table {
		r.problem(m.New.Pos, fmt.Sprintf("write %s, or make it kind: rows", m.Old.Table), "new.table %s is not old.table %s; kind columns adds columns to the same table", m.New.Table, m.Old.Table)
	}
	if p := values["parent"]; p != nil {
		r.problem(nodePos(p), "remove it, or make it kind: rows", "new.parent has no meaning in kind columns")
	}
	c := values["columns"]
	if c == nil {
		return
	}
	m.New.Columns, m.New.ColPos = r.filled(c, "new.columns", "name the columns that are added")
	for i, column := range m.New.Columns {
		switch {
		case slices.Contains(m.Old.Columns, column):
			r.problem(m.New.ColPos[i], "a new column needs a name of its own", "column %s is in old.columns and in new.columns", column)
		case slices.Contains(m.Old.Key, column):
			r.problem(m.New.ColPos[i], "a new column needs a name of its own", "column %s is in old.key and in new.columns", column)
		}
	}
}
