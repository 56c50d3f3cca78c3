package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"github.com/pgjanus/pgjanus/catalog"
)

// Inline is the fast path of a columns migration: the application's own
// statement computes the new columns. It is taken only where it provably gives
// what sync would give: every old column that up reads is a constant, a
// parameter or unchanged. Everything else goes by sync.
//
// Where a trigger of the user may put another value in its place, a sync runs
// behind the statement all the same. It finds nothing to do where the trigger
// has not, so that the row is not written again: that would fire the user's
// triggers for UPDATE once more.

// event is what a trigger fires on.
type event int

const (
	onInsert event = iota
	onUpdate
)

// triggered reports whether the user has a trigger for e: it may change the row
// before it is written, or write it again afterwards.
func (m *Migration) triggered(e event) bool {
	for _, t := range m.Old.Triggers {
		if e == onInsert && t.Insert || e == onUpdate && t.Update {
			return true
		}
	}
	return false
}

// inlines reports whether a statement can read and assign all that an UPDATE
// needs to compute one shape from the other.
func (m *Migration) inlines() bool {
	seen := m.sees(m.Rule.Old.Columns...) && m.sees(m.Rule.New.Columns...)
	for _, t := range append(m.up[:len(m.up):len(m.up)], m.down...) {
		seen = seen && m.sees(t.cols...)
	}
	return seen && !m.reserved && !m.collated() && !m.generatedKey() // what such a key will be the statement does not say
}

// inlineUpdate edits SET so that it computes the new columns as well.
func (w *planning) inlineUpdate(m *Migration, n *pg_query.UpdateStmt) bool {
	if w.syncsOnly || !m.inlines() {
		return false
	}
	row := rowName(n.Relation)
	values := map[string]string{}
	end := w.setEnd(tokenAt(w.tokens, int(n.TargetList[len(n.TargetList)-1].GetResTarget().Location)))
	for i, t := range n.TargetList {
		target := t.GetResTarget()
		if !m.names([]string{target.Name}) {
			continue
		}
		value, ok := w.constant(target.Val)
		if !ok && m.triggered(onUpdate) && plain(target.Val) {
			last := end
			if i+1 < len(n.TargetList) {
				last = tokenAt(w.tokens, int(n.TargetList[i+1].GetResTarget().Location)) - 2
				if w.tokens[last].kind == tokenComma { // (a, b) = .. is next
					last--
				}
			}
			value, ok = w.copied(target, last)
		}
		if !ok || len(target.Indirection) > 0 || values[target.Name] != "" {
			return false
		}
		values[target.Name] = cast(value, m.Old.Column(target.Name))
	}
	old := func(column string) string {
		if v, ok := values[column]; ok {
			return v
		}
		return row + "." + Ident(column)
	}
	current := func(column string) string { return row + "." + Ident(column) }
	var b strings.Builder
	for i, c := range m.UpColumns() {
		fmt.Fprintf(&b, ", %s = %s", Ident(c), m.derived(i, old, current))
	}
	w.edits.insert(w.tokens[end].end, b.String())
	return true
}

// setEnd returns the last token of a SET clause of which i is one. What is added
// stands behind the application's own, so that errors in what it copies are
// found where the application wrote it.
func (w *planning) setEnd(i int) int {
	for depth := 0; i < len(w.tokens); i++ {
		switch w.tokens[i].kind {
		case tokenOpen:
			depth++
		case tokenClose:
			if depth--; depth >= 0 {
				continue
			}
			if i+1 == len(w.tokens) || w.tokens[i+1].kind != tokenEquals {
				return i - 1
			}
			depth = 0 // i is in (a, b) = ..
		case pg_query.Token_FROM, pg_query.Token_WHERE, pg_query.Token_RETURNING, pg_query.Token_ASCII_59:
			if depth == 0 {
				return i - 1
			}
		}
	}
	return i - 1
}

