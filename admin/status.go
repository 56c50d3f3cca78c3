package admin

import (
	"net/http"
	"time"

	"github.com/pgjanus/pgjanus/rules"
)

// State is what the caller knows about the rules at one moment.
type State struct {
	Epoch     uint64   // 0 until there are good rules
	Ready     bool     // there are good rules
	Problems  []string // why the present rules file or catalog is not in force
	LoadedAt  time.Time
	RulesFile string
	Set       *rules.Set        // in force; nil until there are good rules
	Since     map[string]uint64 // the epoch that brought each migration's phase
	ControlOK bool              // the control connection answers
}

// Status is the answer of GET /api/status. Fields are only ever added.
type Status struct {
	Version          string      `json:"version"`
	UptimeSeconds    int64       `json:"uptime_seconds"`
	Ready            bool        `json:"ready"`
	Problems         []string    `json:"problems"`
	Epoch            uint64      `json:"epoch"`
	RulesFile        string      `json:"rules_file"`
	LoadedAt         *time.Time  `json:"loaded_at"` // null until the first good load
	ControlConnected bool        `json:"control_connected"`
	Sessions         Sessions    `json:"sessions"`
	Migrations       []Migration `json:"migrations"`
}

// Sessions counts open sessions.
type Sessions struct {
	Open    int            `json:"open"`
	ByEpoch map[uint64]int `json:"by_epoch"`
}

// Migration is one migration of the rules in force.
type Migration struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Phase string `json:"phase"`
	// Settled says that no transaction begun under another phase of this
	// migration is still open.
	Settled bool   `json:"settled"`
	Old     string `json:"old"`
	New     string `json:"new"`
	// SinceEpoch is the epoch that brought Phase.
	SinceEpoch uint64 `json:"since_epoch"`
}

// Find returns the migration of that name, or nil.
func (s *Status) Find(name string) *Migration {
	for i := range s.Migrations {
		if s.Migrations[i].Name == name {
			return &s.Migrations[i]
		}
	}
	return nil
}

// status is ready where readyz is.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	st := s.snapshot()
	if err := s.upstream(r.Context()); err != nil {
		st.Ready = false
		st.Problems = append(st.Problems, "upstream: "+err.Error())
	}
	answer(w, http.StatusOK, st)
}

func (s *Server) snapshot() Status {
	state := s.opt.State()
	st := Status{
		Version:          s.opt.Version,
		UptimeSeconds:    int64(time.Since(s.started).Seconds()),
		Ready:            state.Ready && !s.draining.Load(),
		Problems:         append([]string{}, state.Problems...),
		Epoch:            state.Epoch,
		RulesFile:        state.RulesFile,
		ControlConnected: state.ControlOK,
		Sessions:         Sessions{ByEpoch: s.opt.Sessions()},
		Migrations:       []Migration{},
	}
	if state.Ready {
		st.LoadedAt = &state.LoadedAt
	}
	for _, n := range st.Sessions.ByEpoch {
		st.Sessions.Open += n
	}
	if state.Set == nil {
		return st
	}
	for i := range state.Set.Migrations {
		m := &state.Set.Migrations[i]
		since := state.Since[m.Name]
		st.Migrations = append(st.Migrations, Migration{
			Name:       m.Name,
			Kind:       m.Kind.String(),
			Phase:      m.Phase.String(),
			Settled:    s.opt.Settled(since),
			Old:        m.Old.Table.String(),
			New:        m.New.Table.String(),
			SinceEpoch: since,
		})
	}
	return st
}
