package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
)

const (
	tokenStar = pg_query.Token_ASCII_42
	tokenDot  = pg_query.Token_ASCII_46
)

// list writes out each *, name.* and (name).* of a list of expressions that
// would show a hidden column.
func (h *hiding) list(targets []*pg_query.Node, s *scope) {
	for _, t := range targets {
		val := t
		if t.GetResTarget() != nil {
			val = t.GetResTarget().Val
		}
		ref := val.GetColumnRef()
		if in := val.GetAIndirection(); in != nil && len(in.Indirection) == 1 && in.Indirection[0].GetAStar() != nil && in.GetArg().GetColumnRef() != nil {
			h.unwrapped(in, s)
			continue
		}
		if ref == nil || ref.Fields[len(ref.Fields)-1].GetAStar() == nil {
			continue
		}
		if len(ref.Fields) == 1 {
			h.star(ref, s)
		} else if src := s.find(ref.Fields[:len(ref.Fields)-1]); src != nil && src.rel != nil {
			h.replace(ref, src.list())
			h.seen(src.rel)
		}
		h.done[ref] = true
	}
}

// list is the columns of a source that show.
func (src *source) list() string {
	return list(src.columns, func(_ int, c string) string { return src.ref() + "." + Ident(c) })
}

// ref is how a query says the source's name.
func (src *source) ref() string {
	if src.schema != "" {
		return Ident(src.schema) + "." + Ident(src.name)
	}
	return Ident(src.name)
}

// replace puts text in the place of a column reference that ends in *.
func (h *hiding) replace(ref *pg_query.ColumnRef, text string) {
	first := tokenAt(h.tokens, int(ref.Location))
	h.swap(first, h.starAt(first), text)
}

// starAt returns the * that ends the column reference at token i.
func (h *hiding) starAt(i int) int {
	for i >= 0 && i < len(h.tokens) && h.tokens[i].kind != tokenStar {
		i++
	}
	return i
}

// swap puts text in the place of the tokens from first to last. Words that
// stood against them stay apart.
func (h *hiding) swap(first, last int, text string) {
	if first < 0 || last < first || last >= len(h.tokens) {
		h.err = &Refusal{Reason: "what the statement shows cannot be told from its text", Hint: "list the columns", Offset: -1}
		return
	}
	if h.showing {
		h.shown.WriteString(text)
		h.shown.WriteByte('\n')
	}
	from, to := h.tokens[first].start, h.tokens[last].end
	if from > 0 && continues([]byte{h.text[from-1]}) {
		text = " " + text
	}
	if to < len(h.text) && continues([]byte{h.text[to]}) {
		text += " "
	}
	h.edits.replace(from, to-from, text)
}

// star writes out a bare *.
func (h *hiding) star(ref *pg_query.ColumnRef, s *scope) {
	var parts []string
	var rel *relation
	nameless := false
	for i := range s.sources {
		src := &s.sources[i]
		if src.image {
			continue
		}
		if src.rel != nil {
			rel = src.rel
		}
		nameless = nameless || src.name == ""
		if !src.aside || src.rel != nil {
			parts = append(parts, src.all())
		}
	}
	switch {
	case rel == nil:
		return // joins has put subqueries in their place, or there was none
	case s.merges || nameless:
		h.cannot(rel, int(ref.Location), "RETURNING *")
		return
	}
	text := strings.Join(parts, ", ")
	if ref.Location >= 0 {
		h.replace(ref, text)
	} else { // TABLE name
		i := tokenAt(h.tokens, int(s.sources[0].rv.Location))
		for h.tokens[i].kind != pg_query.Token_TABLE {
			i--
		}
		h.swap(i, i, "SELECT "+text+" FROM")
	}
	h.seen(rel)
}

// all is what a * shows of the source.
func (src *source) all() string {
	if src.rel != nil {
		return src.list()
	}
	return src.ref() + ".*"
}

// seenAs lists the columns of a table that applications know, as it calls them.
func (r *relation) seenAs() string {
	return list(r.sight(), func(_ int, c catalog.Column) string { return Ident(c.Name) })
}

