package rules

import "go.yaml.in/yaml/v3"

// Guard says what a trigger in the database does about writes to the old table
// that statements do not show: COPY, functions, views, other clients.
type Guard int

const (
	// NoGuard means: there is no trigger.
	NoGuard Guard = iota
	// LogGuard means: what a trigger finds written past pgjanus goes to Postgres's log.
	LogGuard
	// RejectGuard means: the trigger makes the statement fail.
	RejectGuard
	// SyncGuard means: a statement-level trigger syncs whatever was written.
	SyncGuard
)

var guardNames = [...]string{"off", "log", "reject", "sync"}

// Watches reports whether triggers look for what was written past pgjanus.
func (g Guard) Watches() bool { return g == LogGuard || g == RejectGuard }

// String returns the name used in rules files.
func (g Guard) String() string { return guardNames[g] }

func (r *reader) guard(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	text, ok := r.text(n, "guard")
	if !ok {
		return
	}
	for i, name := range guardNames {
		if text == name {
			m.Guard = Guard(i)
			return
		}
	}
	r.problem(r.textPos(n), suggest(text, guardNames[:]), "unknown guard %s", quoted(text))
}
