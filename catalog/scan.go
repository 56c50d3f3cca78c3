package catalog

import (
	"strings"
	"unicode/utf8"
)

// lexeme is the kind of one piece of SQL text.
type lexeme int

const (
	blank   lexeme = iota + 1 // white space
	comment                   // either form
	quoted                    // a string of any form, or a quoted identifier
	word                      // an identifier, keyword or number
	symbol                    // one byte of anything else
)

// piece is text[start:end].
type piece struct {
	kind       lexeme
	start, end int
}

// pieces splits SQL text as Postgres's scanner would under
// standard_conforming_strings = on (src/backend/parser/scan.l), no finer than
// is needed to tell code from strings and comments. A string or comment that
// is not closed reaches to the end.
func pieces(sql string) []piece {
	var list []piece
	for i := 0; i < len(sql); {
		kind, end := pieceAt(sql, i)
		list = append(list, piece{kind, i, end})
		i = end
	}
	return list
}

func pieceAt(sql string, i int) (lexeme, int) {
	rest, c := sql[i:], sql[i]
	switch {
	case isBlank(c):
		end := i + 1
		for end < len(sql) && isBlank(sql[end]) {
			end++
		}
		return blank, end
	case strings.HasPrefix(rest, "--"):
		if n := strings.IndexAny(rest, "\r\n"); n >= 0 {
			return comment, i + n
		}
		return comment, len(sql)
	case strings.HasPrefix(rest, "/*"):
		return comment, commentEnd(sql, i)
	case c == '\'' || c == '"':
		return quoted, quotedEnd(sql, i, c, false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		return quoted, quotedEnd(sql, i+1, '\'', true)
	case c == '$':
		if end := dollarEnd(sql, i); end > 0 {
			return quoted, end
		}
		return symbol, i + 1
	case isWord(c):
		end := i + 1
		for end < len(sql) && (isWord(sql[end]) || sql[end] == '$') {
			end++
		}
		return word, end
	}
	return symbol, i + 1
}

func isBlank(c byte) bool { return strings.IndexByte(" \t\n\r\f\v", c) >= 0 }

func isWord(c byte) bool {
	return c == '_' || c >= utf8.RuneSelf || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// commentEnd knows that block comments nest.
func commentEnd(sql string, i int) int {
	depth := 0
	for i < len(sql) {
		switch {
		case strings.HasPrefix(sql[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(sql[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(sql)
}

// quotedEnd returns the offset behind the text quoted by the byte at i.
func quotedEnd(sql string, i int, quote byte, backslash bool) int {
	for i++; i < len(sql); i++ {
		switch {
		case backslash && sql[i] == '\\':
			i++
		case sql[i] != quote:
		case i+1 < len(sql) && sql[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(sql)
}

// dollarEnd returns 0 when the dollar at i does not open a string.
func dollarEnd(sql string, i int) int {
	end := i + 1
	for end < len(sql) && isWord(sql[end]) {
		end++
	}
	if end == len(sql) || sql[end] != '$' || end > i+1 && '0' <= sql[i+1] && sql[i+1] <= '9' {
		return 0
	}
	tag := sql[i : end+1]
	if n := strings.Index(sql[end+1:], tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(sql)
}
