package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/internal/live"
	"github.com/pgjanus/pgjanus/internal/usage"
)

// Bounds on one HTTP exchange. A reload may take as long as a slow database.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 40 * time.Second
	idleTimeout  = time.Minute
	byeTimeout   = 3 * time.Second
)

// Options are what the API shows and sets off. All functions but Log are
// required and are called from many goroutines.
type Options struct {
	Version string
	State   func() State
	// Reload loads the rules file; with an error, which is rules.Problems when
	// the rules are to blame, what was in force stays.
	Reload func(ctx context.Context, source string, strictness live.Strictness) (Reloaded, error)
	// Statements tells what was seen of a migration; "" means of all.
	Statements func(migration string) usage.Report
	Sessions   func() map[uint64]int // open sessions by the epoch they work under
	// Settled says that no transaction begun before that epoch is still open.
	Settled  func(epoch uint64) bool
	Upstream func(ctx context.Context) error // nil: Postgres answers
	Gatherer prometheus.Gatherer
	Log      *zap.Logger // default: none
}

// Server answers the admin API.
type Server struct {
	opt      Options
	mux      *http.ServeMux
	started  time.Time
	draining atomic.Bool
}

// New returns a Server that is not listening yet.
func New(opt Options) *Server {
	if opt.Log == nil {
		opt.Log = zap.NewNop()
	}
	s := &Server{opt: opt, mux: http.NewServeMux(), started: time.Now()}
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(opt.Gatherer, promhttp.HandlerOpts{}))
	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.mux.HandleFunc("GET /api/status", s.status)
	s.mux.HandleFunc("GET /api/statements", s.statements)
	s.mux.HandleFunc("POST /api/reload", s.reload)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Serve answers requests on ln until ctx ends, and then closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	web := &http.Server{
		Handler:           s,
		ReadTimeout:       readTimeout,
		ReadHeaderTimeout: readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          zap.NewStdLog(s.opt.Log),
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeTimeout)
	defer cancel()
	if err := web.Shutdown(bye); err != nil {
		_ = web.Close() // what is still open gets no answer
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Drain makes /readyz say that the process is about to end, so that load
// balancers send no new sessions.
func (s *Server) Drain() { s.draining.Store(true) }

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client has gone, and nobody is left to tell
}
