package rules

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// layout says how SQL lies in the file.
type layout struct {
	// verbatim is how many bytes of SQL stand on the first line as they are.
	verbatim int
	// literal: each further line of SQL is a line of the file that begins
	// behind indent characters. Otherwise only the first line is known.
	literal bool
	indent  int
}

// At returns the place in the rules file of a byte offset into SQL. Where YAML
// changes the text on its way (folded lines, escapes) it is the place where
// the text begins.
func (e Expr) At(offset int) Pos {
	if offset <= 0 || offset > len(e.SQL) || e.Pos == (Pos{}) {
		return e.Pos
	}
	before := e.SQL[:offset]
	if offset <= e.layout.verbatim {
		return Pos{Line: e.Pos.Line, Column: e.Pos.Column + utf8.RuneCountInString(before)}
	}
	if !e.layout.literal {
		return e.Pos
	}
	return Pos{
		Line:   e.Pos.Line + strings.Count(before, "\n"),
		Column: e.layout.indent + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1,
	}
}

// expr reads a piece of SQL.
func (r *reader) expr(n *yaml.Node, path, column string) (Expr, bool) {
	s, ok := r.text(n, path)
	if !ok {
		return Expr{}, false
	}
	sql := strings.TrimSpace(strings.TrimRight(s, "; \t\r\n"))
	if sql == "" {
		r.problem(r.textPos(n), "write the SQL, or remove the key", "%s has no SQL", path)
		return Expr{}, false
	}
	if strings.ContainsRune(sql, 0) {
		r.problem(r.textPos(n), "remove it", "%s has a zero byte, which SQL cannot hold", path)
		return Expr{}, false
	}
	e := Expr{Column: column, SQL: sql, Pos: r.textPos(n)}
	e.layout.verbatim = r.verbatim(e.Pos, sql)
	if n.Style&yaml.LiteralStyle != 0 {
		e.layout.literal, e.layout.indent = true, r.indent(n, s)
	}
	return e, true
}

// textPos returns where the text of a scalar begins: behind the opening quote,
// and for a block scalar at the first character that is not white space.
func (r *reader) textPos(n *yaml.Node) Pos {
	switch {
	case n.Kind != yaml.ScalarNode:
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		for line := n.Line; line < len(r.lines); line++ { // n.Line counts from 1: this starts behind it
			text := r.lines[line]
			if blank := leading(text); blank < len(text) {
				return Pos{Line: line + 1, Column: blank + 1}
			}
		}
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		blank := len(n.Value) - len(strings.TrimLeft(n.Value, " "))
		return Pos{Line: n.Line, Column: n.Column + 1 + blank}
	}
	return nodePos(n)
}

// indent returns how far the lines of a literal block scalar are indented: what
// the file has in front of the first line's text and the value has not.
func (r *reader) indent(n *yaml.Node, value string) int {
	for _, line := range strings.Split(value, "\n") {
		if text := strings.TrimLeft(line, " \t\r"); text != "" {
			return max(0, r.textPos(n).Column-1-(len(line)-len(text)))
		}
	}
	return 0
}

// verbatim returns how much of sql is what the file has at that place.
func (r *reader) verbatim(at Pos, sql string) int {
	if at.Line < 1 || at.Line > len(r.lines) {
		return 0
	}
	line := r.lines[at.Line-1]
	for range at.Column - 1 {
		_, size := utf8.DecodeRune(line)
		line = line[size:]
	}
	n := 0
	for n < len(sql) && n < len(line) && sql[n] == line[n] {
		n++
	}
	return n
}

func leading(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " \t\r")) }
