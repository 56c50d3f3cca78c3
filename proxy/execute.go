package proxy

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// executed refuses EXECUTE, in SQL, of a statement that was prepared by the
// protocol and writes to a migrating table: the two share their names, but the
// syncs go with the protocol's Execute only. mention is that of text.
func (c *core) executed(text []byte, mention rewrite.Mention) *rewrite.Plan {
	if mention&rewrite.MentionsExecute == 0 || len(c.statements.last) == 0 {
		return nil
	}
	for _, name := range executedNames(text) {
		s := c.statements.lookup([]byte(name))
		if s == nil || (s.rewritten() == nil && c.planner.Plan(s.text, c.env).Outcome == rewrite.Pass) {
			continue
		}
		plan := &rewrite.Plan{
			Outcome: rewrite.Refuse, Original: string(text),
			Statements: []rewrite.Statement{{Kind: "EXECUTE", Outcome: rewrite.Refuse}},
			Refusal: &rewrite.Refusal{
				Reason: fmt.Sprintf("EXECUTE of %q, which was prepared through the protocol and writes to a migrating table, cannot be rewritten", name),
				Hint:   "execute it through the protocol, as it was prepared", Offset: -1,
			},
		}
		c.metrics.planned(plan, rewrite.Unmentioned)
		return plan
	}
	return nil
}

// executedNames returns the names behind the word EXECUTE. It does not know
// where strings and comments are, so it may find too many.
func executedNames(text []byte) []string {
	const word, space = "execute", " \t\r\n\f\v"
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