// inlineInsert edits the column list and every row of VALUES.
func (w *planning) inlineInsert(m *Migration, n *pg_query.InsertStmt, to int) bool {
	sel := n.SelectStmt.GetSelectStmt()
	rows := sel.GetValuesLists()
	if sel.GetWithClause() != nil || len(sel.GetSortClause()) > 0 || sel.GetLimitCount() != nil || sel.GetLimitOffset() != nil {
		return false // then it is a query, whose parameters do not have the types of the columns
	}
	if w.syncsOnly || len(rows) == 0 || len(n.Cols) == 0 || m.reserved || m.collated() || !m.sees(m.UpColumns()...) {
		return false
	}
	columns := targetNames(n.Cols)
	for _, c := range n.Cols {
		if len(c.GetResTarget().Indirection) > 0 {
			return false
		}
	}
	listed := next(w.tokens, tokenAt(w.tokens, int(n.Cols[len(n.Cols)-1].GetResTarget().Location)), tokenClose)
	values := next(w.tokens[:to], listed+1, pg_query.Token_VALUES) // the table's alias may be called so, too
	if values < 0 {
		return false
	}
	opens := make([]int, 0, len(rows))
	for i := values + 1; i < to && w.tokens[i].kind == tokenOpen; {
		opens = append(opens, i)
		end := closing(w.tokens, i)
		if i = end + 1; i >= to || w.tokens[i].kind != tokenComma {
			break
		}
		i++
	}
	if len(opens) != len(rows) {
		return false
	}
	texts := make([]string, len(rows))
	for i, row := range rows {
		text, ok := w.insertValues(m, columns, row.GetList().GetItems(), n.Override)
		if !ok {
			return false
		}
		texts[i] = text
	}
	w.edits.insert(w.tokens[listed-1].end, ", "+m.upNames())
	for i, open := range opens {
		w.edits.insert(w.tokens[closing(w.tokens, open)-1].end, ", "+texts[i])
	}
	return true
}

// insertValues returns the new columns' values for one row of VALUES.
func (w *planning) insertValues(m *Migration, columns []string, items []*pg_query.Node, override pg_query.OverridingKind) (string, bool) {
	if len(items) != len(columns) {
		return "", false // an error, which says how many
	}
	given := map[string]string{}
	for i, name := range columns {
		if !m.names([]string{name}) || items[i].GetSetToDefault() != nil {
			continue
		}
		if override == pg_query.OverridingKind_OVERRIDING_USER_VALUE && m.Old.Column(name).Identity != 0 {
			continue // the sequence gives another
		}
		value, ok := w.constant(items[i])
		if !ok {
			return "", false
		}
		given[name] = cast(value, m.Old.Column(name))
	}
	ok := true
	old := func(name string) string {
		if v, is := given[name]; is {
			return v
		}
		v, constant := defaultValue(m.Old.Column(name))
		ok = ok && constant
		return v
	}
	current := func(name string) string {
		v, constant := defaultValue(m.New.Column(name))
		ok = ok && constant
		return v
	}
	text := list(m.UpColumns(), func(i int, _ string) string { return m.derived(i, old, current) })
	return text, ok
}

// derived is the value of new column i: what it is now where the law excuses
// it (every down(new) of its strand is the old value), else what up says.
func (m *Migration) derived(i int, old, current func(column string) string) string {
	up := m.up[i].render(old)
	if !m.lossy() {
		return "(" + up + ")"
	}
	var same []string
	for j, c := range m.Rule.Old.Columns {
		if m.strands.old[j] == m.strands.new[i] {
			law := m.DownSameness(j)
			same = append(same, law.Same(law.Value(m.down[j].render(current)), old(c)))
		}
	}
	c := m.UpColumns()[i]
	return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", strings.Join(same, " AND "), current(c), besides(m.New.Column(c), up, m.up[i].value))
}

// besides is expr, which yields that, as the other arm of a CASE that may say c
// itself. Left as it is, c could be converted to the type of expr, and digits of it
// be lost on the way there and back. Strings of all types become text, and it is
// left to the assignment to find them too long.
func besides(c *catalog.Column, expr string, yields catalog.ExprColumn) string {
	switch t := CastType(c); {
	case yields.Type == t, yields.Collation != 0 && c.Collation != 0:
		return "(" + expr + ")"
	case c.Collation != 0 && c.Sameness != catalog.ByParts:
		return "(" + expr + ")::pg_catalog.text"
	default:
		return "(" + expr + ")::" + typeName(t)
	}
}

