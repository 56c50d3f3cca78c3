package catalog

import (
	"fmt"
	"strings"
)

// unprintError is a bug of ours or a form of a future Postgres.
type unprintError struct{ definition string }

func (e *unprintError) Error() string {
	return fmt.Sprintf("cannot find the expression in what Postgres printed: %s", e.definition)
}

// unprint cuts the expression out of what pg_get_viewdef prints for wrap(r),
// and gives the row its name back.
//
// Before Postgres 16 every view has hidden relations named old and new
// (rule relics), so that ours are printed as old_1 and new_1.
func unprint(r ExprRequest, definition string) (string, error) {
	def := oneLine(definition)
	inner, before, ok := lateral(def)
	if !ok {
		return "", &unprintError{definition}
	}
	if r.Kind != QueryOverOld {
		values, rest, ok := bracketed(inner, "VALUES ")
		if !ok || rest != "" {
			return "", &unprintError{definition}
		}
		inner = strings.TrimSpace(values)
	}
	if r.Kind == ScalarOverNewSet {
		return setQuery(inner), nil
	}
	// before ends in "FROM schema.table alias,"
	head := strings.TrimSuffix(strings.TrimSpace(before), ",")
	alias := head[strings.LastIndexByte(head, ' ')+1:]
	if name := rowName(r.Kind); alias != name {
		if !strings.HasPrefix(alias, name+"_") {
			return "", &unprintError{definition}
		}
		inner = rename(inner, alias, name)
	}
	return inner, nil
}

// setQuery turns the value into a query over new.
func setQuery(value string) string {
	query, rest, ok := bracketed(value, "")
	if !ok || rest != "" || !strings.HasPrefix(query, " ") {
		// An expression with queries inside rather than a query.
		query = "SELECT " + value
	}
	query = strings.TrimSpace(query)
	return unalias(query, "new_1", "new")
}

// unalias gives a relation's references their name back where Postgres
// printed an alias behind it ("new new_1"). It leaves the query alone when
// something else in it has that alias.
func unalias(query, alias, name string) string {
	var b strings.Builder
	list := codePieces(query)
	done := 0
	for i, p := range list {
		if query[p.start:p.end] != alias || qualifies(query, list, i) || follows(query, list, i, ".") {
			continue
		}
		if !follows(query, list, i, name) {
			return query
		}
		b.WriteString(query[done:list[i-1].end])
		done = p.end
	}
	return rename(b.String()+query[done:], alias, name)
}

// oneLine replaces white space by single blanks, outside quotes.
func oneLine(sql string) string {
	var b strings.Builder
	for _, p := range pieces(sql) {
		if p.kind == blank {
			b.WriteByte(' ')
		} else {
			b.WriteString(sql[p.start:p.end])
		}
	}
	return strings.TrimSpace(b.String())
}

// lateral returns what is in the brackets behind the first LATERAL that is in
// no bracket itself, and all that comes before it.
func lateral(def string) (inner, before string, ok bool) {
	depth := 0
	for _, p := range pieces(def) {
		switch text := def[p.start:p.end]; {
		case text == "(":
			depth++
		case text == ")":
			depth--
		case depth == 0 && p.kind == word && text == "LATERAL":
			inner, _, ok = bracketed(def[p.end:], " ")
			return strings.TrimSpace(inner), def[:p.start], ok
		}
	}
	return "", "", false
}

// bracketed splits prefix(inner)rest.
func bracketed(s, prefix string) (inner, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, prefix+"(")
	if !ok {
		return "", "", false
	}
	depth := 1
	for _, p := range pieces(s) {
		switch s[p.start:p.end] {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 {
			return s[:p.start], s[p.end:], true
		}
	}
	return "", "", false
}

// rename replaces the name of a relation wherever it qualifies something.
func rename(sql, from, to string) string {
	var b strings.Builder
	list := codePieces(sql)
	done := 0
	for i, p := range list {
		if sql[p.start:p.end] == from && qualifies(sql, list, i) {
			b.WriteString(sql[done:p.start] + to)
			done = p.end
		}
	}
	return b.String() + sql[done:]
}

// qualifies reports whether a piece stands first before a dot.
func qualifies(sql string, list []piece, i int) bool {
	return i+1 < len(list) && sql[list[i+1].start] == '.' && !follows(sql, list, i, ".")
}

// follows reports whether the piece before the i-th is that text.
func follows(sql string, list []piece, i int, text string) bool {
	return i > 0 && sql[list[i-1].start:list[i-1].end] == text
}

// codePieces leaves out white space and comments.
func codePieces(sql string) []piece {
	var list []piece
	for _, p := range pieces(sql) {
		if p.kind != blank && p.kind != comment {
			list = append(list, p)
		}
	}
	return list
}
