package admin

import (
	"net/http"

	"github.com/pgjanus/pgjanus/rules"
)

// Reloaded is the answer of POST /api/reload when the rules file is in force,
// as it was before or anew. Changes is empty when nothing changed.
type Reloaded struct {
	Epoch   uint64   `json:"epoch"`
	Changes []string `json:"changes"`
}

// Rejected is the answer when it is not: with status 422 the rules are to
// blame, with 503 the database. What was in force stays in force.
type Rejected struct {
	Problems []string `json:"problems"`
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	report, err := s.opt.Reload(r.Context(), "POST /api/reload")
	if err == nil {
		answer(w, http.StatusOK, Reloaded{report.Epoch, append([]string{}, report.Changes...)})
		return
	}
	problems := rules.AsProblems(err)
	if problems == nil {
		answer(w, http.StatusServiceUnavailable, Rejected{[]string{err.Error()}})
		return
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	answer(w, http.StatusUnprocessableEntity, Rejected{lines})
}
