package catalog

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// targets are a table and the relations through which it is written, of which a
// body, the text of a function or a rule, may write one.
type targets []Name

// verbs begin statements that write.
var verbs = []string{"insert", "update", "delete", "merge", "truncate", "copy"}

// writtenBySQL reports whether a body in SQL or PL/pgSQL has a statement that
// writes a target. It looks into strings, which may be executed. Where something
// executes them, one of them may have the verb, and the name be anywhere.
func (t targets) writtenBySQL(body string) bool {
	texts := unpack(body, nil)
	if slices.ContainsFunc(texts, t.inStatement) {
		return true
	}
	return texts[0].executes() && slices.ContainsFunc(texts, passage.hasVerb) && slices.ContainsFunc(texts, t.named)
}

// writtenByText is the same for a body in any other language: one that has a verb
// and the name of a target.
func (t targets) writtenByText(body string) bool {
	words := strings.FieldsFunc(fold(body), func(r rune) bool { return r < utf8.RuneSelf && r != '$' && !isWord(byte(r)) })
	return slices.ContainsFunc(verbs, func(v string) bool { return slices.Contains(words, v) }) && slices.ContainsFunc(t, func(n Name) bool {
		return slices.Contains(words, fold(n.Name)) || !isIdentifier(n.Name) && strings.Contains(body, n.Name)
	})
}

// inStatement reports whether a verb has a target behind it.
func (t targets) inStatement(p passage) bool {
	for i, verb := range p.tokens {
		if verb.kind != word || !slices.Contains(verbs, fold(verb.text)) {
			continue
		}
		for rest := p.tokens[i+1:]; ; rest = rest[1:] {
			for len(rest) > 0 && rest[0].among("into", "from", "table", "only") {
				if rest = rest[1:]; len(rest) > 0 && rest[0].text == "(" {
					rest = rest[1:] // UPDATE ONLY (t)
				}
			}
			var names []string
			names, rest = qualified(rest)
			if t.has(names) {
				return true
			}
			for len(rest) > 0 && (rest[0].text == "*" || rest[0].text == ")") {
				rest = rest[1:]
			}
			if fold(verb.text) != "truncate" || len(rest) == 0 || rest[0].text != "," {
				break
			}
		}
	}
	return false
}

// qualified reads the name that tokens begin with, and returns its parts.
func qualified(tokens []token) (names []string, rest []token) {
	for len(tokens) > 0 && tokens[0].kind != symbol {
		names = append(names, tokens[0].identifier())
		if len(tokens) < 2 || tokens[1].text != "." {
			return names, tokens[1:]
		}
		tokens = tokens[2:]
	}
	return names, tokens
}

// has reports whether the last of names is that of a target, and the one ahead of
// it, where there is one, its schema.
func (t targets) has(names []string) bool {
	n := len(names)
	return n > 0 && slices.ContainsFunc(t, func(of Name) bool {
		return of.Name == names[n-1] && (n == 1 || of.Schema == names[n-2])
	})
}

// named reports whether a passage has the name of a target. In a string it may be
// meant to be quoted.
func (t targets) named(p passage) bool {
	return slices.ContainsFunc(t, func(n Name) bool {
		return p.inside && p.text == n.Name || slices.ContainsFunc(p.tokens, func(x token) bool {
			return x.kind != symbol && (x.identifier() == n.Name || p.inside && x.text == n.Name)
		})
	})
}

// needles are texts in lower case, one of which every body has that names a target.
func (t targets) needles() []string {
	var all []string
	for _, n := range t {
		parts := strings.FieldsFunc(fold(n.Name), func(r rune) bool { return strings.ContainsRune(`"'\`, r) })
		slices.SortStableFunc(parts, func(a, b string) int { return len(b) - len(a) })
		all = append(all, append(parts, "")[0])
	}
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) })
	var few []string // partitions often have the table's name in theirs
	for _, s := range all {
		if !slices.ContainsFunc(few, func(f string) bool { return strings.Contains(s, f) }) {
			few = append(few, s)
		}
	}
	return few
}

// passage is the code of a body, or a string in it.
type passage struct {
	text   string
	inside bool // of a string
	tokens []token
}

// executes reports whether it is code that executes a string.
func (p passage) executes() bool {
	return slices.ContainsFunc(p.tokens, func(x token) bool {
		return x.among("execute") || x.kind == word && strings.HasPrefix(fold(x.text), "dblink")
	})
}

// hasVerb reports whether it is a string with a verb in it. One that is a verb and
// nothing else is what TG_OP is compared with.
func (p passage) hasVerb() bool {
	return p.inside && !slices.Contains(verbs, fold(p.text)) && slices.ContainsFunc(p.tokens, func(x token) bool { return x.among(verbs...) })
}

// token is a word or a symbol as it is written, or a quoted identifier without
// its quotes.
type token struct {
	kind lexeme
	text string
}

// among reports whether it is one of those key words.
func (x token) among(words ...string) bool {
	return x.kind == word && slices.Contains(words, fold(x.text))
}

// identifier is the name that it stands for.
func (x token) identifier() string {
	if x.kind == quoted {
		return x.text
	}
	return fold(x.text)
}

// unpack returns text, without comments, and the strings in it, at any depth.
func unpack(text string, all []passage) []passage {
	at := len(all)
	all = append(all, passage{text: text, inside: at > 0})
	var tokens []token
	for _, p := range pieces(text) {
		s := text[p.start:p.end]
		switch {
		case p.kind == word || p.kind == symbol:
			tokens = append(tokens, token{p.kind, s})
		case p.kind == quoted && s[0] == '"':
			tokens = append(tokens, token{quoted, strings.ReplaceAll(strings.TrimSuffix(s[1:], `"`), `""`, `"`)})
		case p.kind == quoted:
			tokens = append(tokens, token{symbol, "'"})
			all = unpack(content(s), all)
		}
	}
	all[at].tokens = tokens
	return all
}

// content is what a string of any form stands for, as far as names go.
func content(s string) string {
	if s[0] == '$' {
		tag := s[:strings.IndexByte(s[1:], '$')+2]
		return strings.TrimSuffix(s[len(tag):], tag)
	}
	if s[0] != '\'' {
		s = strings.NewReplacer(`\'`, `'`, `\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`).Replace(s[1:])
	}
	return strings.ReplaceAll(strings.TrimSuffix(s[1:], "'"), "''", "'")
}

// isIdentifier reports whether a name is one word.
func isIdentifier(name string) bool {
	for i := range len(name) {
		if !isWord(name[i]) && name[i] != '$' {
			return false
		}
	}
	return true
}

// fold is what Postgres makes of a word that is not quoted (downcase_identifier in
// parser/scansup.c, in UTF-8).
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}
