package proxy

import (
	"bytes"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// obscured is a text that may have prepared statements by SQL, but could not be
// read: a newer grammar, an encoding, its length. It was passed on because no
// migration was concerned then.
type obscured struct {
	text   string
	number uint64
}

// obscuredMost is how much of such texts a session keeps, in bytes; past that no
// EXECUTE of the session is certain.
const obscuredMost = 256 << 10

// obscure remembers the text of a plan that could not be read.
func (c *core) obscure(plan *rewrite.Plan, mention rewrite.Mention) {
	if !plan.Obscure || mention&rewrite.MentionsPrepare == 0 {
		return
	}
	total := len(plan.Original)
	for _, o := range c.obscured {
		total += len(o.text)
	}
	text := plan.Original
	if total > obscuredMost {
		text, c.obscured = "", nil
	}
	c.obscures++
	c.statements.blurred = true
	c.obscured = append(c.obscured, obscured{text, c.obscures})
}

// hidden is what the obscured texts may hide, under the rules of a planner. It is
// made anew where one of them, or the rules, have changed: a text may execute very
// many names.
type hidden struct {
	planner  *rewrite.Planner
	obscures uint64
	texts    int
	any      bool // what was not kept may have prepared any name
	names    map[string]bool
}

// hidesName reports whether a name may stand for something that could not be read
// and concerns a migration now.
func (c *core) hidesName(name string) bool {
	if len(c.obscured) == 0 || !c.planner.Active() {
		return false
	}
	if c.hidden.planner != c.planner || c.hidden.obscures != c.obscures || c.hidden.texts != len(c.obscured) {
		c.hidden = hidden{planner: c.planner, obscures: c.obscures, texts: len(c.obscured), names: map[string]bool{}}
		for _, o := range c.obscured {
			c.hidden.any = c.hidden.any || o.text == ""
			if c.planner.Mentions([]byte(o.text))&rewrite.MentionsMigration == 0 {
				continue
			}
			for _, prepared := range namesBehind("prepare", []byte(o.text)) {
				c.hidden.names[prepared] = true
			}
		}
	}
	return c.hidden.any || c.hidden.names[name]
}

// forgetObscured notes that the server has dropped all that was prepared by the
// first n of such texts.
func (c *core) forgetObscured(n uint64) {
	for len(c.obscured) > 0 && c.obscured[0].number <= n {
		c.obscured = c.obscured[1:]
	}
	c.statements.blurred = len(c.obscured) > 0
}

// resolveObscure refuses a text that could not be read where it may execute what
// it must not.
func (c *core) resolveObscure(plan *rewrite.Plan) *rewrite.Plan {
	if !plan.Obscure || !c.planner.Active() {
		return plan
	}
	for _, name := range namesBehind("execute", []byte(plan.Original)) {
		run, refusal := c.runs(name)
		if refusal == nil && run != nil && run.Outcome != rewrite.Pass {
			refusal = &rewrite.Refusal{
				Reason: "the text may execute a statement that writes to a migrating table, and could not be read with the grammar of Postgres 16",
				Hint:   "send EXECUTE by itself",
			}
		}
		if refusal != nil {
			unread := *plan
			unread.Statements = []rewrite.Statement{{Kind: "EXECUTE"}}
			return c.refuses(&unread, 0, *refusal)
		}
	}
	return plan
}

// namesBehind returns the names behind a word, in lower case. It does not know
// where strings and comments are, so it may find too many.
func namesBehind(word string, text []byte) []string {
	const space = " \t\r\n\f\v"
	var names []string
	for i := 0; i+len(word) <= len(text); i++ {
		if !strings.EqualFold(string(text[i:i+len(word)]), word) {
			continue
		}
		name := bytes.TrimLeft(text[i+len(word):], space)
		if quoted, ok := bytes.CutPrefix(name, []byte{'"'}); ok {
			inside, _, _ := bytes.Cut(quoted, []byte{'"'})
			names = append(names, string(inside))
			continue
		}
		if end := bytes.IndexAny(name, space+"(;)"); end >= 0 {
			name = name[:end]
		}
		names = append(names, strings.ToLower(string(name)))
	}
	return names
}
