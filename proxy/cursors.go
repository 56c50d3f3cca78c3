package proxy

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/pgjanus/pgjanus/rewrite"
)

// FETCH and MOVE, in SQL, run a portal of the protocol by its name. That of a
// rewritten statement has no sync behind it then, and shows our column, so where
// there are such they are refused; and so is a DECLARE that gives its name to
// something else.

// cursorText returns the text of a statement that is about cursors by name, or "".
func cursorText(text []byte) string {
	start := bytes.TrimLeft(text, " \t\r\n\f\v;")
	if len(start) == 0 {
		return ""
	}
	if strings.IndexByte("-/", start[0]) < 0 { // no comment stands before it
		start = start[:min(len(start), len("declare")+1)]
	}
	if !aboutCursors(start) {
		return ""
	}
	return string(text)
}

func aboutCursors(text []byte) bool {
	return hasWord(text, "fetch") || hasWord(text, "move") || hasWord(text, "declare")
}

// reaches returns why a text must not be executed that may reach a portal by its
// name that only Execute runs as it should be, or nil.
func (c *core) reaches(text []byte) *rewrite.Refusal {
	var names textWords // of the text, looked for once
	for name, b := range c.portals.last {
		for ; b != nil && name != ""; b = b.before {
			if st := b.rewritten(); st == nil || st.Hidden == 0 && len(st.Syncs) == 0 {
				continue
			}
			if names == nil {
				if !aboutCursors(text) {
					return nil
				}
				names = wordsOf(text)
			}
			if names.mayName(text, name) {
				return &rewrite.Refusal{
					Reason: "FETCH, MOVE and DECLARE cannot name a portal whose statement is about a migrating table and was bound through the protocol",
					Hint:   "send Execute for the portal",
				}
			}
		}
	}
	return nil
}

// refusesReach returns the refusal of a text that reaches says must not be executed.
func (c *core) refusesReach(text string, r *rewrite.Refusal) *rewrite.Plan {
	plan := c.refuses(&rewrite.Plan{Original: text, Statements: []rewrite.Statement{{Kind: "FETCH"}}}, 0, *r)
	plan.Refusal.Offset = -1
	return plan
}

// textWords are those of a text, in one case.
type textWords map[string]bool

func wordsOf(text []byte) textWords {
	all := textWords{}
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && inIdentifier(text[i]) {
			i++
		}
		if i > from {
			all[oneCase(string(text[from:i]))] = true
		}
	}
	return all
}

func oneCase(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// mayName reports whether the text of the words may have an identifier. One that may
// have been cut can be longer in the text.
func (w textWords) mayName(text []byte, name string) bool {
	if len(name) > maxName-utf8.UTFMax {
		return true
	}
	for i := range len(name) {
		if !inIdentifier(name[i]) {
			return bytes.IndexByte(text, '"') >= 0
		}
	}
	return w[oneCase(name)] || w["u"]
}

// hasWord reports whether a word stands somewhere in text, in whatever case.
func hasWord(text []byte, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		end := i + len(word)
		if (i == 0 || !inIdentifier(text[i-1])) && (end == len(text) || !inIdentifier(text[end])) && strings.EqualFold(string(text[i:end]), word) {
			return true
		}
	}
	return false
}

func inIdentifier(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}
