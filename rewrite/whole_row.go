package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// ofAnyRow lists functions that take any row, and show its columns or count
// them. A function of the user's takes rows of the table's own type: it is
// part of the database, and gets the row as it is.
var ofAnyRow = map[string]bool{
	"row_to_json": true, "to_json": true, "to_jsonb": true, "json_agg": true, "jsonb_agg": true, "array_agg": true,
	"json_build_object": true, "jsonb_build_object": true, "json_build_array": true, "jsonb_build_array": true,
	"json_object_agg": true, "jsonb_object_agg": true, "count": true, "num_nulls": true, "num_nonnulls": true,
	"format": true, "concat": true, "concat_ws": true, "min": true, "max": true, "string_agg": true,
	"first_value": true, "last_value": true, "nth_value": true, "lag": true, "lead": true, "any_value": true,
	"array_append": true, "array_prepend": true, "array_remove": true, "array_replace": true, "array_position": true, "array_positions": true, "array_fill": true,
	"hash_record": true, "hash_record_extended": true, "quote_literal": true, "quote_nullable": true, "record_out": true,
}

// ofAnyText lists the types that a row can be cast to but its own.
var ofAnyText = map[string]bool{"text": true, "varchar": true, "json": true, "jsonb": true}

// whole returns the source of which ref is the row, or nil. A bare name may
// also be a column of a source whose columns are not known here; then it stays.
func (s *scope) whole(ref *pg_query.ColumnRef) *source {
	last := len(ref.Fields) - 1
	if ref.Fields[last].GetAStar() != nil {
		if src := s.find(ref.Fields[:last]); last > 0 && src != nil && src.rel != nil {
			return src
		}
		return nil
	}
	if last > 0 {
		return nil
	}
	name := ref.Fields[0].GetString_().GetSval()
	for ; s != nil; s = s.outer {
		for i := range s.sources {
			if s.sources[i].mayHave(name) {
				return nil
			}
		}
		for i := range s.sources {
			if s.sources[i].name == name {
				if s.sources[i].rel == nil {
					return nil // nothing of it is hidden
				}
				return &s.sources[i]
			}
		}
	}
	return nil
}

// mayHave reports whether a source may have a column of that name.
func (src *source) mayHave(name string) bool {
	for _, alias := range src.rv.GetAlias().GetColnames() {
		if alias.GetString_().GetSval() == name {
			return true
		}
	}
	if src.rel != nil {
		return src.rel.hides[0].Old.Column(name) != nil
	}
	return src.known == nil || src.known.Column(name) != nil
}

// record is the row of a source without its hidden columns; NULL where an outer
// join has put NULL in its place, which is where it has no tableoid.
func (src *source) record() string {
	if src.bare {
		return fmt.Sprintf("(SELECT pgjanus_row FROM (SELECT %s) pgjanus_row)", src.asRecord())
	}
	return fmt.Sprintf("CASE WHEN %s.tableoid IS NOT NULL THEN (SELECT pgjanus_row FROM (SELECT %s) pgjanus_row) END", src.ref(), src.asRecord())
}

// asRecord is list for a record, whose fields have the names of the table's columns,
// whatever an alias calls them.
func (src *source) asRecord() string {
	names := src.rel.sight()
	return list(src.columns, func(i int, c string) string {
		field := src.ref() + "." + Ident(c)
		if c != names[i].Name {
			field += " AS " + Ident(names[i].Name)
		}
		return field
	})
}

// row puts the row without hidden columns in the place of a whole one.
func (h *hiding) row(ref *pg_query.ColumnRef, s *scope) {
	src := s.whole(ref)
	if src == nil {
		h.called(ref, s)
		return
	}
	if src.copied {
		h.cannot(src.rel, int(ref.Location), "the row")
		return
	}
	if len(ref.Fields) > 1 {
		h.replace(ref, "("+src.record()+")")
	} else {
		i := tokenAt(h.tokens, int(ref.Location))
		h.swap(i, i, "("+src.record()+")")
	}
	h.seen(src.rel)
}

// called puts the row without hidden columns into u.to_jsonb, which is to_jsonb(u).
func (h *hiding) called(ref *pg_query.ColumnRef, s *scope) {
	last := len(ref.Fields) - 1
	if last < 1 {
		return
	}
	if src := s.find(ref.Fields[:last]); src.calls(ref.Fields[last]) {
		if src.copied {
			h.cannot(src.rel, int(ref.Location), "the row")
			return
		}
		i := tokenAt(h.tokens, int(ref.Location))
		h.swap(i, i+2*last, Ident(ref.Fields[last].GetString_().GetSval())+"("+src.record()+")")
		h.seen(src.rel)
	}
}

