package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
)

// A record has no type of which Postgres knows the fields. So where a statement
// takes a field of what is a row, as in (array_agg(u))[1].email, or in (s.x).email
// over (SELECT u AS x FROM users u) s, the row stays one of the table's type.

// fields says of which result columns a statement takes fields.
type fields struct {
	noting bool // nothing is edited yet
	opened map[string]bool
	rows   map[string]*relation // those that are rows of one relation
}

// ofSameType lists functions whose result has the type of an argument, or of its
// elements, or is an array of it.
var ofSameType = map[string]bool{
	"array_agg": true, "unnest": true, "min": true, "max": true, "any_value": true, "array_append": true, "array_remove": true,
	"first_value": true, "last_value": true, "nth_value": true, "lag": true, "lead": true,
}

// takesFields reports whether a statement may take a field of an expression.
func takesFields(tokens []token) bool {
	for i := 1; i < len(tokens); i++ {
		if before := tokens[i-1].kind; tokens[i].kind == tokenDot && (before == tokenClose || before == pg_query.Token_ASCII_93) {
			return true
		}
	}
	return false
}

// note finds the result columns of which stmt takes fields.
func (h *hiding) note(stmt *pg_query.Node) {
	h.fields = fields{noting: true, opened: map[string]bool{}, rows: map[string]*relation{}}
	edits, planned := h.edits, *h.stmt
	h.visit(stmt.ProtoReflect(), nil)
	h.edits, *h.stmt = edits, planned
	h.noting, h.done, h.err = false, map[node]bool{}, nil
}

// field looks at an expression of which a field is taken. list has dealt with
// (name).*.
func (h *hiding) field(n *pg_query.A_Indirection, s *scope) {
	if ref := n.Arg.GetColumnRef(); ref != nil {
		if s.whole(ref).calls(n.Indirection[0]) {
			return
		}
		h.done[ref] = true
		h.open(ref, s)
		return
	}
	for _, step := range n.Indirection {
		if step.GetAIndices() == nil {
			h.keep(n.Arg, s)
		}
	}
}

// open notes the name of a column, no row of a source, of which a field is taken.
func (h *hiding) open(ref *pg_query.ColumnRef, s *scope) {
	if name := ref.Fields[len(ref.Fields)-1].GetString_().GetSval(); h.noting && name != "" && s.whole(ref) == nil {
		h.opened[name] = true
	}
}

// keep leaves a row as it is, where the value of n is one or an array of them, and
// returns the relation that it is of.
func (h *hiding) keep(n *pg_query.Node, s *scope) *relation {
	var parts []*pg_query.Node
	switch n := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		h.done[n.ColumnRef] = true
		if src := s.whole(n.ColumnRef); src != nil {
			return src.rel
		}
	case *pg_query.Node_FuncCall:
		if ofSameType[n.FuncCall.Funcname[len(n.FuncCall.Funcname)-1].GetString_().GetSval()] {
			parts = n.FuncCall.Args
		}
	case *pg_query.Node_CoalesceExpr:
		parts = n.CoalesceExpr.Args
	case *pg_query.Node_MinMaxExpr:
		parts = n.MinMaxExpr.Args
	case *pg_query.Node_CaseExpr:
		for _, when := range n.CaseExpr.Args {
			parts = append(parts, when.GetCaseWhen().GetResult())
		}
		parts = append(parts, n.CaseExpr.Defresult)
	case *pg_query.Node_AArrayExpr:
		parts = n.AArrayExpr.Elements
	case *pg_query.Node_AIndirection:
		parts = []*pg_query.Node{n.AIndirection.Arg}
	case *pg_query.Node_SubLink:
		if sel := n.SubLink.Subselect.GetSelectStmt(); sel != nil {
			inner := h.level(s, nil, nil, sel.FromClause)
			for _, t := range sel.TargetList {
				if rel := h.keep(t.GetResTarget().GetVal(), inner); rel != nil {
					return rel
				}
			}
		}
	}
	var found *relation
	for _, part := range parts {
		if rel := h.keep(part, s); rel != nil {
			found = rel
		}
	}
	return found
}

// result leaves a result column of an inner query as it is, where a field of it
// is taken further out.
func (h *hiding) result(t *pg_query.ResTarget, s *scope) {
	name := t.Name
	if name == "" {
		name = outputName(t.Val)
	}
	if s == nil || s.outer == nil || !h.noting && !h.opened[name] {
		return
	}
	if !h.noting {
		h.keep(t.Val, s)
		return
	}
	done := h.done
	h.done = map[node]bool{}
	if rel := h.keep(t.Val, s); rel != nil {
		if was, known := h.rows[name]; known && was != rel {
			rel = nil
		}
		h.rows[name] = rel
	}
	h.done = done
}

// unfold writes out (name).* of a result column that is a row. i is the token
// that the name begins with.
func (h *hiding) unfold(ref *pg_query.ColumnRef, i int) {
	name := ref.Fields[len(ref.Fields)-1].GetString_().GetSval()
	rel := h.rows[name]
	if h.noting || !h.opened[name] || rel == nil || i < 1 || h.tokens[i-1].kind != tokenOpen {
		return
	}
	end := closing(h.tokens, i-1)
	if end+2 >= len(h.tokens) || h.tokens[end+2].kind != tokenStar {
		return
	}
	row := h.text[h.tokens[i-1].start:h.tokens[end].end]
	h.swap(i-1, end+2, list(rel.sight(), func(_ int, c catalog.Column) string { return row + "." + Ident(c.Name) }))
	h.seen(rel)
}