// joins puts a subquery that lacks the hidden columns in the place of a table,
// where a list of columns cannot say what the query shows: * over columns that
// JOIN merges, NATURAL, a JOIN with an alias, * over a source without a name, and
// where an alias has names for hidden columns. n is the query, with that list of
// results.
func (h *hiding) joins(n node, results []*pg_query.Node, s *scope) {
	starred, nameless := false, false
	for _, t := range results {
		ref := t.GetResTarget().GetVal().GetColumnRef()
		starred = starred || ref != nil && len(ref.Fields) == 1 && ref.Fields[0].GetAStar() != nil
	}
	for _, src := range s.sources {
		nameless = nameless || src.name == ""
	}
	for i := range s.sources {
		src := &s.sources[i]
		if src.rel == nil || !src.aside && !src.reached && !(starred && (s.merges || nameless)) {
			continue
		}
		spelled, ok := h.spelled(n, s, src)
		if src.only || s.grouped || !ok || h.knows(n, s, src) {
			h.cannot(src.rel, int(src.rv.Location), "this join")
			src.rel = nil
			continue
		}
		first := tokenAt(h.tokens, int(src.rv.Location))
		last := h.afterName(src.rv) - 1
		name := h.text[h.tokens[first].start:h.tokens[last].end]
		if last+1 < len(h.tokens) && h.tokens[last+1].kind == tokenStar {
			last++ // name *, which is name
		}
		text := fmt.Sprintf("(SELECT %s FROM %s)", src.rel.seenAs(), name)
		if src.rv.Alias == nil {
			text += " AS " + Ident(src.rv.Relname)
		}
		h.swap(first, last, text)
		for _, ref := range spelled {
			from := tokenAt(h.tokens, int(ref.Location))
			h.swap(from, from+2*(len(ref.Fields)-2), Ident(src.name))
		}
		h.seen(src.rel)
		src.rel, src.schema = nil, ""
	}
}

// spelled lists where a query names src with its schema, which a subquery in its place
// does not have. It is not ok where another is called so, too, which the name alone
// might stand for.
func (h *hiding) spelled(n node, s *scope, src *source) (refs []*pg_query.ColumnRef, ok bool) {
	if src.rv.Alias != nil {
		return nil, true
	}
	for i := range s.sources {
		if other := &s.sources[i]; other != src && other.name == src.name {
			return nil, false
		}
	}
	others := map[node]bool{} // further in
	walk(n, func(n node) {
		switch n := n.(type) {
		case *pg_query.ColumnRef:
			if last := len(n.Fields) - 1; last > 1 && n.Fields[last-1].GetString_().GetSval() == src.name &&
				n.Fields[last-2].GetString_().GetSval() == src.rel.name.Schema {
				refs = append(refs, n)
			}
		case *pg_query.RangeVar:
			if n != src.rv && n.Alias == nil && n.Relname == src.name {
				others[n] = true
			}
		case *pg_query.Alias:
			if n.Aliasname == src.name {
				others[n] = true
			}
		}
	})
	walk(n, func(n node) {
		if locking, ok := n.(*pg_query.LockingClause); ok {
			for _, rv := range locking.LockedRels { // a name of one in FROM
				delete(others, rv.GetRangeVar())
			}
		}
	})
	return refs, len(refs) == 0 || len(others) == 0
}

// knows reports whether a query names what a subquery in the place of src would
// not have: a hidden column, or one of the system's.
func (h *hiding) knows(n node, s *scope, src *source) bool {
	found := false
	walk(n, func(n node) {
		ref, ok := n.(*pg_query.ColumnRef)
		if !ok {
			return
		}
		last := len(ref.Fields) - 1
		if last > 0 {
			if of := s.find(ref.Fields[:last]); of != nil && of != src && of.rv != nil {
				return // a column of another table
			}
		}
		switch name := ref.Fields[last].GetString_().GetSval(); name {
		case "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid":
			found = true
		default:
			found = found || name != "" && src.rel.hidden(name)
		}
	})
	return found
}

