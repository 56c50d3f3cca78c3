package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// upstreamTimeout is shorter than the probe intervals of load balancers.
const upstreamTimeout = 2 * time.Second

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintln(w, "ok")
}

// readyz says whether new sessions would be let in. A rules file that was
// rejected while older rules are in force does not count: a fleet must not
// vanish because of a typo.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	reasons := s.reasons(r.Context())
	if len(reasons) == 0 {
		_, _ = fmt.Fprintln(w, "ready")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintln(w, strings.Join(reasons, "\n"))
}

// reasons lists why new sessions would not be let in.
func (s *Server) reasons(ctx context.Context) []string {
	if s.draining.Load() {
		return []string{"shutting down"}
	}
	var reasons []string
	if state := s.opt.State(); !state.Ready {
		reasons = append(reasons, "there are no good rules yet: "+state.RulesFile)
		reasons = append(reasons, state.Problems...)
	}
	if err := s.upstream(ctx); err != nil {
		reasons = append(reasons, "upstream: "+err.Error())
	}
	return reasons
}

func (s *Server) upstream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	return s.opt.Upstream(ctx)
}