// calls reports whether a field of the row of a source is none, but a function of any
// row.
func (src *source) calls(field *pg_query.Node) bool {
	name := field.GetString_().GetSval()
	return src != nil && src.rel != nil && ofAnyRow[name] && !src.mayHave(name)
}

// unwrapped writes out (name).*.
func (h *hiding) unwrapped(in *pg_query.A_Indirection, s *scope) {
	ref := in.Arg.GetColumnRef()
	h.done[in] = true
	src := s.whole(ref)
	i := tokenAt(h.tokens, int(ref.Location))
	if src == nil {
		h.done[ref] = true
		h.open(ref, s)
		h.unfold(ref, i)
		return
	}
	first, last := i, i
	if len(ref.Fields) > 1 { // (name.*).*
		last = h.starAt(i)
	}
	for first > 0 && last+1 < len(h.tokens) && h.tokens[first-1].kind == tokenOpen && h.tokens[last+1].kind == tokenClose {
		first, last = first-1, last+1
	}
	if first == i || last+2 >= len(h.tokens) || h.tokens[last+2].kind != tokenStar {
		return
	}
	h.swap(first, last+2, src.list())
	h.seen(src.rel)
}

// arguments leaves alone the rows that a function of the user's takes.
func (h *hiding) arguments(f *pg_query.FuncCall) {
	if ofAnyRow[f.Funcname[len(f.Funcname)-1].GetString_().GetSval()] {
		return
	}
	for _, a := range f.Args {
		if ref := a.GetColumnRef(); ref != nil {
			h.done[ref] = true
		}
	}
}

// cast leaves alone a row that is cast to a type of its own: u::users, ROW(u.*)::users.
func (h *hiding) cast(c *pg_query.TypeCast, s *scope) {
	names := c.GetTypeName().GetNames()
	if len(names) == 0 {
		return
	}
	name := names[len(names)-1].GetString_().GetSval()
	if ref := c.Arg.GetColumnRef(); ref != nil && !ofAnyText[name] {
		h.done[ref] = true
	}
	if row := c.Arg.GetRowExpr(); row != nil && len(row.Args) == 1 && row.Args[0].GetColumnRef() != nil {
		if src := s.whole(row.Args[0].GetColumnRef()); src != nil && src.rel.name.Name == name {
			h.done[row] = true
		}
	}
}

// named keeps the name of an output column that is a whole row, or one cast.
func (h *hiding) named(t *pg_query.ResTarget, s *scope) {
	ref := t.GetVal().GetColumnRef()
	if c := t.GetVal().GetTypeCast(); c != nil {
		h.cast(c, s)
		ref = c.Arg.GetColumnRef()
	}
	if t.Name != "" || ref == nil || h.done[ref] {
		return
	}
	src := s.whole(ref)
	if src == nil {
		return
	}
	i := tokenAt(h.tokens, int(ref.Location))
	if len(ref.Fields) > 1 {
		i = h.starAt(i)
	}
	if t.GetVal().GetTypeCast() != nil {
		if i = h.castEnd(i); i < 0 {
			h.done[ref] = true // it stays as it is
			return
		}
	}
	h.row(ref, s)
	h.done[ref] = true
	h.edits.insertFirst(h.tokens[i].end, " AS "+Ident(src.name)) // ahead of the record expression
}

// castEnd returns the last token of  name::type  or  CAST (name AS type), where
// what stands in front of the type ends with token i; -1 where it is spelled in
// another way.
func (h *hiding) castEnd(i int) int {
	for i++; i < len(h.tokens) && h.tokens[i].kind == tokenClose; i++ {
	}
	kind := func(i int) pg_query.Token {
		if i < len(h.tokens) {
			return h.tokens[i].kind
		}
		return pg_query.Token_NUL
	}
	within := kind(i) == pg_query.Token_AS
	if !within && kind(i) != pg_query.Token_TYPECAST {
		return -1
	}
	for i++; kind(i+1) == tokenDot; i += 2 {
	}
	if kind(i+1) == tokenOpen {
		i = closing(h.tokens, i+1)
	}
	switch {
	case i >= len(h.tokens), within && kind(i+1) != tokenClose:
		return -1
	case within:
		return i + 1
	}
	return i
}
