package admin

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/pgjanus/pgjanus/internal/usage"
)

// Statements is the answer of GET /api/statements: what this process has seen.
// Those of a fleet are put together by the id of each statement.
type Statements struct {
	Process Process `json:"process"`
	// Migration is the one that was asked for, Phase its phase; both are empty
	// where all were.
	Migration string `json:"migration"`
	Phase     string `json:"phase"`
	usage.Report
}

// Process says which process of a fleet answers.
type Process struct {
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
}

func (s *Server) statements(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("migration")
	body := Statements{Process: s.process(), Migration: name}
	if name != "" {
		phase, err := s.phase(name)
		if err != nil {
			answer(w, http.StatusNotFound, Rejected{[]string{err.Error()}})
			return
		}
		body.Phase = phase
	}
	body.Report = s.opt.Statements(name)
	answer(w, http.StatusOK, body)
}

// phase returns the phase of a migration in force.
func (s *Server) phase(name string) (string, error) {
	set := s.opt.State().Set
	if set == nil {
		return "", fmt.Errorf("there are no good rules yet, so migration %q is not known", name)
	}
	m := set.Find(name)
	if m == nil {
		return "", fmt.Errorf("there is no migration %q in force (GET /api/status lists them)", name)
	}
	return m.Phase.String(), nil
}

func (s *Server) process() Process {
	host, _ := os.Hostname() // empty where it cannot be told
	return Process{Host: host, PID: os.Getpid(), Version: s.opt.Version, StartedAt: s.started.UTC()}
}
