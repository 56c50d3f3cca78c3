package rewrite

import (
	"strconv"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Migration is a rule compiled against the catalog: everything that is known
// about it before the first statement arrives.
type Migration struct {
	Rule *rules.Migration
	Old  *catalog.Table
	New  *catalog.Table // nil only in phase off
	Key  []KeyColumn

	up    []template // one (rows: the query) or one per new column
	syncs syncs
	down  []template // parallel to Rule.Old.Columns; empty template where none
	// strands are those of kind columns.
	strands strands
	// downColumns are the columns of the new table that down reads, kind rows.
	downColumns []string

	siblings []*Migration // the other active ones of the old table
	itself   *Migration   // set where this is how a lens shows it
	reserved bool         // as in lens
}

// KeyColumn is one column of the old table's primary key.
type KeyColumn struct {
	Name string
	Type string // as format_type prints it
	// Setting is the custom GUC that carries the touched values of this column
	// from the application's statement to the sync behind it: array elements,
	// each with a comma in front. Setting+"_more" and Setting+"_all" take what does not fit.
	Setting string
}

// UpSQL returns the resolved up expression of new column i (rows: the query,
// i = 0), with the old row named alias.
func (m *Migration) UpSQL(i int, alias string) string { return m.up[i].row(alias) }

// DownSQL returns the resolved down expression of old column i over a row
// named alias, or "" where the rules have none. Of kind rows it is a query over
// new, a set of new rows of one key.
func (m *Migration) DownSQL(i int, alias string) string {
	if len(m.down) == 0 || m.down[i].empty() {
		return ""
	}
	return m.down[i].row(alias)
}

// UpColumns lists the new columns that up computes, in its order.
func (m *Migration) UpColumns() []string {
	cols := make([]string, len(m.Rule.Up))
	if m.Rule.Kind == rules.Columns {
		for i, e := range m.Rule.Up {
			cols[i] = e.Column
		}
		return cols
	}
	return m.up[0].columns
}

// RowColumns lists the columns of the new table, of kind rows, that up yields or
// down reads: none where the table does not exist yet.
func (m *Migration) RowColumns() []string {
	if len(m.up) == 0 {
		return nil
	}
	return append(append([]string(nil), m.UpColumns()...), m.downColumns...)
}

// CastType is the type that an up value for column c is cast to: the column's
// own, but without the length limit of character varying, so that a value that
// does not fit is an error as it is in an assignment, not cut short.
func CastType(c *catalog.Column) string {
	if strings.HasPrefix(c.Type, "character varying") {
		return strings.Replace(c.Type, typmod(c.Type), "", 1)
	}
	return c.Type
}

// typmod returns the "(n)" of a type's printed name, or "".
func typmod(t string) string {
	open := strings.IndexByte(t, '(')
	end := strings.IndexByte(t, ')')
	if open < 0 || end < open {
		return ""
	}
	return t[open : end+1]
}

// lossy reports whether down covers every old column, so that the law applies:
// a write that leaves down(new) equal to the old value leaves new alone.
func (m *Migration) lossy() bool {
	for i := range m.down {
		if m.down[i].empty() {
			return false
		}
	}
	return len(m.down) > 0
}

func settingName(migration string, column int) string {
	return "pgjanus.k_" + strings.ReplaceAll(migration, "-", "_") + "_" + strconv.Itoa(column+1)
}
