package rewrite

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
)

// Sameness compares what up or down says of a column with what is in it. It is
// the one place that knows how: inline, syncs, watches and verify use it, and
// differ in nothing that this decides.
//
// Equal is not the same. 1 and 1.0 are equal, and so are 'Bob' and 'BOB' where the
// collation ignores case; an application tells them apart. So values are compared
// by their images, as record_image_eq does (src/backend/utils/adt/rowtypes.c):
// byte by byte, no matter how they are stored. IS DISTINCT FROM would say as much of
// some types, but takes the operator = that the session's search_path has first.
// See docs/adr/0020-images.md.
type Sameness struct {
	column *catalog.Column
	value  catalog.ExprColumn // of what up or down yields
	down   bool
}

// UpSameness compares up's value of new column i; of kind columns.
func (m *Migration) UpSameness(i int) Sameness {
	return Sameness{column: m.New.Column(m.UpColumns()[i]), value: m.up[i].value}
}

// DownSameness compares down's value of old column j.
func (m *Migration) DownSameness(j int) Sameness {
	return Sameness{column: m.Old.Column(m.Rule.Old.Columns[j]), value: m.down[j].value, down: true}
}

// Value is expr, which is up or down of something, as it would be stored.
func (s Sameness) Value(expr string) string {
	t := CastType(s.column)
	if s.down && s.value.Type == t {
		return "(" + expr + ")"
	}
	return "(" + expr + ")::" + typeName(t)
}

// Differ is the condition that a and b are not the same. Each is what Value
// returned, or has the type of the column.
func (s Sameness) Differ(a, b string) string {
	image := fmt.Sprintf("ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(%s)::pg_catalog.record", a, b)
	if s.column.Sameness != catalog.ByParts || !s.column.Equality {
		return image
	}
	// What differs in bytes alone shows nothing and is equal. Text alone is not
	// enough: extra_float_digits may hide digits. An array of text has none.
	shown := fmt.Sprintf("ROW(%s)::pg_catalog.text OPERATOR(pg_catalog.<>) ROW(%s)::pg_catalog.text", a, b)
	if s.column.Collation == 0 {
		shown = fmt.Sprintf("(%s OR %s OPERATOR(pg_catalog.<>) %s)", shown, a, b) // where one is NULL, the texts differ
	}
	return "(" + image + " AND " + shown + ")"
}

// Same is the condition that a and b, as in Differ, are the same.
func (s Sameness) Same(a, b string) string { return "NOT (" + s.Differ(a, b) + ")" }

// RowsDiffer is the condition that two rows of the new table are not the same; a
// and b are names of rows with its columns, in up's order, as c0, c1, ..
func (m *Migration) RowsDiffer(a, b string) string {
	var as, bs, conditions []string
	for i, name := range m.UpColumns() {
		one, two := fmt.Sprintf("%s.c%d", a, i), fmt.Sprintf("%s.c%d", b, i)
		if column := m.New.Column(name); column.Sameness == catalog.ByParts {
			conditions = append(conditions, Sameness{column: column}.Differ(one, two))
			continue
		}
		as, bs = append(as, one), append(bs, two)
	}
	if len(as) > 0 {
		conditions = append(conditions, fmt.Sprintf("ROW(%s)::record OPERATOR(pg_catalog.*<>) ROW(%s)::record", strings.Join(as, ", "), strings.Join(bs, ", ")))
	}
	if len(conditions) == 1 {
		return conditions[0]
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}
