package proxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// SQLSTATEs of our own errors.
const (
	codeRefused     = "0A000" // feature_not_supported
	codeSyntax      = "42601" // syntax_error: what the server says to refusedText
	classSyntax     = "42"    // syntax_error_or_access_rule_violation
	codeNoStatement = "26000" // invalid_sql_statement_name: it is not prepared
	codePortal      = "55000" // object_not_in_prerequisite_state
	codeStarting    = "57P03" // cannot_connect_now
	codeShutdown    = "57P01" // admin_shutdown
	codeProtocol    = "08P01" // protocol_violation
	codeTooMany     = "53300" // too_many_connections
)

// wireError is an ErrorResponse of ours.
type wireError struct {
	severity string // ERROR or FATAL
	code     string
	message  string
	hint     string
	position int // characters, from 1; 0 for none
	routine  string
}

func (e wireError) append(dst []byte) []byte {
	return appendFrame(dst, 'E', func(b []byte) []byte {
		field := func(kind byte, value string) {
			if value != "" {
				b = appendCString(append(b, kind), value)
			}
		}
		field('S', e.severity)
		field('V', e.severity)
		field('C', e.code)
		field('M', e.message)
		field('H', e.hint)
		if e.position > 0 {
			field('P', strconv.Itoa(e.position))
		}
		field('R', e.routine)
		return append(b, 0)
	})
}

func fatal(code, message, hint string) wireError {
	return wireError{severity: "FATAL", code: code, message: message, hint: hint}
}

// refusedText is what is sent to the server in place of a statement that is
// refused: it cannot be parsed, and the server's log shows the reason.
func refusedText(r *rewrite.Refusal) string {
	return "pgjanus refused this statement: " + strings.ReplaceAll(r.Error(), "\x00", "")
}

// onError turns a server's error into the client's, and drops the expectations
// of what the server will skip: all up to the next Sync. Inside a Query, and at
// Sync itself, ReadyForQuery follows by itself.
func (c *core) onError(h *expectation, frame []byte, out *batch) {
	c.held = c.held[:0]
	c.showError(h, frame, out)
	c.copying = false
	c.failure = field(frame, 'M')
	if h != nil && h.answer == answerQuery && h.detail != nil && !h.detail.doubt(frame) {
		h.detail.revert(c)
	}
	if h == nil || h.answer == answerQuery || h.answer == answerReady {
		c.asking.failed, c.asking.answered = asks(h), c.asking.answered && !asks(h)
		return
	}
	if h.swallow && h.answer == answerBind && field(frame, 'C') == codeNoStatement {
		c.forgetPrepared() // a function has dropped them all (DEALLOCATE ALL in EXECUTE)
	}
	risky := false
	var dropped []*detail
	for c.queue.len() > 0 && c.queue.at(0).answer != answerReady {
		e := c.queue.pop()
		risky = risky || e.risky
		if e.detail != nil {
			dropped = append(dropped, e.detail)
		}
	}
	for i := len(dropped) - 1; i >= 0; i-- {
		dropped[i].revert(c)
	}
	if risky {
		c.loseUnnamed()
	}
	c.skipping = c.queue.len() == 0
	c.wake() // the client side may wait for the COPY that has failed, or for a question that is skipped
}

// loseUnnamed deals with a change of the unnamed statement that the server has
// skipped, where a rewritten one is concerned. What was sent behind the next
// Sync decides; if that is nothing, the server is told to forget it.
func (c *core) loseUnnamed() {
	for i := range c.queue.len() {
		if e := c.queue.at(i); e.unnamed {
			e.risky = true
			return
		}
	}
	c.unnamedLost, c.unnamed.plan = true, nil
}

