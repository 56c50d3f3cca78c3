package rewrite

import (
	"fmt"
	"unicode/utf8"
)

// Env is what a session's settings change about the meaning of a text. The
// zero value is a UTF-8 session with standard_conforming_strings on.
type Env struct {
	// BackslashEscapes: standard_conforming_strings is off, so a backslash in a
	// plain string moves its end.
	BackslashEscapes bool
	// UnsafeEncoding: client_encoding has characters whose second byte is ASCII
	// (SJIS, BIG5, GBK, UHC, GB18030, JOHAB).
	UnsafeEncoding bool
	// Recoded: client_encoding is not UTF8, so that names which are not ASCII are
	// other bytes than in the catalog.
	Recoded bool
	// Unsettled: BackslashEscapes, UnsafeEncoding and Recoded may be others when the
	// server reads the text.
	Unsettled bool
	// Prepared: what the text has to do with names of prepared statements is asked
	// for, even where it mentions no relation of a migration.
	Prepared bool
	// Shadowed: the session may have relations that the catalog does not show, and
	// that have names of migrating ones: temporary ones, or what it created just now.
	Shadowed bool
	// Names is the answer to the Question of the planner, or "" where it has not
	// been asked.
	Names string
	// MaxBytes is the longest text that is parsed; 0 means no limit.
	MaxBytes int
}

// Mentions says what text might be about. It does not allocate.
func (p *Planner) Mentions(text []byte) Mention { return p.mentions.in(text) }

// Source says where a plan came from.
type Source int

const (
	// Unmentioned means: no parsing was needed to tell.
	Unmentioned Source = iota
	// FromCache means: the same text was planned before.
	FromCache
	// Planned means: the text was parsed.
	Planned
)

// Plan returns the plan of a text. text is not kept.
func (p *Planner) Plan(text []byte, env Env) *Plan {
	plan, _ := p.PlanFrom(text, p.Mentions(text), env)
	return plan
}

// PlanFrom is Plan for a caller that knows Mentions(text) already, and that is
// told where the plan came from.
func (p *Planner) PlanFrom(text []byte, mention Mention, env Env) (*Plan, Source) {
	if (env.Recoded || env.Unsettled) && p.foreign && !ascii(text) {
		mention |= MentionsRelation // for all that can be told
	}
	if mention&MentionsMigration == 0 && !(env.Prepared && mention&MentionsNames != 0) {
		return passPlan, Unmentioned
	}
	unread := p.unreadable(text, env)
	if unread != nil && p.active && p.mayConcern(text, mention) {
		plan := p.refuse(string(text), unread)
		plan.unread = unread
		return plan, Unmentioned
	}
	if unread != nil {
		plan := p.plan(string(text), mention, env) // which passes
		plan.unread, plan.Shadows = unread, mentionsTemporary(text)
		return plan, Planned
	}
	cache, shapes := p.kept(env)
	if plan := cache.get(text); plan != nil {
		return plan, FromCache
	}
	plan, source, kept := shapes.plan(text, func() *Plan { return p.plan(string(text), mention, env) })
	if !kept && mention&MentionsMigration != 0 {
		cache.put(plan)
	}
	return plan, source
}

var passPlan = &Plan{Outcome: Pass}

// unreadable says why a text that may concern a migration cannot be parsed
// with certainty here. While every migration is off it is sent on all the same.
func (p *Planner) unreadable(text []byte, env Env) *Refusal {
	switch {
	case env.MaxBytes > 0 && len(text) > env.MaxBytes:
		return &Refusal{
			Reason: "the statement may write to a migrating table and is longer than limits.max_statement_bytes",
			Hint:   "send the values as parameters, split the statement, or raise the limit", Offset: -1,
		}
	case env.Unsettled && !Plain(text):
		return &Refusal{
			Reason: "the statement may write to a migrating table, has a backslash or a character that is not ASCII, and standard_conforming_strings or client_encoding may have been changed ahead of it in the same pipeline",
			Hint:   "send a Sync behind what changes them, or send the value as a parameter", Offset: -1,
		}
	case env.BackslashEscapes && contains(text, '\\'):
		return &Refusal{
			Reason: "the statement may write to a migrating table, has a backslash, and standard_conforming_strings is off",
			Hint:   "send the value as a parameter, or write it as E'..' with standard_conforming_strings on", Offset: -1,
		}
	case (env.UnsafeEncoding || env.Recoded && p.foreign) && !ascii(text), env.Recoded && !utf8.Valid(text):
		return &Refusal{
			Reason: "the statement may write to a migrating table and is in a client encoding whose bytes cannot be parsed with certainty",
			Hint:   "use client_encoding UTF8, or send the values as parameters", Offset: -1,
		}
	}
	return nil
}

// Plain reports whether a text means the same whatever those settings are.
func Plain(text []byte) bool { return ascii(text) && !contains(text, '\\') }

// Foreign reports whether names that matter are not ASCII, so that whether a text
// mentions one hangs on its encoding.
func (p *Planner) Foreign() bool { return p.foreign }

func contains(text []byte, b byte) bool {
	for _, c := range text {
		if c == b {
			return true
		}
	}
	return false
}

func ascii(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// invalidBytes are the first bytes of a text that are not UTF-8, as Postgres shows
// them (report_invalid_encoding in utils/mb/mbutils.c), or "".
func invalidBytes(text string) string {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r != utf8.RuneError || size > 1 {
			i += size
			continue
		}
		length := 1 // by the first byte, as pg_utf_mblen has it
		switch c := text[i]; {
		case c&0xe0 == 0xc0:
			length = 2
		case c&0xf0 == 0xe0:
			length = 3
		case c&0xf8 == 0xf0:
			length = 4
		}
		return fmt.Sprintf("% #x", text[i:min(i+length, len(text))])
	}
	return ""
}

func (p *Planner) refuse(text string, r *Refusal) *Plan {
	r.text = text
	return &Plan{Outcome: Refuse, Original: text, Refusal: r, Statements: []Statement{{Kind: "other", Outcome: Refuse, Migrations: migrationList(r.Migration)}}}
}

func migrationList(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}
