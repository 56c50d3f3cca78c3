package catalog

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	scratchView = "pgjanus_expr"
	valueColumn = "pgjanus_value"
)

// wrapped is a CREATE VIEW that gives an expression the names it may use.
type wrapped struct {
	sql    string
	prefix int // characters before the expression
	user   string
	tail   string // what stands behind the expression
}

// wrap puts a scalar into VALUES, where Postgres refuses aggregates, window
// functions and sets of rows as it does in SET; a query as it is. Both are
// LATERAL, next to the row they are over.
func wrap(r ExprRequest) wrapped {
	head := "CREATE TEMP VIEW " + scratchView + " AS "
	tail := "\n) u"
	switch r.Kind {
	case ScalarOverOld, ScalarOverNewRow:
		head += "SELECT u.* FROM " + r.Table.SQL() + " " + rowName(r.Kind) + ", LATERAL (VALUES (("
		tail = "\n))) u(" + valueColumn + ")"
	case QueryOverOld:
		head += "SELECT u.* FROM " + r.Table.SQL() + " old, LATERAL ("
	case ScalarOverNewSet:
		head += "WITH new AS (SELECT * FROM " + r.Table.SQL() + ") SELECT u.* FROM LATERAL (VALUES (("
		tail = "\n))) u(" + valueColumn + ")"
	}
	return wrapped{sql: head + r.SQL + tail, prefix: utf8.RuneCountInString(head), user: r.SQL, tail: tail}
}

func rowName(k ExprKind) string {
	if k == ScalarOverNewRow || k == ScalarOverNewSet {
		return "new"
	}
	return "old"
}

// unbalanced says where the text would break out of the brackets put around
// it, or leaves some open. nil when it does neither.
func unbalanced(sql string) *ExprError {
	var open []int
	empty := true
	for _, p := range pieces(sql) {
		empty = empty && (p.kind == blank || p.kind == comment)
		if p.kind != symbol {
			continue
		}
		switch sql[p.start] {
		case '(':
			open = append(open, p.start)
		case ')':
			if len(open) == 0 {
				return syntaxError("a closing parenthesis without an opening one", p.start)
			}
			open = open[:len(open)-1]
		case ';':
			return syntaxError("more than one statement, want a single expression or query", p.start)
		}
	}
	switch {
	case empty:
		return syntaxError("the expression is empty", 0)
	case len(open) > 0:
		return syntaxError("a parenthesis that is never closed", open[len(open)-1])
	}
	return nil
}

func syntaxError(message string, offset int) *ExprError {
	return &ExprError{Code: "42601", Message: message, Offset: offset}
}

// refusal returns what Postgres said of the expression, or nil when err is
// about the connection or the server rather than about the expression.
func (w wrapped) refusal(err error) *ExprError {
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return nil
	}
	switch e.Code[:2] {
	case "08", "25", "40", "53", "55", "57", "58", "XX":
		return nil
	}
	message := strings.Replace(e.Message, w.tail, "", 1) // in which what is not closed runs on
	out := &ExprError{Code: e.Code, Message: message, Hint: e.Hint, Offset: w.offset(int(e.Position))}
	switch {
	case out.Offset == len(w.user) && e.Code == "42601":
		// It points at the bracket behind the text, which is not the user's.
		out.Message = "syntax error at end of input"
	case e.Code == "42P16" && out.Offset < 0:
		out.Hint = "an expression must yield one value, and a query columns of plain types"
	}
	return out
}

// offset maps a position in sql, which counts characters from 1, to a byte
// offset in the user's text; its length stands for "behind it"; -1 elsewhere.
func (w wrapped) offset(position int) int {
	chars := position - 1 - w.prefix
	if position <= 0 || chars < 0 {
		return -1
	}
	for i := range w.user {
		if chars == 0 {
			return i
		}
		chars--
	}
	if chars <= 1 { // the end, or the line end that is put behind it
		return len(w.user)
	}
	return -1
}
