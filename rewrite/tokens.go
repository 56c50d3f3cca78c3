package rewrite

import (
	"fmt"
	"sort"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// token is one lexical token of a text: byte offsets, end exclusive.
type token struct {
	kind       pg_query.Token
	start, end int
}

// Punctuation as the scanner numbers it.
const (
	tokenOpen   = pg_query.Token_ASCII_40
	tokenClose  = pg_query.Token_ASCII_41
	tokenComma  = pg_query.Token_ASCII_44
	tokenMinus  = pg_query.Token_ASCII_45
	tokenEquals = pg_query.Token_ASCII_61
)

// scan splits text into tokens, without comments.
func scan(text string) ([]token, error) {
	result, err := pg_query.Scan(text)
	if err != nil {
		return nil, fmt.Errorf("scanning: %w", err)
	}
	tokens := make([]token, 0, len(result.Tokens))
	for i, t := range result.Tokens {
		if t.Token == pg_query.Token_UIDENT || t.Token == pg_query.Token_USCONST {
			// The scanner looks beyond it for UESCAPE, and loses its end.
			end := len(text)
			if i+1 < len(result.Tokens) {
				end = int(result.Tokens[i+1].Start)
			}
			t.End = t.Start + int32(len(strings.TrimRight(text[t.Start:end], " \t\n\r\f\v")))
		}
		if t.Token == pg_query.Token_SQL_COMMENT || t.Token == pg_query.Token_C_COMMENT {
			continue
		}
		if n := len(tokens); n > 0 {
			switch before := tokens[n-1].kind; {
			case before == tokenDot && t.KeywordKind != pg_query.KeywordKind_NO_KEYWORD:
				t.Token = pg_query.Token_IDENT // a name: u.from
			case before == pg_query.Token_DISTINCT && t.Token == pg_query.Token_FROM:
				t.Token = pg_query.Token_DISTINCT // IS DISTINCT FROM: it begins no clause
			}
		}
		tokens = append(tokens, token{t.Token, int(t.Start), int(t.End)})
	}
	return tokens, nil
}

// tokenAt returns the index of the token that begins at offset, or -1.
func tokenAt(tokens []token, offset int) int {
	i := sort.Search(len(tokens), func(i int) bool { return tokens[i].start >= offset })
	if i == len(tokens) || tokens[i].start != offset {
		return -1
	}
	return i
}

// closing returns the index of the parenthesis that closes tokens[open].
func closing(tokens []token, open int) int {
	depth := 0
	for i := open; i < len(tokens); i++ {
		switch tokens[i].kind {
		case tokenOpen:
			depth++
		case tokenClose:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// next returns the index of the first token of that kind at or after i at the
// same depth of parentheses, or -1.
func next(tokens []token, i int, kind pg_query.Token) int {
	for depth := 0; i < len(tokens); i++ {
		if depth == 0 && tokens[i].kind == kind {
			return i
		}
		switch tokens[i].kind {
		case tokenOpen:
			depth++
		case tokenClose:
			if depth--; depth < 0 {
				return -1
			}
		}
	}
	return -1
}
