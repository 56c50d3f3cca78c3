package proxy

import "github.com/pgjanus/pgjanus/rewrite"

// How the server reads a text hangs on standard_conforming_strings and
// client_encoding. It says what they are when it is ready for a query
// (ReportChangedGUCOptions in utils/misc/guc.c; before Postgres 14 at once). So
// behind a text that may have changed them, in the same pipeline, it is not known
// how the next one will be read. One that is the same either way need not wait for
// that (rewrite.Plain). Any other, if it may concern a migration, waits for the
// answers, as for those to errWait, or is refused where no Sync has asked for them.
//
// A session no text of which has ever spoken of these settings is taken to leave
// them alone: that a function of the user sets them is not seen.

// reading is what a session's settings change about the meaning of a text.
type reading struct {
	escapes  bool
	encoding string
}

func (c *core) reading() reading { return reading{c.env.BackslashEscapes, c.encoding} }

// spoken notes that a text, of which mention is known, may speak of the settings.
func (c *core) spoken(mention rewrite.Mention) {
	c.rereads = c.rereads || mention&rewrite.MentionsReading != 0
}

// resets notes that what is sent next may change them.
func (c *core) resets() {
	if c.rereads {
		c.readAt = c.queue.asked + 1
	}
}

// unsettled reports whether it is not known how the server will read a text.
func (c *core) unsettled() bool { return c.readAt > c.queue.told }

// readsLater reports whether the client side has to wait until it is known how
// the server will read a text, of which mention is known.
func (c *core) readsLater(text []byte, mention rewrite.Mention) bool {
	const concerns = rewrite.MentionsRelation | rewrite.MentionsNames | rewrite.MentionsAside
	return c.unsettled() && c.readAt <= c.queue.asked && !c.copying &&
		(mention&concerns != 0 || c.planner.Foreign()) && !rewrite.Plain(text)
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
