package live

import (
	"time"

	"github.com/pgjanus/pgjanus/rules"
)

// State is what Live knows at one moment. It is a copy; Set is immutable.
type State struct {
	// Epoch is the version sessions work under; 0 until the first good load.
	Epoch uint64
	// Ready says that there is a planner, so that sessions are let in.
	Ready bool
	// Problems is what stands in the way of what the rules file or the catalog
	// now says: "rules.yaml:3:5: ...". The last good rules stay in force.
	Problems []string
	// LoadedAt is when the planner of Epoch came into force.
	LoadedAt  time.Time
	RulesFile string
	// Set is in force; nil until the first good load.
	Set *rules.Set
	// Since has, per migration, the epoch that brought its present phase.
	Since map[string]uint64
	// ControlOK says that the control connection answered when last asked.
	ControlOK bool
}

// Report is the outcome of a load that was not rejected.
type Report struct {
	Epoch uint64
	// Changes has one line per difference, none when nothing changed.
	Changes []string
	// Warnings has one line for each kind of statement that was seen lately and
	// is refused from now on.
	Warnings []string
}

// State returns a copy of the present state.
func (l *Live) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.Problems = append([]string(nil), l.state.Problems...)
	return s
}

// publish makes the loop's view visible to State and to the metrics.
func (l *Live) publish() {
	problems := append([]string(nil), l.problems...)
	problems = append(problems, l.stale...)
	if l.lost != "" {
		problems = append(problems, l.lost)
	}
	s := State{
		RulesFile: l.opt.RulesFile,
		Problems:  problems,
		ControlOK: l.link != nil,
	}
	if r := l.running; r != nil {
		s.Ready, s.Epoch, s.LoadedAt, s.Set, s.Since = true, r.epoch, r.loadedAt, r.set, r.since
	}
	l.mu.Lock()
	l.state = s
	l.mu.Unlock()
	l.opt.Metrics.show(s)
}

// sinceEpochs returns the epoch of every migration's present phase, given
// that next comes into force with epoch.
func sinceEpochs(prev *running, next *rules.Set, epoch uint64) map[string]uint64 {
	since := make(map[string]uint64, len(next.Migrations))
	for i := range next.Migrations {
		m := &next.Migrations[i]
		since[m.Name] = epoch
		if prev == nil {
			continue
		}
		if was := prev.set.Find(m.Name); was != nil && was.Phase == m.Phase && was.Definition() == m.Definition() {
			since[m.Name] = prev.since[m.Name]
		}
	}
	return since
}
