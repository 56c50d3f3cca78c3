package rewrite

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Outcome is what becomes of a statement. There is no fourth one.
type Outcome int

const (
	// Pass means: forwarded byte for byte.
	Pass Outcome = iota
	// Rewrite means: edited, and followed by the syncs of the plan.
	Rewrite
	// Refuse means: not executed; the client gets SQLSTATE 0A000 and the way out.
	Refuse
)

// Outcomes lists every outcome in order, for metrics.
var outcomeNames = [...]string{"pass", "rewrite", "refuse"}

// String returns the name used in metrics and messages.
func (o Outcome) String() string { return outcomeNames[o] }

// Plan is what pgjanus does with one SQL text. It is immutable and shared.
type Plan struct {
	Outcome    Outcome
	Original   string
	Statements []Statement
	Refusal    *Refusal // set exactly when Outcome is Refuse
	// Obscure: the text may have to do with names of prepared statements, and
	// passes although it could not be read.
	Obscure bool
	// Ask is set where what has to be done depends on what unqualified names stand
	// for in the session. With the answer in Env.Names the text has a plan; this
	// one refuses it.
	Ask *Question
	// Shadows: once the text is executed, the session is one of Env.Shadowed.
	Shadows bool
	// copiesLiterals: what was spliced in has literals of the text.
	copiesLiterals bool

	// Extended is the text for a Parse message; syncs run as messages of their own.
	Extended Edited
	// note is what Note returns; like, where it is set, is the plan of another
	// text of the same shape, whose note it has.
	note atomic.Value
	like *Plan
	// unread says why the text could not be read with certainty.
	unread *Refusal
	// elsewhere: it passes because its names stand for none of ours; apart: one of them
	// does not, though it might.
	elsewhere, apart bool
	// simple makes, once, the text for a Query message, with each sync right
	// behind its statement.
	simple func() *Edited
}

// Statement is one statement of a text, in order.
type Statement struct {
	Kind       string // such as UPDATE: a closed set, for metrics
	Outcome    Outcome
	Migrations []string // those it concerns, in rules order
	// Hidden is the number of columns appended to the statement's rows: 0 or 1.
	Hidden int
	// Rows reports whether the application's own statement returns rows. Where
	// it does not and Hidden is 1, the client must see no rows and no row
	// description.
	Rows  bool
	Syncs []*Sync
	Named *Named // nil for none
	// CopyIn: the server asks the client for data before it answers, and takes
	// nothing else until it has them.
	CopyIn bool
	// Buffers is the name of the table of a COPY FROM that inserts many rows at
	// once, which the rewritten one does not; "" of any other.
	Buffers string

	shows  string // the columns that stand in the edited text for * in what it returns, or ""
	at     int    // offset in the original of its first token
	syncAt int    // offset in the original behind which the syncs go
}

// Shows are the columns that stand in the text of one statement for * and its like in
// what it returns, or "".
func (p *Plan) Shows() string {
	if p == nil || p.Outcome != Rewrite || len(p.Statements) != 1 {
		return ""
	}
	return p.Statements[0].shows
}

// ShowsOther reports whether * in a statement that was planned as p, and is to be
// executed as planned now, is not what it was: someone has added a column, or the
// rules do not keep the new ones out of sight any more. What another relation shows,
// which a name stands for now, is not known.
func (p *Plan) ShowsOther(now *Plan) bool {
	was, is := p.Shows(), now.Shows()
	return was != "" && was != is && now.Outcome != Refuse && (is != "" || !now.apart)
}

// Refusal says why a statement is not executed.
type Refusal struct {
	// Code is the SQLSTATE; empty means 0A000, feature_not_supported.
	Code      string
	Migration string
	Reason    string // what cannot be done, lower case, one sentence
	Hint      string // the way out
	Offset    int    // byte offset in the text, or -1
	Routine   string // where Postgres itself says so, if clients go by that
	text      string
}

// Error returns the message that the client sees.
func (r *Refusal) Error() string {
	if r.Code != "" {
		return r.Reason
	}
	if r.Migration == "" {
		return "pgjanus: " + r.Reason
	}
	return fmt.Sprintf("pgjanus: migration %q: %s", r.Migration, r.Reason)
}

// Position is the client's error position: characters, counted from 1, or 0
// for none.
func (r *Refusal) Position() int {
	if r.Offset < 0 || r.Offset > len(r.text) {
		return 0
	}
	return utf8.RuneCountInString(r.text[:r.Offset]) + 1
}

// Edited is an edited text that still knows the original.
type Edited struct {
	Text     string
	original string
	edits    edits
}

// OriginalPosition maps an error position in Text, in characters counted from
// 1, to one in the original. What is inside an insertion maps to its place.
func (e *Edited) OriginalPosition(chars int) int {
	offset := 0
	for i := 1; i < chars && offset < len(e.Text); i++ {
		_, n := utf8.DecodeRuneInString(e.Text[offset:])
		offset += n
	}
	at := min(e.edits.original(offset), len(e.original))
	return utf8.RuneCountInString(e.original[:at]) + 1
}

// String is what goldens, explain and debug logs show.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.Outcome)
	if p.Refusal != nil {
		fmt.Fprintf(&b, "error: %s\n", p.Refusal.Error())
		if p.Refusal.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", p.Refusal.Hint)
		}
		if at := p.Refusal.Position(); at > 0 {
			fmt.Fprintf(&b, "position: %d\n", at)
		}
		p.notes(&b)
		return b.String()
	}
	p.notes(&b)
	if p.Outcome == Pass {
		return b.String()
	}
	fmt.Fprintf(&b, "text: %s\n", p.Extended.Text)
	for i, s := range p.Statements {
		fmt.Fprintf(&b, "statement %d: %s %s", i+1, s.Kind, s.Outcome)
		if len(s.Migrations) > 0 {
			fmt.Fprintf(&b, " for %s", strings.Join(s.Migrations, ", "))
		}
		fmt.Fprintln(&b, s.sight())
		for _, sync := range s.Syncs {
			fmt.Fprintf(&b, "  then %s\n", sync.Name)
		}
		s.Named.shows(&b)
	}
	return b.String()
}

func (s *Statement) sight() string {
	switch {
	case s.Hidden > 0 && s.Rows:
		return ", last column hidden"
	case s.Hidden > 0:
		return ", rows hidden"
	}
	return ""
}

// notes adds what the plan says about names.
func (p *Plan) notes(b *strings.Builder) {
	if p.Ask != nil {
		fmt.Fprintln(b, "unless the server says what its names stand for")
	}
	if p.Shadows {
		fmt.Fprintln(b, "names of migrating tables may stand for others from here on")
	}
}

// finish makes the texts of a plan from its edits.
func (p *Plan) finish(es edits) {
	es.sort()
	p.Extended = Edited{es.apply(p.Original, 0, len(p.Original)), p.Original, es}
	p.simple = sync.OnceValue(func() *Edited {
		all := append(edits(nil), es...)
		for _, s := range p.Statements {
			for _, sy := range s.Syncs {
				all.insert(s.syncAt, ";\n"+sy.SQL)
			}
		}
		all.sort()
		return &Edited{all.apply(p.Original, 0, len(p.Original)), p.Original, all}
	})
}

// Note is a place for whoever counts what is planned; nothing here looks at it.
// Texts that share a plan but for their literals share it.
func (p *Plan) Note() *atomic.Value {
	if p.like != nil {
		return &p.like.note
	}
	return &p.note
}

// Simple returns the text for a Query message.
func (p *Plan) Simple() *Edited { return p.simple() }
