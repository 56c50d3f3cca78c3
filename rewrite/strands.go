package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
)

// strands tells the old and new columns of a columns migration apart that have
// nothing to do with each other: no expression of up and down reads a column of
// another strand than its own. The law of lossy maps holds for each by itself, so
// that what one keeps is not lost because another one changes.
type strands struct {
	count    int
	old, new []int // the strand of each column, from 0
}

// findStrands counts a column that nothing connects to the strand of the first, and
// finds one strand where there is no law.
func (m *Migration) findStrands() strands {
	old, new := m.Rule.Old.Columns, m.UpColumns()
	group := make([]int, len(old)+len(new)) // of the old columns, then of the new ones
	for i := range group {
		if !m.lossy() {
			break
		}
		group[i] = i
	}
	join := func(isOld, isNew int) {
		if isOld < 0 || isNew < 0 {
			return
		}
		from, to := group[len(old)+isNew], group[isOld]
		for i, g := range group {
			if g == from {
				group[i] = to
			}
		}
	}
	for i, t := range m.up {
		for _, c := range t.cols {
			join(slices.Index(old, c), i)
		}
	}
	for j, t := range m.down {
		for _, c := range t.cols {
			join(j, slices.Index(new, c))
		}
	}
	for i := range new {
		if !slices.Contains(group[:len(old)], group[len(old)+i]) {
			join(0, i)
		}
	}
	for j := range old {
		if !slices.Contains(group[len(old):], group[j]) {
			join(j, 0)
		}
	}
	var seen []int
	for i, g := range group {
		if !slices.Contains(seen, g) {
			seen = append(seen, g)
		}
		group[i] = slices.Index(seen, g)
	}
	return strands{count: len(seen), old: group[:len(old)], new: group[len(old):]}
}

// Disagree is the condition under which a row of a columns migration drifts: in
// some strand no new column value is excused by the law (down(new) is old), and
// some new value is not what up says. The row has both shapes and is named alias.
func (m *Migration) Disagree(alias string) string {
	all := make([]string, m.strands.count)
	for strand := range all {
		all[strand] = m.disagrees(strand, alias)
	}
	if len(all) == 1 {
		return all[0]
	}
	return "(" + strings.Join(all, " OR ") + ")"
}

// disagrees is Disagree for one strand.
func (m *Migration) disagrees(strand int, alias string) string {
	var ups, downs []string
	for i, c := range m.UpColumns() {
		if m.strands.new[i] == strand {
			same := m.UpSameness(i)
			ups = append(ups, same.Differ(alias+"."+Ident(c), same.Value(m.UpSQL(i, alias))))
		}
	}
	condition := "(" + strings.Join(ups, " OR ") + ")"
	if !m.lossy() {
		return condition
	}
	for j, c := range m.Rule.Old.Columns {
		if m.strands.old[j] == strand {
			same := m.DownSameness(j)
			downs = append(downs, same.Differ(same.Value(m.DownSQL(j, alias)), alias+"."+Ident(c)))
		}
	}
	return "(" + strings.Join(downs, " OR ") + ") AND " + condition
}

// mended assigns column c of a row named old that disagrees what expr says where
// it is the column's strand that does.
func (m *Migration) mended(strand int, column *catalog.Column, expr string, yields catalog.ExprColumn) string {
	c := Ident(column.Name)
	if m.strands.count == 1 {
		return fmt.Sprintf("%s = (%s)", c, expr)
	}
	return fmt.Sprintf("%s = CASE WHEN %s THEN %s ELSE old.%[1]s END", c, m.disagrees(strand, "old"), besides(column, expr, yields))
}
