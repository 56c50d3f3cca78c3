package rewrite

import (
	"errors"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// The parser copies its tree by recursion, on a C stack of 8 MB that it does not
// watch (check_stack_depth of Postgres does nothing in it): a chain of some 30,000
// operators, which is a text of 60 kB, ends the process. Postgres itself says
// 54001 long before. So a text that may be nested deeper than deepest is not parsed.
// What nests by the parser's own stack need not be counted exactly: that ends at
// 10,000 symbols (YYMAXDEPTH).
const deepest = 10000

// errDeep is what Postgres says (check_stack_depth in tcop/postgres.c).
var errDeep = errors.New("stack depth limit exceeded")

// parse parses a text that may be anyone's, of which the tokens are known: none of
// one that the scanner does not read, of which the parser makes no tree either.
func parse(text string, tokens []token) (*pg_query.ParseResult, error) {
	if len(tokens) > deepest && depthOf(tokens) > deepest {
		return nil, errDeep
	}
	tree, err := pg_query.Parse(text)
	if err != nil && strings.Contains(err.Error(), "exceeded maximum recursion depth") { // of protobuf, 10,000 messages
		return nil, errDeep
	}
	return tree, err
}

// level is what stands between two parentheses or brackets, or CASE and END.
type level struct {
	open   pg_query.Token
	chain  int // tokens of the expression at hand: each operator has one operand at least
	inside int // the deepest level that it has closed
	worst  int // of the expressions before it
	sets   int // set operations and joins: each has all those before it inside
}

func (l *level) next() {
	l.worst = max(l.worst, l.chain/2+l.inside)
	l.chain, l.inside = 0, 0
}

func (l *level) depth() int {
	l.next()
	return l.worst + l.sets
}

// depthOf is how deep the tree of a text that parses is at most, apart from what
// the parser's own stack limits. What makes flat lists there begins anew: commas,
// AND and OR (makeAndExpr in parser/gram.y), the arms of CASE.
func depthOf(tokens []token) (deep int) {
	levels := []level{{}}
	down := func() {
		last := len(levels) - 1
		depth := levels[last].depth() + 1
		levels = levels[:last]
		levels[last-1].inside = max(levels[last-1].inside, depth)
	}
	// up closes levels down to the last that was opened by one of open, if any was.
	up := func(open pg_query.Token) {
		for last := len(levels) - 1; last > 0; last-- {
			opened := levels[last].open
			down()
			if opened == open {
				return
			}
		}
	}
	for i, t := range tokens {
		l := &levels[len(levels)-1]
		kind := t.kind
		if i > 0 && tokens[i-1].kind == tokenDot {
			kind = pg_query.Token_IDENT // the name of a column may be any word
		}
		switch kind {
		case tokenOpen, tokenOpenBracket, pg_query.Token_CASE:
			l.chain++
			levels = append(levels, level{open: kind})
		case tokenClose:
			up(tokenOpen)
		case tokenCloseBracket:
			up(tokenOpenBracket)
		case pg_query.Token_END_P:
			if l.open == pg_query.Token_CASE {
				down()
			}
		case pg_query.Token_ASCII_59:
			for len(levels) > 1 {
				down()
			}
			deep = max(deep, levels[0].depth())
			levels[0] = level{}
		case pg_query.Token_UNION, pg_query.Token_INTERSECT, pg_query.Token_EXCEPT, pg_query.Token_JOIN:
			l.next()
			l.sets++
		case tokenComma, pg_query.Token_AND, pg_query.Token_OR, pg_query.Token_WHEN, pg_query.Token_THEN, pg_query.Token_ELSE, pg_query.Token_SELECT, pg_query.Token_ON:
			l.next()
		default:
			l.chain++
		}
	}
	for len(levels) > 1 {
		down()
	}
	return max(deep, levels[0].depth())
}
