package live

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

const (
	defaultPoll = 2 * time.Second
	retryEvery  = time.Second
)

// ErrStopped is returned by Reload when Serve is not running any more.
var ErrStopped = errors.New("the rules are not served any more")

// Options say what to keep current. RulesFile, Control and Use are required.
type Options struct {
	RulesFile string
	Control   string // connection string of the migrated database
	// CatalogPoll is how often the catalog's fingerprint is looked at; default 2 s.
	CatalogPoll time.Duration
	// Use puts a planner in force for new sessions and for every session at its
	// next transaction boundary; nil lets no session in. Called from one goroutine.
	Use func(*rewrite.Planner)
	// Usage, if set, is what a step from off to dualwrite is held against; with
	// StrictFlips it is refused where statements seen lately stand against it.
	Usage       *usage.Table
	StrictFlips bool

	Log     *zap.Logger // default: none
	Metrics *Metrics    // default: none

	dial func(ctx context.Context, dsn string) (*link, error) // seam for tests
	now  func() time.Time
}

// Live keeps rules current. Make it with New, run it with Serve.
type Live struct {
	opt      Options
	requests chan request
	nudges   chan struct{}
	done     chan struct{} // closed when Serve has returned

	// The loop of Serve alone uses these.
	link     *link             // nil while the control connection is lost
	redialAt time.Time         // not before; backs off
	backoff  time.Duration     // the last wait
	running  *running          // nil until the first good load
	tried    [sha256.Size]byte // content of the rules file at the last load
	found    [sha256.Size]byte // its content when it was looked at last
	foundAt  time.Time         // and since when it has been that
	problems []string          // of the rules file
	pending  bool              // the file's content is not in force yet
	stale    []string          // of the running rules against a changed catalog
	lost     string            // why the control connection is lost
	told     map[string]string // the problems logged last, by message, to log them once
	unsure   bool              // the phases recorded may not be those in force
	// strictness is the one of the last load that was asked for; a retry of it
	// keeps it.
	strictness Strictness

	mu    sync.Mutex // guards state
	state State
}

// running is what is in force.
type running struct {
	set      *rules.Set
	epoch    uint64
	since    map[string]uint64
	loadedAt time.Time
	compiled *compiled
}

type request struct {
	source     string
	strictness Strictness
	reply      chan<- reply // has room for one
}

type reply struct {
	report *Report
	err    error
}

// New returns a Live that has done nothing yet.
func New(opt Options) *Live {
	if opt.CatalogPoll <= 0 {
		opt.CatalogPoll = defaultPoll
	}
	if opt.Log == nil {
		opt.Log = zap.NewNop()
	}
	if opt.dial == nil {
		opt.dial = dial
	}
	if opt.now == nil {
		opt.now = time.Now
	}
	return &Live{
		opt:      opt,
		requests: make(chan request),
		nudges:   make(chan struct{}, 1),
		done:     make(chan struct{}),
		told:     map[string]string{},
		state:    State{RulesFile: opt.RulesFile},
	}
}

// Serve loads the rules and keeps them current until ctx ends, then closes the
// control connection and returns nil. It is called once.
func (l *Live) Serve(ctx context.Context) error {
	defer close(l.done)
	defer l.hangUp()
	changed := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Add(1)
	go func() {
		defer wg.Done()
		watch(ctx, l.opt.RulesFile, changed, l.opt.Log)
	}()

	l.opt.Use(nil)
	_, _ = l.load(ctx, "start") // kept in State, logged, and tried again below

	poll := time.NewTicker(l.opt.CatalogPoll)
	defer poll.Stop()
	look := time.NewTimer(0) // at the file
	defer look.Stop()
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-l.requests:
			l.strictness = r.strictness
			report, err := l.load(ctx, r.source)
			r.reply <- reply{report, err}
		case <-changed:
			look.Reset(0)
		case <-look.C:
			if again := l.fileMayHaveChanged(ctx); again > 0 {
				look.Reset(again)
			}
		case <-l.nudges:
			l.followCatalog(ctx)
		case <-poll.C:
			l.followCatalog(ctx)
		case <-retry.C:
			l.tryAgain(ctx)
		}
	}
}

// Reload loads the rules file now and says what changed. source names the
// cause in the log, such as "SIGHUP". With an error nothing has changed: it is
// rules.Problems when the rules are to blame. Reloads are done one by one; one
// that has begun goes on when ctx ends.
func (l *Live) Reload(ctx context.Context, source string) (*Report, error) {
	return l.ReloadWith(ctx, source, AsSet)
}

// ReloadWith is Reload with a strictness of its own.
func (l *Live) ReloadWith(ctx context.Context, source string, strictness Strictness) (*Report, error) {
	answer := make(chan reply, 1)
	select {
	case l.requests <- request{source, strictness, answer}:
	case <-l.done:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-answer:
		return r.report, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// CatalogChanged asks for a look at the catalog now rather than at the next
// poll. It returns at once.
func (l *Live) CatalogChanged() {
	select {
	case l.nudges <- struct{}{}:
	default: // one is already asked for
	}
}