// showError passes on the error that the client is to see.
func (c *core) showError(h *expectation, frame []byte, out *batch) {
	d := h.current()
	migration := d.fanout(frame)
	out.build(func(dst []byte) []byte {
		switch {
		case ends(frame):
			return appendEdited(dst, frame, "", func(kind byte, value string) string {
				if kind == 'W' {
					return withoutSync(migration, value)
				}
				return value
			})
		case d.refusal != nil && (field(frame, 'C') == codeSyntax || d.former && strings.HasPrefix(field(frame, 'C'), classSyntax)):
			return refusalError(d.refusal).append(dst)
		case migration != "":
			c.metrics.fanoutFailed(migration)
			return appendFanoutError(dst, frame, migration)
		case d.edited != nil:
			return appendMapped(dst, frame, d)
		case h != nil && h.swallow && !d.question && d.anew == nil:
			return dst
		}
		return append(dst, frame...)
	})
}

// fanout returns the migration whose new shape could not be written, where that
// is what an error, or a notice, is about; else "".
func (d *detail) fanout(frame []byte) string {
	if d.sync != nil {
		return d.sync.Migration
	}
	if d.stmt == nil {
		return ""
	}
	where := field(frame, 'W')
	for _, migration := range d.stmt.Migrations {
		if rewrite.RaisedBy(migration, where) >= 0 {
			return migration
		}
	}
	return ""
}

// ends reports whether an error ends the session, whatever was under way.
func ends(frame []byte) bool {
	severity := field(frame, 'V')
	return severity == "FATAL" || severity == "PANIC"
}

func refusalError(r *rewrite.Refusal) wireError {
	code := r.Code
	if code == "" {
		code = codeRefused
	}
	return wireError{severity: "ERROR", code: code, message: r.Error(), hint: r.Hint, position: r.Position(), routine: r.Routine}
}

// field returns the value of a field of an ErrorResponse.
func field(frame []byte, kind byte) string {
	for rest := frame[headerSize:]; len(rest) > 1; {
		value, after, ok := cstring(rest[1:])
		if !ok {
			return ""
		}
		if rest[0] == kind {
			return string(value)
		}
		rest = after
	}
	return ""
}

// appendEdited appends an ErrorResponse whose fields edit has changed, with a
// hint of ours where it had none; an empty result drops a field. Unknown fields
// stay, in order.
func appendEdited(dst, frame []byte, hint string, edit func(kind byte, value string) string) []byte {
	return appendFrame(dst, 'E', func(b []byte) []byte {
		for rest := frame[headerSize:]; len(rest) > 1; {
			value, after, ok := cstring(rest[1:])
			if !ok {
				break
			}
			if changed := edit(rest[0], string(value)); changed != "" {
				b = appendCString(append(b, rest[0]), changed)
			}
			rest = after
		}
		if hint != "" {
			b = appendCString(append(b, 'H'), hint)
		}
		return append(b, 0)
	})
}

// appendMapped maps the error position back to the application's text, and
// leaves out of the context a function that is not in it.
func appendMapped(dst, frame []byte, d detail) []byte {
	return appendEdited(dst, frame, "", func(kind byte, value string) string {
		if kind == 'W' {
			return rewrite.WithoutLastval(d.copyContext(field(frame, 'C'), value))
		}
		chars, err := strconv.Atoi(value)
		if kind != 'P' || err != nil {
			return value
		}
		return strconv.Itoa(d.edited.OriginalPosition(chars))
	})
}

// appendFanoutError tells the client that it was the other shape that could not
// be written: same SQLSTATE and message, no position and no context where they
// are about our text, and a hint that names the migration.
func appendFanoutError(dst, frame []byte, migration string) []byte {
	shape := "new"
	if rewrite.WritesBack(migration, field(frame, 'W')) {
		shape = "old"
	}
	ours := fmt.Sprintf("pgjanus was writing the %s shape of migration %q.", shape, migration)
	if theirs := field(frame, 'H'); theirs != "" {
		ours = theirs + " " + ours
	}
	return appendEdited(dst, frame, ours, func(kind byte, value string) string {
		switch kind {
		case 'P', 'p', 'q', 'H':
			return ""
		case 'W':
			return withoutSync(migration, value)
		}
		return value
	})
}

// withoutSync returns the context of an error without the sync of a migration
// that it was raised in, if any.
func withoutSync(migration, context string) string {
	if at := rewrite.RaisedBy(migration, context); migration != "" && at >= 0 {
		return strings.TrimSpace(context[:at])
	}
	return context
}
