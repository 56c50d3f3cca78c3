package rewrite

import (
	"strings"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// normalisedBytes is how much is kept of a normalised statement.
const normalisedBytes = 1 << 10

// normaliser writes a text without its constants, from the scanner's tokens
// alone: what stands between tokens is never copied, so comments cannot get
// through, and a token is copied only when it can hold no constant.
type normaliser struct {
	text   string
	tokens []token
	// known, where it is set, says which identifiers are copied; the others
	// become _. It is for texts that do not parse, in which a bare word may be
	// anything.
	known  func(name string) bool
	masked bool // set when an identifier was not copied
}

// statement returns tokens [from, to): parameters and constants are ?, white
// space is one blank, a list of IN or ARRAY has equal items once, VALUES has its
// first row only, and what is longer than normalisedBytes is cut.
func (n *normaliser) statement(from, to int) string {
	var b strings.Builder
	n.write(&b, from, to)
	return cut(b.String())
}

// cut keeps the beginning of a normalised text.
func cut(text string) string {
	if len(text) <= normalisedBytes {
		return text
	}
	at := strings.LastIndexByte(text[:normalisedBytes], ' ')
	if at <= 0 {
		for at = normalisedBytes; !utf8.RuneStart(text[at]); {
			at--
		}
	}
	return strings.Clone(text[:at]) + " .."
}

func (n *normaliser) write(b *strings.Builder, from, to int) {
	for i := from; i < to; i++ {
		if i > from && n.tokens[i].start > n.tokens[i-1].end {
			b.WriteByte(' ')
		}
		b.WriteString(n.token(i, from))
		if i+1 >= to {
			return
		}
		switch {
		case n.tokens[i].kind == pg_query.Token_IN_P && n.tokens[i+1].kind == tokenOpen && !n.queries(i+2, to),
			n.tokens[i].kind == pg_query.Token_ARRAY && n.tokens[i+1].kind == tokenOpenBracket:
			i = n.list(b, i+1, to)
		case n.tokens[i].kind == pg_query.Token_VALUES && n.tokens[i+1].kind == tokenOpen:
			i = n.rows(b, i+1, to)
		}
	}
}

const (
	tokenOpenBracket  = pg_query.Token_ASCII_91
	tokenCloseBracket = pg_query.Token_ASCII_93
)

// token returns token i as it is written.
func (n *normaliser) token(i, from int) string {
	t := n.tokens[i]
	s := n.text[t.start:t.end]
	switch t.kind {
	case pg_query.Token_ICONST, pg_query.Token_FCONST, pg_query.Token_SCONST, pg_query.Token_USCONST,
		pg_query.Token_BCONST, pg_query.Token_XCONST, pg_query.Token_PARAM:
		return "?"
	case pg_query.Token_TRUE_P, pg_query.Token_FALSE_P, pg_query.Token_NULL_P:
		if i > from && isPartOfSyntax(n.tokens[i-1].kind) {
			return s
		}
		return "?"
	case pg_query.Token_IDENT, pg_query.Token_UIDENT:
		return n.identifier(s)
	}
	if strings.ContainsAny(s, `'$`) || s[0] >= '0' && s[0] <= '9' {
		return "?" // not reached as long as the scanner is what we know
	}
	return s
}

// isPartOfSyntax reports whether TRUE, FALSE or NULL behind that token is no
// constant: IS NULL, NOT NULL, SET NULL.
func isPartOfSyntax(before pg_query.Token) bool {
	return before == pg_query.Token_IS || before == pg_query.Token_NOT || before == pg_query.Token_SET
}

// identifier returns what is written for an identifier. One that no one would
// give a column, such as "a@b.org", is taken for a string in the wrong quotes.
func (n *normaliser) identifier(s string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	if likely(bare) && (n.known == nil || n.known(bare)) {
		return s
	}
	n.masked = true
	return "_"
}

// likely reports whether a column could be called so.
func likely(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c < utf8.RuneSelf {
			return false
		}
	}
	return len(name) <= 63
}

// queries reports whether a query begins at token i, behind parentheses maybe.
func (n *normaliser) queries(i, to int) bool {
	for i < to && n.tokens[i].kind == tokenOpen {
		i++
	}
	if i >= to {
		return false
	}
	switch n.tokens[i].kind {
	case pg_query.Token_SELECT, pg_query.Token_WITH, pg_query.Token_WITH_LA, pg_query.Token_VALUES, pg_query.Token_TABLE:
		return true
	}
	return false
}

// list writes the bracketed list that begins at token open, without the items
// that are written as the one before, and returns the index of its last token.
func (n *normaliser) list(b *strings.Builder, open, to int) int {
	end := n.match(open, to)
	n.gap(b, open)
	b.WriteString(n.token(open, open))
	before, dots := "", false
	for item := open + 1; item < end; {
		stop := n.comma(item, end)
		var one strings.Builder
		n.write(&one, item, stop)
		switch {
		case item > open+1 && one.String() == before && !dots:
			b.WriteString(", ..")
			dots = true
		case item > open+1 && one.String() != before:
			b.WriteString(", ")
			fallthrough
		case item == open+1:
			b.WriteString(one.String())
			dots = false
		}
		before, item = one.String(), stop+1
	}
	if end < to {
		b.WriteString(n.token(end, end))
	}
	return end
}

// rows writes the first row of VALUES, and .. for the others.
func (n *normaliser) rows(b *strings.Builder, open, to int) int {
	end := min(n.match(open, to), to-1)
	n.gap(b, open)
	n.write(b, open, end+1)
	for more := false; end+2 < to && n.tokens[end+1].kind == tokenComma && n.tokens[end+2].kind == tokenOpen; more = true {
		if !more {
			b.WriteString(", ..")
		}
		end = min(n.match(end+2, to), to-1)
	}
	return end
}

func (n *normaliser) gap(b *strings.Builder, i int) {
	if n.tokens[i].start > n.tokens[i-1].end {
		b.WriteByte(' ')
	}
}

// match returns the index of the bracket that closes tokens[open], or to.
func (n *normaliser) match(open, to int) int {
	depth := 0
	for i := open; i < to; i++ {
		depth += nesting(n.tokens[i].kind)
		if depth == 0 {
			return i
		}
	}
	return to
}

// comma returns the index of the first comma at or after i outside brackets, or to.
func (n *normaliser) comma(i, to int) int {
	for depth := 0; i < to; i++ {
		if depth == 0 && n.tokens[i].kind == tokenComma {
			break
		}
		depth += nesting(n.tokens[i].kind)
	}
	return i
}

func nesting(kind pg_query.Token) int {
	switch kind {
	case tokenOpen, tokenOpenBracket:
		return 1
	case tokenClose, tokenCloseBracket:
		return -1
	}
	return 0
}
