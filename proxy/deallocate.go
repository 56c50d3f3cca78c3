package proxy

import (
	"bytes"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// dropping says what a text may do to prepared statements by SQL.
type dropping struct {
	some bool   // it may drop any (DEALLOCATE or DISCARD occurs)
	name string // it is DEALLOCATE of this one and nothing else
}

// droppingOf reads a text; mention is what it may be about.
func droppingOf(text []byte, mention rewrite.Mention) dropping {
	if mention&rewrite.MentionsDeallocate == 0 {
		return dropping{}
	}
	return dropping{some: true, name: deallocated(text)}
}

// deallocated returns the name in "DEALLOCATE [PREPARE] name", or nothing where
// the text is not just that. Drivers that drop statements by SQL would make the
// table grow for ever.
func deallocated(text []byte) string {
	const most = 3
	text = bytes.TrimRight(bytes.TrimSpace(text), "; \t\r\n")
	if len(text) > len("DEALLOCATE PREPARE ")+2*64 {
		return ""
	}
	words := strings.Fields(string(text))
	if len(words) == most && strings.EqualFold(words[1], "prepare") {
		words = append(words[:1], words[2])
	}
	if len(words) != 2 || !strings.EqualFold(words[0], "deallocate") {
		return ""
	}
	name := words[1]
	if quoted, ok := strings.CutPrefix(name, `"`); ok {
		return strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `""`, `"`)
	}
	return strings.ToLower(name)
}

// noteTag follows what completions say of prepared statements, and of DDL.
// Statements that were sent behind the command are not concerned.
func (c *core) noteTag(frame []byte, d *detail) {
	c.ddl = c.ddl || definesSchema(frame[headerSize:])
	switch string(frame[headerSize:]) {
	case "DEALLOCATE ALL\x00", "DISCARD ALL\x00":
		if d == nil || !d.drops.some || d.shadows == c.shadows {
			c.env.Shadowed = c.env.Shadowed && string(frame[headerSize:]) != "DISCARD ALL\x00"
		}
		n, obscures := c.statements.pushed, c.obscures
		if d != nil && d.drops.some {
			n, obscures = d.pushed, d.obscures
		}
		c.statements.forgetAll(n)
		c.forgetObscured(obscures)
	case "DEALLOCATE\x00":
		if d != nil && d.drops.name != "" {
			c.statements.forget(d.drops.name, d.pushed)
		}
	}
}

// definesSchema reports whether a command tag is that of DDL.
func definesSchema(tag []byte) bool {
	for _, verb := range []string{"ALTER ", "CREATE ", "DROP "} {
		if bytes.HasPrefix(tag, []byte(verb)) {
			return true
		}
	}
	return false
}
