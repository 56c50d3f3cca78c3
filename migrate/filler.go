package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
)

// filler is one running backfill. It belongs to one goroutine.
type filler struct {
	opts   BackfillOptions
	m      *rewrite.Migration
	name   string
	table  string // quoted
	config *pgx.ConnConfig

	conn    *pgx.Conn // holds the fill lock while it lives
	pid     uint32    // of conn, or of the one that was lost
	keys    keySQL
	indexed bool // new rows are found by index

	generation int64 // 0 before the first begin
	resumed    bool
	waited     bool // for transactions that are older than us
	cursor     key
	number     int64 // of the last batch that was begun
	open       bool  // that batch is not complete
	filled     int64
	batches    int64
	dirty      int64 // keys, at the end
	track      tracker
}

// backfillName begins the application_name of each backfill: triggers of the user
// may go by it.
const backfillName = "pgjanus backfill "

func newFiller(config *pgx.ConnConfig, m *rewrite.Migration, opts BackfillOptions) *filler {
	if opts.Batch <= 0 {
		opts.Batch = DefaultBatch
	}
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	if opts.hook == nil {
		opts.hook = func(string, *pgx.Conn) {}
	}
	config = config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range map[string]string{
		"application_name":              backfillName + m.Rule.Name,
		"datestyle":                     "ISO", // keys in the state are read by sessions with others
		"statement_timeout":             "0",
		"lock_timeout":                  "0",
		"jit":                           "off",               // compiling takes longer than a batch
		"plan_cache_mode":               "force_custom_plan", // inside the sync, too: plans that know the keys
		"default_transaction_isolation": "read committed",
		"default_transaction_read_only": "off",
	} {
		config.RuntimeParams[name] = value
	}
	return &filler{opts: opts, m: m, name: m.Rule.Name, table: rewrite.QName(m.Rule.Old.Table), config: config}
}

// connect makes sure that there is a connection and that it has the fill lock.
// Having it means that no earlier connection of ours still works.
func (f *filler) connect(ctx context.Context) error {
	if f.conn != nil && !f.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, f.config)
	if err != nil {
		return err
	}
	if err := takeFillLock(ctx, conn, f.name, f.pid); err != nil {
		hangUp(ctx, conn)
		return err
	}
	f.hangUp(ctx)
	f.conn, f.pid = conn, conn.PgConn().PID()
	return nil
}

// await waits for whoever may still write the old shape alone.
func (f *filler) await(ctx context.Context) error {
	return awaitHorizon(ctx, f.conn, func(whom []string) { f.tell(Progress{Stage: Waiting, WaitingFor: whom}) })
}

// finish records that all history is filled.
func (f *filler) finish(ctx context.Context) error {
	if err := f.analyze(ctx); err != nil {
		return err
	}
	f.opts.hook("finish", f.conn)
	if err := f.wash(ctx); err != nil {
		return err
	}
	if err := f.record(ctx, `complete = true, whole = generation`); err != nil {
		return err
	}
	f.tell(Progress{Stage: Done})
	return nil
}

// record updates the state, unless that is of another phase by now. Parameters
// of set begin at $3.
func (f *filler) record(ctx context.Context, set string, args ...any) error {
	tag, err := f.conn.Exec(ctx, `UPDATE pgjanus.migration SET updated_at = pg_catalog.now(), `+set+`
		WHERE name = $1 AND generation = $2 AND phase <> 'off'`, append([]any{f.name, f.generation}, args...)...)
	if err != nil {
		return fmt.Errorf("recording the state: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrPhaseChanged
	}
	return nil
}

func (f *filler) tell(p Progress) {
	p.Filled, p.Estimate, p.LastKey = f.filled, f.track.estimate, f.cursor
	p.Rate, p.ETA = f.track.rate(f.filled)
	f.opts.Progress(p)
}

// leaveTime bounds tidying up; what is not done then is done by the next
// Enact or Backfill.
const leaveTime = 5 * time.Second

// leave closes the connection. Where a batch was begun and not completed it
// says in the state that it is over, so that writers at REPEATABLE READ do not
// go on taking their snapshots for stale.
func (f *filler) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if f.open && !f.opts.dies && f.connect(ctx) == nil {
		_ = pgx.BeginTxFunc(ctx, f.conn, writing, func(tx pgx.Tx) error { return settle(ctx, tx, f.name) })
	}
	f.hangUp(ctx)
}

func (f *filler) hangUp(ctx context.Context) {
	if f.conn != nil {
		hangUp(ctx, f.conn)
		f.conn = nil
	}
}

// hangUp closes a connection and waits for the goroutine that pgx ends a
// broken one with. There is nothing left on it that an error could be about.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	_ = conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}
