package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// hot is how many keys of each table all clients fight over.
const hot = 10

// clients is how many connections a load has.
const clients = 16

// loadName is the application_name of the connections of a load.
const loadName = "load"

// load is an application that knows the old shape only: many connections, each
// with its own way to speak the protocol, that write the same few keys.
type load struct {
	dsn   string
	level pgx.TxIsoLevel
	// movesKeys: counters change their primary key.
	movesKeys bool
	// mortal: connections may be lost, which ends their clients.
	mortal bool

	running sync.WaitGroup
	failed  chan error // what ended a client that should not have ended

	commits   atomic.Int64
	rollbacks atomic.Int64 // the application's own
	conflicts atomic.Int64 // 40001 and 40P01, all retried
	stale     atomic.Int64 // 40001 because of a backfill
}

// modes are the ways in which pgx can send a statement.
var modes = [...]pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol,
	pgx.QueryExecModeExec, pgx.QueryExecModeCacheDescribe,
}

// start runs the clients until ctx ends. wait tells when they are gone.
func (l *load) start(ctx context.Context) {
	l.failed = make(chan error, clients)
	for n := range clients {
		l.running.Add(1)
		go l.client(ctx, n)
	}
}

// wait returns when every client has ended, with what went wrong.
func (l *load) wait() error {
	l.running.Wait()
	close(l.failed)
	var errs []error
	for err := range l.failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// run is start and wait for that long, and proves.
func (l *load) run(t *testing.T, d time.Duration, commits, conflicts int64) {
	t.Helper()
	l.start(lasting(t, d, l.enough(commits, conflicts)))
	if err := l.wait(); err != nil {
		t.Error(err)
	}
	l.log(t)
	l.proves(t, commits, conflicts)
}

// lasting is a context that ends after d, but not before enough has happened
// for the test to show anything: on a machine that is busy with other things
// that may take up to 8 d.
func lasting(t *testing.T, d time.Duration, enough func() bool) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 8*d)
	t.Cleanup(cancel)
	go func() {
		defer cancel()
		for wait := d; ctx.Err() == nil && (wait == d || !enough()); wait = 10 * time.Millisecond {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
	}()
	return ctx
}

// enough reports whether so much has happened, or a client has failed.
func (l *load) enough(commits, conflicts int64) func() bool {
	return func() bool {
		return l.commits.Load() >= commits && l.conflicts.Load() >= conflicts || len(l.failed) > 0
	}
}

func (l *load) log(t *testing.T) {
	t.Helper()
	t.Logf("%s: %d transactions committed, %d rolled back, %d conflicts retried (%d for a backfill)",
		l.level, l.commits.Load(), l.rollbacks.Load(), l.conflicts.Load(), l.stale.Load())
}

// proves fails a test in which too little happened to show anything.
func (l *load) proves(t *testing.T, commits, conflicts int64) {
	t.Helper()
	if got := l.commits.Load(); got < commits {
		t.Errorf("only %d transactions were committed; with fewer than %d the test shows nothing", got, commits)
	}
	if got := l.conflicts.Load(); got < conflicts {
		t.Errorf("only %d conflicts; with fewer than %d the test shows nothing", got, conflicts)
	}
}

// client works on one connection. What it has begun when ctx ends it finishes.
func (l *load) client(ctx context.Context, n int) {
	defer l.running.Done()
	mode := modes[n%len(modes)]
	if err := l.work(ctx, n, mode); err != nil && (!l.mortal || !lost(err)) {
		l.failed <- fmt.Errorf("client %d, %s, %s: %w", n, mode, l.level, err)
	}
}

// arena makes a database ready for a load: new keys are no hot ones, and
// deadlocks, of which there will be many, are found soon.
func arena(t testing.TB, dsn string) {
	t.Helper()
	pgtest.Exec(t, dsn,
		"SELECT setval(s, 1000000) FROM unnest(ARRAY['orders_id_seq', 'users_id_seq', 'counters_id_seq']::regclass[]) AS s",
		"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''20ms'' ', current_database()); END $$")
}

// stuck bounds one connection's whole life: a session that hangs fails the
// test by its own error.
const stuck = 3 * time.Minute

func (l *load) work(ctx context.Context, n int, mode pgx.QueryExecMode) error {
	life, cancel := context.WithTimeout(context.WithoutCancel(ctx), stuck)
	defer cancel()
	config, err := pgx.ParseConfig(l.dsn)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = mode
	config.RuntimeParams["application_name"] = loadName
	config.RuntimeParams["default_transaction_isolation"] = string(l.level)
	conn, err := pgx.ConnectConfig(life, config)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer hangUp(conn)
	seed := rand.NewPCG(uint64(n), uint64(time.Now().UnixNano()))
	w := &worker{load: l, conn: conn, random: rand.New(seed)}
	for ctx.Err() == nil {
		if err := w.step(ctx, life); err != nil {
			return err
		}
	}
	return nil
}

// hangUp closes a connection, which may be broken already, and waits for the
// goroutine that pgx closes broken ones with.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}

// overtakenByBackfill reports whether err is the conflict of a transaction with a
// backfill that its snapshot is older than.
func overtakenByBackfill(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40001" && strings.Contains(pg.Hint, "The backfill of migration")
}

// lost reports whether err is no more than that the connection is gone:
// Postgres or the proxy hung up, with or without a word (class 57).
func lost(err error) bool {
	var pg *pgconn.PgError
	if errors.Is(err, errReply) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return !errors.As(err, &pg) || strings.HasPrefix(pg.Code, "57")
}

// retryable reports whether an application would try again.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// setting reads a duration from the environment.
func setting(t *testing.T, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}
