package live

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake stands for the database and the proxy; it writes down what happens.
type fake struct {
	mu         sync.Mutex
	events     []string
	recorded   map[string]rules.Phase
	print      string // fingerprint
	down       bool   // the database
	broken     bool   // the present connection
	compileErr error
	enactErr   error // and nothing is recorded
	lostErr    error // of the commit, which has gone through
	enacted    int   // how often it was tried
	compiled   map[*rewrite.Planner]*rules.Set
	planner    *rewrite.Planner
	table      *usage.Table
	strict     bool
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) log(event string) { f.events = append(f.events, event) }

func (f *fake) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.events, " ")
}

var errDown = errors.New("connection refused")

func (f *fake) dial(context.Context, string) (*link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	f.broken = false
	return &link{
		phases: func(context.Context) (map[string]rules.Phase, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.recorded, f.dead()
		},
		compile: func(_ context.Context, set *rules.Set, _ uint64) (*compiled, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err := errors.Join(f.dead(), f.compileErr); err != nil {
				if f.compileErr != nil {
					return nil, f.compileErr
				}
				return nil, err
			}
			f.log("compile")
			p := &rewrite.Planner{}
			if f.compiled == nil {
				f.compiled = map[*rewrite.Planner]*rules.Set{}
			}
			f.compiled[p] = set
			return &compiled{planner: p, fingerprint: f.print}, nil
		},
		install: func(context.Context) error { return nil },
		equip: func(context.Context, *rewrite.Planner) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.log("equip")
			return f.enactErr
		},
		enact: func(_ context.Context, p *rewrite.Planner) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.enacted++; f.enactErr != nil {
				return f.enactErr
			}
			f.recorded = map[string]rules.Phase{}
			phases := make([]string, 0, len(f.compiled[p].Migrations))
			for _, m := range f.compiled[p].Migrations {
				f.recorded[m.Name] = m.Phase
				phases = append(phases, m.Phase.String())
			}
			f.log("enact:" + strings.Join(phases, ","))
			return f.lostErr
		},
		fingerprint: func(context.Context, []catalog.Name) (string, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.print, f.dead()
		},
		broken: func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.broken
		},
		close: func() {},
	}, nil
}

func (f *fake) dead() error {
	if f.broken {
		return errDown
	}
	return nil
}

func (f *fake) use(p *rewrite.Planner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planner = p
	if p == nil {
		f.log("close")
		return
	}
	f.log("use")
}

const rulesText = `migrations:
  - name: user-status
    phase: PHASE
    kind: columns
    old: {table: public.users, key: [id], columns: [is_active]}
    new: {table: public.users, columns: [status]}
    up: {status: "CASE WHEN old.is_active THEN 'active' ELSE 'disabled' END"}
    down: {is_active: "new.status = 'active'"}
`

func inPhase(phase string) string { return strings.Replace(rulesText, "PHASE", phase, 1) }

// bench is a Live that runs until the test ends.
type bench struct {
	*fake
	*Live
	t    *testing.T
	file string
	logs *observer.ObservedLogs
	reg  *prometheus.Registry
	stop func()
}

func start(t *testing.T, text string, prepare func(*fake)) *bench {
	t.Helper()
	b := &bench{t: t, fake: &fake{print: "1"}, file: filepath.Join(t.TempDir(), "rules.yaml"), reg: prometheus.NewRegistry()}
	if text != "" {
		b.write(text)
	}
	if prepare != nil {
		prepare(b.fake)
	}
	core, logs := observer.New(zap.InfoLevel)
	b.logs = logs
	b.Live = New(Options{
		RulesFile:   b.file,
		CatalogPoll: 10 * time.Millisecond,
		Use:         b.use,
		Log:         zap.New(core),
		Metrics:     NewMetrics(b.reg),
		Usage:       b.fake.table,
		StrictFlips: b.strict,
		dial:        b.dial,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		ended <- nil
	}
	t.Cleanup(b.stop)
	return b
}

func (b *bench) write(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.file+".new", []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(b.file+".new", b.file); err != nil {
		b.t.Fatal(err)
	}
}

// until polls for a claim.
func (b *bench) until(claim string, holds func(State) bool) State {
	b.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s := b.State()
		if holds(s) {
			return s
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not within 10 s: %s\nstate %+v\nevents %s\nlogs %v", claim, s, b.seen(), b.logs.All())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func ready(s State) bool { return s.Ready }
