package proxy

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"github.com/pgjanus/pgjanus/rewrite"
)

// How the server reads a text hangs on standard_conforming_strings and
// client_encoding. It says what they are when it is ready for a query
// (ReportChangedGUCOptions in utils/misc/guc.c; before Postgres 14 at once). So
// behind a text that may have changed them, in the same pipeline, it is not known
// how the next one will be read. One that is the same either way need not wait for
// that (rewrite.Plain). Any other, if it may concern a migration, waits for the
// answers, as for those to errWait, or is refused where no Sync has asked for them.
//
// What may have changed them speaks of them, or undoes what did. That a function of
// the user sets them is not seen.

// resetting is something that may change the settings.
type resetting struct {
	text string // whether it does, the text tells; "" where it does for all that is known
	at   uint64 // when so many ReadyForQuery are in, what they are is known
}

// reading is what a session's settings change about the meaning of a text.
type reading struct {
	escapes  bool
	encoding string
}

func (c *core) reading() reading { return reading{c.env.BackslashEscapes, c.encoding} }

// speaks reports whether a text, of which mention is known, may change the
// settings, and notes that the session has come to speak of them.
func (c *core) speaks(text []byte, mention rewrite.Mention) bool {
	c.rereads = c.rereads || mention&rewrite.MentionsReading != 0
	return mention&(rewrite.MentionsReading|rewrite.MentionsExecute) != 0 || undoes(text)
}

// undoes reports whether a text is a statement that may undo what others have set,
// or run others.
func undoes(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n\f\v;")
	n := 0
	for n < len(text) && unicode.IsLetter(rune(text[n])) {
		n++
	}
	for _, word := range [...]string{"commit", "end", "rollback", "abort", "reset", "discard", "prepare", "do", "call"} {
		if n == len(word) && strings.EqualFold(string(text[:n]), word) {
			return true
		}
	}
	return n == 0 // a comment, say
}

// mayReset notes that a text that is sent next may change the settings; nil where
// the text is not known.
func (c *core) mayReset(text []byte) {
	const most = 64
	if !c.rereads {
		return
	}
	if len(c.resets) == most {
		c.readAt()
	}
	c.resets = append(c.resets, resetting{string(text), c.queue.asked + 1})
}

// readAt returns how many ReadyForQuery have to be in before it is known how the
// server will read a text, or 0 where it is.
func (c *core) readAt() (at uint64) {
	c.resets = slices.DeleteFunc(c.resets, func(r resetting) bool {
		return r.at <= c.queue.told || r.text != "" && !rewrite.ChangesReading(r.text)
	})
	for i := range c.resets {
		c.resets[i].text = "" // has been read
		at = max(at, c.resets[i].at)
	}
	return at
}

// readsLater reports whether the client side has to wait until it is known how
// the server will read a text, of which mention is known.
func (c *core) readsLater(text []byte, mention rewrite.Mention) bool {
	const concerns = rewrite.MentionsMigration | rewrite.MentionsNames
	if len(c.resets) == 0 || c.copying || mention&concerns == 0 && !c.planner.Foreign() || rewrite.Plain(text) {
		return false
	}
	at := c.readAt()
	return at > 0 && at <= c.queue.asked
}

// onParameter follows the settings that change what a text means.
func (c *core) onParameter(body []byte) {
	name, rest, _ := cstring(body)
	value, _, _ := cstring(rest)
	switch string(name) {
	case "standard_conforming_strings":
		c.env.BackslashEscapes = string(value) == "off"
	case "client_encoding":
		c.env.UnsafeEncoding = unsafeEncoding(string(value))
		c.env.Recoded = string(value) != "UTF8"
		c.encoding = string(value)
	case "application_name":
		c.rename(string(value))
	}
}

// unsafeEncoding reports whether an encoding has ASCII bytes inside characters
// (PG_ENCODING_IS_CLIENT_ONLY in mb/pg_wchar.h).
func unsafeEncoding(name string) bool {
	switch name {
	case "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004":
		return true
	}
	return false
}