// constant returns the text of a value that is the same each time it is
// evaluated in a statement: a parameter, a constant, or a cast of one to a type
// without modifiers.
func (w *planning) constant(n *pg_query.Node) (string, bool) {
	switch {
	case n.GetParamRef() != nil:
		return fmt.Sprintf("$%d", n.GetParamRef().Number), true
	case n.GetAConst() != nil:
		i := tokenAt(w.tokens, int(n.GetAConst().Location))
		if i < 0 {
			return "", false
		}
		end := i
		if w.tokens[i].kind == tokenMinus {
			if end++; w.tokens[end].kind != pg_query.Token_ICONST && w.tokens[end].kind != pg_query.Token_FCONST {
				return "", false // -(1), - -1
			}
		}
		switch w.tokens[end].kind {
		case pg_query.Token_TRUE_P, pg_query.Token_FALSE_P, pg_query.Token_NULL_P:
			return " " + w.text[w.tokens[i].start:w.tokens[end].end], true
		}
		if end+1 < len(w.tokens) && w.tokens[end+1].kind == pg_query.Token_UESCAPE {
			return "", false
		}
		w.plan.copiesLiterals = true
		return " " + copyOf(w.text, w.tokens[i].start, w.tokens[end].end), true
	case n.GetTypeCast() != nil:
		t := n.GetTypeCast().TypeName
		inner, ok := w.constant(n.GetTypeCast().Arg)
		if !ok || len(t.Typmods) > 0 || len(t.ArrayBounds) > 0 || t.Setof || t.PctType {
			return "", false
		}
		names := make([]string, len(t.Names))
		for i, name := range t.Names {
			names[i] = Ident(name.GetString_().GetSval())
		}
		return "(" + inner + ")::" + strings.Join(names, "."), true
	}
	return "", false
}

// plain reports whether an expression may be evaluated twice without anyone
// noticing: nothing in it but columns, constants, parameters and operators. If
// it should not be the same each time, the sync behind the statement sees to it.
func plain(n *pg_query.Node) bool {
	ok := true
	walk(n, func(n node) {
		switch n.(type) {
		case *pg_query.FuncCall, *pg_query.SubLink, *pg_query.MultiAssignRef, *pg_query.SetToDefault, *pg_query.SQLValueFunction:
			ok = false
		}
	})
	return ok
}

// copied is the text of what an UPDATE assigns to target; last is its last token.
func (w *planning) copied(target *pg_query.ResTarget, last int) (string, bool) {
	i := tokenAt(w.tokens, int(target.Location))
	if i < 0 || i+2 > last || w.tokens[i+1].kind != tokenEquals {
		return "", false
	}
	w.plan.copiesLiterals = true
	return copyOf(w.text, w.tokens[i+2].start, w.tokens[last].end) + "\n", true
}

func cast(value string, c *catalog.Column) string { return "(" + value + ")::" + typeName(c.Type) }

// typeName qualifies the printed name of a built-in type that is not a keyword,
// so that it means the same under every search_path. Others print qualified.
func typeName(printed string) string {
	element, array := printed, ""
	if at := strings.IndexByte(printed, '['); at >= 0 {
		element, array = printed[:at], printed[at:]
	}
	switch element {
	case "bigint", "integer", "smallint", "boolean", "real", "numeric", "interval", "bit", "character":
		return printed
	case `"char"`:
		return "pg_catalog." + printed
	}
	for _, c := range []byte(element) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return printed
		}
	}
	return "pg_catalog." + element + array
}

// defaultValue returns the default of a column if it is a constant.
func defaultValue(c *catalog.Column) (string, bool) {
	if !c.Constant || c.Identity != 0 || c.Generated != 0 {
		return "NULL", false
	}
	if c.Default == "" {
		return "(NULL)::" + typeName(c.Type), true
	}
	text, err := portable(c.Default)
	if err == nil {
		text, err = qualifyExpr(text)
	}
	return "(" + text + ")::" + typeName(c.Type), err == nil
}
