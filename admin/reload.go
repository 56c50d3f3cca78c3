package admin

import (
	"fmt"
	"net/http"

	"github.com/pgjanus/pgjanus/internal/live"
	"github.com/pgjanus/pgjanus/rules"
)

// Reloaded is the answer of POST /api/reload when the rules file is in force,
// as it was before or anew. Changes is empty when nothing changed.
type Reloaded struct {
	Epoch   uint64   `json:"epoch"`
	Changes []string `json:"changes"`
	// Warnings has the kinds of statements that were seen lately and are refused
	// from now on; absent when there are none.
	Warnings []string `json:"warnings,omitempty"`
}

// Rejected is the answer when it is not: with status 422 the rules are to
// blame, with 503 the database. What was in force stays in force.
type Rejected struct {
	Problems []string `json:"problems"`
}

// strictnessOf reads ?strict=true or false; without it the setting decides.
func strictnessOf(r *http.Request) (live.Strictness, error) {
	switch text := r.URL.Query().Get("strict"); text {
	case "":
		return live.AsSet, nil
	case "true":
		return live.Strict, nil
	case "false":
		return live.Lenient, nil
	default:
		return live.AsSet, fmt.Errorf("strict=%s is not allowed (write true or false, or leave it out for the setting strict_flips)", text)
	}
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	strictness, err := strictnessOf(r)
	if err != nil {
		answer(w, http.StatusBadRequest, Rejected{[]string{err.Error()}})
		return
	}
	report, err := s.opt.Reload(r.Context(), "POST /api/reload", strictness)
	if err == nil {
		answer(w, http.StatusOK, Reloaded{report.Epoch, append([]string{}, report.Changes...), report.Warnings})
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
