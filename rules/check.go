package rules

import (
	"fmt"
	"slices"
)

// checkSet looks at what several migrations may not do at once.
func (r *reader) checkSet(migrations []Migration) {
	for i := range migrations {
		m := &migrations[i]
		for j := range migrations[:i] {
			r.checkPair(&migrations[j], m)
		}
	}
}

// checkPair compares a migration with one that stands above it in the file.
func (r *reader) checkPair(a, b *Migration) {
	if a.Name != "" && a.Name == b.Name {
		r.problem(b.NamePos, fmt.Sprintf("the other is on line %d", a.NamePos.Line), "the name %s is given twice", b.Name)
		return
	}
	if a.New.Table == (Table{}) || b.New.Table == (Table{}) {
		return
	}
	if a.Kind == Rows && b.Kind == Rows && a.New.Table == b.New.Table {
		r.problem(b.New.Pos, "each migration needs a new table of its own", "the new table %s is filled by the migration on line %d too", b.New.Table, a.NamePos.Line)
	}
	if a.Kind == Columns && b.Kind == Columns && a.New.Table == b.New.Table {
		for i, column := range b.New.Columns {
			if slices.Contains(a.New.Columns, column) {
				r.problem(b.New.ColPos[i], "each migration needs new columns of its own", "the new column %s of %s is filled by the migration on line %d too", column, b.New.Table, a.NamePos.Line)
			}
		}
	}
	if column, chained := feeds(a, b); chained {
		r.chain(b.Old.Pos, a, column)
	}
	if column, chained := feeds(b, a); chained {
		r.chain(a.Old.Pos, b, column)
	}
}

func (r *reader) chain(at Pos, from *Migration, what string) {
	r.problem(at, "finish that one and remove it from the file first", "%s is the new shape of the migration on line %d; what is written there by a migration does not reach another one", what, from.NamePos.Line)
}

// feeds reports whether b derives its new shape from what a writes, and names
// that.
func feeds(a, b *Migration) (what string, chained bool) {
	if a.New.Table != b.Old.Table {
		return "", false
	}
	if a.Kind == Rows {
		return "table " + a.New.Table.String(), true
	}
	for _, column := range b.Old.Columns {
		if slices.Contains(a.New.Columns, column) {
			return fmt.Sprintf("column %s of %s", column, a.New.Table), true
		}
	}
	return "", false
}
