package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/rules"
)

// Applications that know the new shape may write it, and down carries it back.
// The mirror of the law holds: an old column stays as it is where up of the old
// columns already is what is written. So whoever writes last is obeyed, and
// both shapes agree whoever that is.
//
// A statement that writes both shapes is left as it is, and fails where they
// contradict each other.

// direction is what the sync behind a statement does with the rows it wrote.
type direction int

const (
	forward  direction = iota + 1 // makes the new shape what up says
	backward                      // makes the old shape what down says
	partial                       // the same, where new columns that were not written count too
	checking                      // fails where the shapes disagree
)

// written tells the columns of m that a statement assigns apart.
func (m *Migration) written(columns []string) (old, new bool) {
	for _, c := range columns {
		old = old || has(m.Rule.Old.Columns, c)
		new = new || m.Rule.Kind == rules.Columns && has(m.Rule.New.Columns, c)
	}
	return old, new
}

// newColumns is a write of new columns.
type newColumns struct {
	columns []string    // all that the statement assigns
	updates [][]string  // what it assigns to rows that are there, place by place
	inline  func() bool // tries to make the statement compute the old ones itself; may be nil
}

// partial reports whether rows that are there keep some of the new columns of m:
// down then reads what may not be filled yet.
func (n newColumns) partial(m *Migration) bool {
	for _, assigned := range n.updates {
		for _, c := range m.Rule.New.Columns {
			if !has(assigned, c) {
				return true
			}
		}
	}
	return false
}

// newShape plans a write of new columns.
func (w *planning) newShape(wr *write, m *Migration, rv *pg_query.RangeVar, n newColumns) error {
	refuse := func(reason, hint string) error {
		return &Refusal{
			Migration: m.Rule.Name, Offset: int(rv.Location), Hint: hint,
			Reason: fmt.Sprintf("the statement writes %s, which is the new shape, and %s", quoted(m.Rule.New.Columns), reason),
		}
	}
	old, _ := m.written(n.columns)
	switch {
	case !m.lossy():
		return refuse("the rules do not say what the old shape is then", fmt.Sprintf("give down for %s, or write those instead", quoted(m.Rule.Old.Columns)))
	case !old && alsoRead(wr.rel.old, m):
		return refuse("another migration derives its own new shape from what down would write", fmt.Sprintf("write %s instead", quoted(m.Rule.Old.Columns)))
	case old:
		w.settle(wr, m, rowName(rv), checking)
		return nil
	case n.partial(m):
		w.settle(wr, m, rowName(rv), partial)
		return nil
	case n.inline != nil && n.inline():
		w.concern(m)
		if !m.triggered(onInsert) && !m.triggered(onUpdate) {
			return nil
		}
	}
	w.settle(wr, m, rowName(rv), backward)
	return nil
}

// alsoRead reports whether another migration of the table reads the old columns
// of m: what a sync writes there does not reach it.
func alsoRead(all []*Migration, m *Migration) bool {
	for _, other := range all {
		if other != m && other.reads(m.Rule.Old.Columns) {
			return true
		}
	}
	return false
}

// inlineBack edits SET so that it computes the old columns as well.
func (w *planning) inlineBack(m *Migration, n *pg_query.UpdateStmt) bool {
	if w.syncsOnly || !m.inlines() {
		return false
	}
	row := rowName(n.Relation)
	values := map[string]string{}
	for _, t := range n.TargetList {
		target := t.GetResTarget()
		if m.upReads(target.Name) {
			return false // the key: up of what the row is now is not up of what it will be
		}
		if !has(m.Rule.New.Columns, target.Name) {
			continue
		}
		value, ok := w.constant(target.Val)
		if !ok || len(target.Indirection) > 0 || values[target.Name] != "" {
			return false
		}
		values[target.Name] = cast(value, m.New.Column(target.Name))
	}
	now := func(column string) string { return row + "." + Ident(column) }
	then := func(column string) string {
		if v, ok := values[column]; ok {
			return v
		}
		return now(column)
	}
	end := w.setEnd(tokenAt(w.tokens, int(n.TargetList[len(n.TargetList)-1].GetResTarget().Location)))
	var b strings.Builder
	for j, c := range m.Rule.Old.Columns {
		fmt.Fprintf(&b, ", %s = %s", Ident(c), m.derivedBack(j, now, then))
	}
	w.edits.insert(w.tokens[end].end, b.String())
	return true
}

// derivedBack is the value of old column j: what it is now where the law excuses
// it (every up of the old columns of its strand is the new value), else what down says.
func (m *Migration) derivedBack(j int, now, then func(column string) string) string {
	var same []string
	for i, c := range m.UpColumns() {
		if m.strands.new[i] == m.strands.old[j] {
			law := m.UpSameness(i)
			same = append(same, law.Same(law.Value(m.up[i].render(now)), then(c)))
		}
	}
	c := m.Rule.Old.Columns[j]
	return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", strings.Join(same, " AND "), now(c), besides(m.Old.Column(c), m.down[j].render(then), m.down[j].value))
}

// upReads reports whether up reads that column of the old row.
func (m *Migration) upReads(column string) bool {
	for _, t := range m.up {
		if has(t.cols, column) {
			return true
		}
	}
	return false
}

// columnsBack is the function that makes the old columns of the keys in the
// settings what down says, where they disagree.
func (b *block) columnsBack(s syncText) {
	b.takeKeys(s)
	b.columnsOfKeysBack(s)
}

// columnsPartBack is columnsBack for rows of which some new columns were there
// before: what they were has to be what up said.
func (b *block) columnsPartBack(s syncText) {
	b.takeKeys(s)
	b.demandFilled(s, fmt.Sprintf("%s of %s cannot be written by themselves", quoted(s.Rule.New.Columns), s.New.Name))
	b.columnsOfKeysBack(s)
}

func (b *block) columnsOfKeysBack(s syncText) {
	b.writeOld(s, syncText.columnsDown, syncText.kept)
}

func (s syncText) columnsDown() string {
	keys, where := s.touched()
	if keys != "" {
		keys = " FROM " + keys
	}
	set := list(s.Rule.Old.Columns, func(j int, c string) string {
		return s.mended(s.strands.old[j], s.Old.Column(c), s.DownSQL(j, "old"), s.down[j].value)
	})
	return fmt.Sprintf("UPDATE %s old SET %s%s WHERE %s AND %s", QName(s.Rule.Old.Table), set, keys, where, s.Disagree("old"))
}

// columnsCheck is the function that fails where the keys in the settings disagree.
func (b *block) columnsCheck(s syncText) {
	b.takeKeys(s)
	b.raise(s, syncText.kept, "23000", "what was written to "+quoted(s.Rule.Old.Columns)+" contradicts what was written to "+quoted(s.Rule.New.Columns),
		"Write one of them, or both so that they agree.")
}