// find returns the source that a qualifier names, from the innermost level out.
func (s *scope) find(qualifier []*pg_query.Node) *source {
	name := qualifier[len(qualifier)-1].GetString_().GetSval()
	schema := ""
	if len(qualifier) > 1 {
		schema = qualifier[len(qualifier)-2].GetString_().GetSval()
	}
	for ; s != nil; s = s.outer {
		for i := range s.sources {
			src := &s.sources[i]
			if src.name == name && (schema == "" || src.schema == schema || src.rel != nil && src.rv.Alias == nil && src.rel.name.Schema == schema) {
				return src
			}
		}
	}
	return nil
}

// positions gives an INSERT without a column list the list that it was written
// for, where its values would reach a hidden column.
func (h *hiding) positions(n *pg_query.InsertStmt, s *scope) {
	rel := s.sources[0].rel
	sel := n.SelectStmt.GetSelectStmt()
	if rel == nil || len(n.Cols) > 0 || sel == nil {
		return
	}
	width := h.width(sel)
	first := -1
	var columns []string
	for i, c := range rel.hides[0].Old.Columns {
		if rel.hidden(c.Name) {
			if first < 0 {
				first = i
			}
		} else {
			columns = append(columns, c.Name)
		}
	}
	if first < 0 || width >= 0 && width <= first {
		return
	}
	if width < 0 {
		if first < len(columns) { // else nothing is behind the hidden ones
			h.unknownWidth(rel, n.Relation)
		}
		return
	}
	i := h.afterName(n.Relation) - 1
	if a := n.Relation.Alias; a != nil {
		i = next(h.tokens, i+1, pg_query.Token_AS) + 1
	}
	names := list(columns[:min(width, len(columns))], func(_ int, c string) string { return Ident(c) })
	h.edits.insert(h.tokens[i].end, " ("+names+")")
	h.seen(rel)
}

// width is how many columns a query has, or -1 where a * keeps its text from telling.
func (h *hiding) width(sel *pg_query.SelectStmt) int {
	switch {
	case len(sel.ValuesLists) > 0:
		return len(sel.ValuesLists[0].GetList().GetItems())
	case sel.Larg != nil:
		return max(h.width(sel.Larg), h.width(sel.Rarg))
	}
	for _, t := range sel.TargetList {
		val := t.GetResTarget().GetVal()
		fields, steps := val.GetColumnRef().GetFields(), val.GetAIndirection().GetIndirection()
		if n := len(fields); n > 0 && fields[n-1].GetAStar() != nil {
			return -1
		}
		if n := len(steps); n > 0 && steps[n-1].GetAStar() != nil {
			return -1
		}
	}
	return len(sel.TargetList)
}

// unknownWidth refuses an INSERT whose query may reach a hidden column that has
// others behind it.
func (h *hiding) unknownWidth(rel *relation, rv *pg_query.RangeVar) {
	for _, m := range rel.hides {
		if m.Rule.Active() && h.err == nil {
			h.err = &Refusal{
				Migration: m.Rule.Name, Offset: int(rv.Location),
				Reason: fmt.Sprintf("INSERT without a column list from a query with * might reach columns of %s that the migration has added", rel.name),
				Hint:   "list the columns of one of them, or set expose_new_columns: true for the migration",
			}
		}
	}
}

// copied gives COPY without a list, in either direction, the columns that show.
func (h *hiding) copied(n *pg_query.CopyStmt) {
	if n.Relation == nil || len(n.Attlist) > 0 {
		return
	}
	rel := h.shy(n.Relation)
	if rel == nil {
		return
	}
	var columns []string
	for _, c := range rel.sight() {
		if c.Generated == 0 {
			columns = append(columns, c.Name)
		}
	}
	h.edits.insert(h.tokens[h.afterName(n.Relation)-1].end, " ("+list(columns, func(_ int, c string) string { return Ident(c) })+")")
	h.seen(rel)
}
