package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

const (
	connectTimeout = 5 * time.Second
	firstBackoff   = 200 * time.Millisecond
	lastBackoff    = 5 * time.Second
)

// compiled is a planner with what tells whether the catalog still fits it.
type compiled struct {
	planner     *rewrite.Planner
	tables      []catalog.Name
	fingerprint string
	warnings    []string
}

// link is one control connection, as functions so that tests need no database.
type link struct {
	phases      func(context.Context) (map[string]rules.Phase, error)
	compile     func(context.Context, *rules.Set, uint64) (*compiled, error)
	install     func(context.Context) error                   // what the database must have before anything is recorded
	equip       func(context.Context, *rewrite.Planner) error // makes functions and triggers
	enact       func(context.Context, *rewrite.Planner) error // records the phases and equips: all or nothing
	fingerprint func(context.Context, []catalog.Name) (string, error)
	broken      func() bool // the connection cannot be used any more
	close       func()
}

// ours are settings that the role or the database may have otherwise. Queries about
// the catalog look costly where there are many columns, and to compile them takes
// seconds that they do not. What is sent is written for standard strings; and what
// takes long, or waits, is bounded by us.
var ours = [...][2]string{
	{"jit", "off"}, {"standard_conforming_strings", "on"}, {"statement_timeout", "0"}, {"idle_in_transaction_session_timeout", "0"},
}

// Configure reads a control connection string.
func Configure(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the setting control: %w", err)
	}
	for _, setting := range ours {
		if config.RuntimeParams[setting[0]] == "" {
			config.RuntimeParams[setting[0]] = setting[1]
		}
	}
	return config, nil
}

// dial connects to the migrated database.
func dial(ctx context.Context, dsn string) (*link, error) {
	config, err := Configure(dsn)
	if err != nil {
		return nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "pgjanus control"
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &link{
		phases: func(ctx context.Context) (map[string]rules.Phase, error) {
			return migrate.RecordedPhases(ctx, conn)
		},
		compile: func(ctx context.Context, set *rules.Set, epoch uint64) (*compiled, error) {
			planner, err := migrate.Load(ctx, conn, set, epoch)
			if err != nil {
				return nil, err
			}
			return &compiled{
				planner:     planner,
				tables:      rewrite.Request(set).Tables,
				fingerprint: planner.Snapshot().Fingerprint,
				warnings:    planner.Warnings(),
			}, nil
		},
		install: func(ctx context.Context) error { return migrate.Install(ctx, conn) },
		equip: func(ctx context.Context, planner *rewrite.Planner) error {
			return migrate.InstallSyncs(ctx, conn, planner)
		},
		enact: func(ctx context.Context, planner *rewrite.Planner) error {
			return migrate.Enact(ctx, conn, planner)
		},
		fingerprint: func(ctx context.Context, tables []catalog.Name) (string, error) {
			return catalog.Fingerprint(ctx, conn, tables)
		},
		broken: conn.IsClosed,
		close: func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = conn.Close(ctx) // nothing is pending on it
		},
	}, nil
}

// lostError says that there is no control connection to work with.
type lostError struct{ cause error }

func (e *lostError) Error() string { return "control connection: " + e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// withLink runs f over the control connection, made anew when it is lost. An
// old connection that turns out to be dead is replaced once before f fails.
func (l *Live) withLink(ctx context.Context, f func(*link) error) error {
	old := l.link != nil
	for {
		if err := l.connect(ctx); err != nil {
			return err
		}
		err := f(l.link)
		if err == nil || !l.link.broken() {
			return err
		}
		l.noteLost(err)
		if !old || ctx.Err() != nil {
			return &lostError{err}
		}
		old, l.redialAt = false, time.Time{}
	}
}

// connect makes the control connection if it is lost, at most as often as the
// backoff allows.
func (l *Live) connect(ctx context.Context) error {
	if l.link != nil {
		return nil
	}
	if l.opt.now().Before(l.redialAt) {
		return &lostError{errors.New("tried a moment ago")}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	link, err := l.opt.dial(ctx, l.opt.Control)
	if err != nil {
		l.noteLost(err)
		return &lostError{err}
	}
	if l.lost != "" {
		l.opt.Log.Info("control connection is back")
	}
	l.link, l.lost, l.backoff = link, "", 0
	return nil
}

// noteLost drops the control connection and says so once.
func (l *Live) noteLost(err error) {
	l.hangUp()
	if l.lost == "" {
		l.opt.Log.Error(l.meanwhile("control connection lost"), zap.Error(err))
	}
	l.lost = (&lostError{err}).Error()
	l.backoff = min(max(2*l.backoff, firstBackoff), lastBackoff)
	l.redialAt = l.opt.now().Add(l.backoff)
}

func (l *Live) hangUp() {
	if l.link != nil {
		l.link.close()
		l.link = nil
	}
}
