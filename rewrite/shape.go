package rewrite

import (
	"slices"
	"sync"
	"unicode/utf8"
)

// A shape is a text without its plain literals: '..' and numbers. Applications
// that put values into the text send few shapes and very many texts, and what
// is done with one text is done with every other of its shape, at places that
// have moved by what the literals before them are longer.
//
// Where the lexer here is not certain to read a text as Postgres does (comments,
// backslashes, other encodings, prefixed and dollar-quoted strings, exponents), it has no shape.

// literal is the place of a literal in a text, end exclusive.
type literal struct{ at, end int }

// Marks for the literals of a shape. Neither can be part of a text.
const (
	stringMark = '\x01'
	numberMark = '\x02'
)

// lexer takes a text apart. Its slices are reused.
type lexer struct {
	shape    []byte
	literals []literal
}

// read fills shape and literals; false where the text has no shape.
func (l *lexer) read(text []byte) bool {
	l.shape, l.literals = l.shape[:0], l.literals[:0]
	if !utf8.Valid(text) {
		return false // the parser takes UTF-8 only
	}
	for at := 0; at < len(text); {
		c, end := text[at], at+1
		switch {
		case c == '\'':
			if at > 0 && (wordByte(text[at-1]) || text[at-1] == '&') {
				return false // a prefix
			}
			if end = plainString(text, at); end < 0 || hasPrefixFold(text[at+1:end], replicationRole) {
				return false // the plan depends on what the second says
			}
			at = l.leaveOut(at, end, stringMark)
			continue
		case c == '"':
			if at > 0 && text[at-1] == '&' {
				return false // a U& name, and a string behind UESCAPE that says what it means
			}
			for end < len(text) && text[end] != '"' {
				end++
			}
			if end++; end > len(text) {
				return false
			}
		case digit(c) || c == '.' && end < len(text) && digit(text[end]):
			if end = plainNumber(text, at); end < 0 {
				return false
			}
			at = l.leaveOut(at, end, numberMark)
			continue
		case c == '$':
			if end == len(text) || !digit(text[end]) {
				return false // a dollar quote
			}
			for end < len(text) && digit(text[end]) {
				end++
			}
		case wordByte(c):
			for end < len(text) && wordByte(text[end]) {
				end++
			}
		case c == '-' && end < len(text) && text[end] == '-', c == '/' && end < len(text) && text[end] == '*', c == '\\', c < ' ' && !space(c):
			return false
		}
		l.shape = append(l.shape, text[at:end]...)
		at = end
	}
	return true
}

func (l *lexer) leaveOut(at, end int, mark byte) int {
	l.shape = append(l.shape, mark)
	l.literals = append(l.literals, literal{at, end})
	return end
}

// plainString returns the end of the string that begins at at, or -1.
func plainString(text []byte, at int) int {
	for i := at + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			return -1
		case text[i] != '\'':
		case i+1 < len(text) && text[i+1] == '\'':
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// plainNumber returns the end of the number that begins at at, or -1.
func plainNumber(text []byte, at int) int {
	dots := 0
	for ; at < len(text) && (digit(text[at]) || text[at] == '.'); at++ {
		if text[at] == '.' {
			dots++
		}
	}
	if dots > 1 || at < len(text) && wordByte(text[at]) {
		return -1
	}
	return at
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// wordByte reports whether c can be part of an identifier.
func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || digit(c) || lower(c) >= 'a' && lower(c) <= 'z'
}

// shaped is the plan of one text of a shape.
type shaped struct {
	plan     *Plan
	literals []literal
}

// cacheShapes is how many shapes are kept; when it is full a random one makes room.
const cacheShapes = 4096

// shapes maps shapes to plans.
type shapes struct {
	lexers sync.Pool // of *lexer
	mu     sync.RWMutex
	plans  map[string]*shaped // guarded by mu
}

// plan returns the plan of a text of a shape that is known, else a new one. kept
// says that the plan of its shape is known from now on.
func (s *shapes) plan(text []byte, planAnew func() *Plan) (plan *Plan, source Source, kept bool) {
	l, _ := s.lexers.Get().(*lexer)
	if l == nil {
		l = &lexer{}
	}
	defer s.lexers.Put(l)
	if len(text) > cacheTextLimit || !l.read(text) || len(l.literals) == 0 {
		return planAnew(), Planned, false
	}
	s.mu.RLock()
	known := s.plans[string(l.shape)]
	s.mu.RUnlock()
	if known != nil {
		return known.of(string(text), l.literals), FromCache, true
	}
	if plan = planAnew(); !plan.shapely() {
		return plan, Planned, false
	}
	s.put(string(l.shape), &shaped{plan, slices.Clone(l.literals)})
	return plan, Planned, true
}

func (s *shapes) put(shape string, known *shaped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.plans) >= cacheShapes {
		for other := range s.plans {
			delete(s.plans, other)
			break
		}
	}
	s.plans[shape] = known
}

// shapely reports whether the plan is that of every text of its shape.
func (p *Plan) shapely() bool {
	if p.Outcome == Refuse && p.Ask == nil || p.Shadows || p.copiesLiterals || p.Obscure || len(p.Statements) == 0 {
		return false
	}
	for i := range p.Statements {
		switch p.Statements[i].Kind {
		case "SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE":
		default:
			return false
		}
	}
	return true
}

// of returns the plan of another text of the same shape, which has its literals
// at those places.
func (s *shaped) of(text string, literals []literal) *Plan {
	if s.plan.Outcome == Pass && !s.plan.Names() || s.plan.Ask != nil {
		return s.plan // who does not ask shows the first text's position
	}
	moved := func(at int) int {
		shift := 0
		for i, l := range s.literals {
			if l.end > at {
				break
			}
			shift += literals[i].end - literals[i].at - (l.end - l.at)
		}
		return at + shift
	}
	plan := &Plan{Outcome: s.plan.Outcome, Original: text, Statements: slices.Clone(s.plan.Statements), like: s.plan, apart: s.plan.apart}
	for i := range plan.Statements {
		plan.Statements[i].at, plan.Statements[i].syncAt = moved(plan.Statements[i].at), moved(plan.Statements[i].syncAt)
	}
	if plan.Outcome == Pass {
		return plan
	}
	es := slices.Clone(s.plan.Extended.edits)
	for i := range es {
		es[i].at = moved(es[i].at)
	}
	plan.finish(es)
	return plan
}
