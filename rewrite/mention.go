package rewrite

import (
	"bytes"
	"sort"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
)

// Mention says what a text might be about, as one pass over its bytes tells.
type Mention uint8

const (
	// MentionsRelation means: a name that belongs to a migration may occur.
	MentionsRelation Mention = 1 << iota
	// MentionsDeallocate means: DEALLOCATE or DISCARD may occur, which drop prepared
	// statements.
	MentionsDeallocate
	// MentionsExecute means: EXECUTE may occur, which runs a statement that was
	// prepared by SQL.
	MentionsExecute
	// MentionsPrepare means: PREPARE may occur.
	MentionsPrepare
	// MentionsReading means: what may change a setting on which the meaning of texts
	// hangs may occur.
	MentionsReading
	// MentionsAside means: a statement may occur that names no relation of a
	// migration, and concerns one all the same. What cannot be parsed is let through.
	MentionsAside

	// MentionsMigration has what a text mentions that may concern a migration.
	MentionsMigration = MentionsRelation | MentionsAside

	// MentionsNames has what a text mentions that may have to do with the names of
	// prepared statements.
	MentionsNames = MentionsDeallocate | MentionsExecute | MentionsPrepare
)

// mentions finds words in texts without regard to case.
type mentions struct {
	words [256][]word // by the byte that a word begins with, in both cases
}

type word struct {
	text string // lower case ASCII; other bytes as they are
	is   Mention
}

// newMentions finds names of relations, and the words aside.
func newMentions(names []string, aside ...string) mentions {
	words := []word{
		{`u&"`, MentionsRelation | MentionsReading}, // may spell any name
		{"deallocate", MentionsDeallocate},
		{"discard", MentionsDeallocate},
		{"execute", MentionsExecute},
		{"prepare", MentionsPrepare},
		{"standard_conforming_strings", MentionsReading},
		{"client_encoding", MentionsReading},
		{"names", MentionsReading}, // SET NAMES
		{"set_config", MentionsReading},
		{"pg_settings", MentionsReading},
	}
	for _, text := range aside {
		words = append(words, word{text, MentionsAside})
	}
	all := make([]string, 0, len(names))
	for _, n := range names {
		n = lowerASCII(n)
		all = append(all, n)
		if quoted := strings.ReplaceAll(n, `"`, `""`); quoted != n { // in SQL; in a string, as for format('%I'), it is as it is
			all = append(all, quoted)
		}
	}
	sort.Strings(all)
	for _, n := range all { // where one begins with another, as partitions often do, that one is enough
		if last := words[len(words)-1]; last.is != MentionsRelation || !strings.HasPrefix(n, last.text) {
			words = append(words, word{n, MentionsRelation})
		}
	}
	var m mentions
	for _, w := range words {
		first := w.text[0]
		m.words[first] = append(m.words[first], w)
		if first != upper(first) {
			m.words[upper(first)] = append(m.words[upper(first)], w)
		}
	}
	return m
}

func (m *mentions) in(text []byte) Mention {
	var found Mention
	for i := 0; i < len(text); i++ {
		words := m.words[text[i]]
		for j := range words {
			w := &words[j]
			if found&w.is == w.is || !hasPrefixFold(text[i:], w.text) {
				continue
			}
			switch rest := text[i+len(w.text):]; w.is {
			case MentionsExecute, MentionsPrepare, MentionsAside:
				if continues(rest) {
					continue
				}
			case MentionsReading:
				if w.text == "names" && !follows(text[:i], "set", "session", "local") {
					continue
				}
			}
			found |= w.is
		}
	}
	return found
}

// follows reports whether what stands behind before may be the next word after
// one of those; comments are not read.
func follows(before []byte, words ...string) bool {
	before = bytes.TrimRight(before, " \t\r\n\f\v")
	for _, w := range words {
		if at := len(before) - len(w); at >= 0 && hasPrefixFold(before[at:], w) {
			return true
		}
	}
	return bytes.HasSuffix(before, []byte("*/")) || bytes.Contains(before, []byte("--"))
}

// continues reports whether an identifier goes on at rest, as in executed_at.
func continues(rest []byte) bool {
	return len(rest) > 0 && (rest[0] == '_' || rest[0] == '$' || rest[0] >= 0x80 ||
		rest[0] >= '0' && rest[0] <= '9' || lower(rest[0]) >= 'a' && lower(rest[0]) <= 'z')
}

// hasPrefixFold reports whether text begins with the lower-case prefix.
func hasPrefixFold(text []byte, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(text[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}

func upper(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - ('a' - 'A')
	}
	return b
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lower(b[i])
	}
	return string(b)
}

// relation is a name that a statement may write to, and what it means here.
type relation struct {
	name catalog.Name
	// old and new are the migrations beyond off whose old table, or whose new
	// table (kind rows), this is.
	old, new []*Migration
	// via says that it is not the table itself but a "view over" or "inheritance
	// relative of" one; then base is that table. Where it is a lens, shown is what
	// it shows, and old has the migrations as they are seen through it.
	relative
	of    []relative // all that it is, of which that above asks for most
	shown *catalog.Table
	// hides are the migrations, off or not, whose new columns in it are kept out of sight.
	hides []*Migration
}

// relative is what a relation is to a table of a migration.
type relative struct {
	via  string
	base *relation
}

// settle chooses by which table it goes what becomes of writes of a relation that is
// relative to several, as a view over a join is: one that is synced by triggers alone
// comes behind one that is not, and in front of one that is off.
func (r *relation) settle() {
	asks := func(base *relation) int {
		switch {
		case !base.active():
			return 0
		case base.guarded():
			return 1
		}
		return 2
	}
	for _, other := range r.of {
		if r.base == nil || asks(other.base) > asks(r.base) {
			r.relative = other
		}
	}
}

func (r *relation) active() bool {
	if r.base != nil {
		return r.base.active()
	}
	return len(r.old)+len(r.new) > 0
}

// migration names one migration that the relation belongs to.
func (r *relation) migration() string {
	switch {
	case r.base != nil:
		return r.base.migration()
	case len(r.old) > 0:
		return r.old[0].Rule.Name
	case len(r.new) > 0:
		return r.new[0].Rule.Name
	}
	return ""
}

func (r *relation) table() *catalog.Table {
	switch {
	case r.shown != nil:
		return r.shown
	case len(r.old) > 0:
		return r.old[0].Old
	}
	if len(r.new) > 0 {
		return r.new[0].New
	}
	return nil
}
