package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// worker is one connection of a load.
type worker struct {
	load   *load
	conn   *pgx.Conn
	random *rand.Rand
}

// errReply says that an answer was not what Postgres gives.
var errReply = errors.New("wrong reply")

// errOwn is the application's own wish to roll back.
var errOwn = errors.New("the application rolls back")

// step does one unit of work and retries it until it succeeds or stop ends.
func (w *worker) step(stop, ctx context.Context) error {
	work := make([]statement, 1+w.random.IntN(4))
	for i := range work {
		work[i] = w.statement()
	}
	attempt := w.transaction
	switch w.random.IntN(4) {
	case 0:
		work = work[:1]
		attempt = w.single
	case 1:
		attempt = w.batch
	}
	for {
		err := attempt(ctx, work)
		switch {
		case err == nil:
			w.load.commits.Add(1)
			return nil
		case errors.Is(err, errOwn):
			w.load.rollbacks.Add(1)
			return nil
		case !retryable(err):
			return err
		}
		w.load.conflicts.Add(1)
		if overtakenByBackfill(err) {
			w.load.stale.Add(1)
		}
		if stop.Err() != nil {
			return nil
		}
	}
}

func (w *worker) single(ctx context.Context, work []statement) error {
	return w.exec(ctx, w.conn, work[0])
}

// batch sends several statements as one implicit transaction.
func (w *worker) batch(ctx context.Context, work []statement) error {
	var b pgx.Batch
	for _, s := range work {
		b.Queue(s.text, s.args...)
	}
	results := w.conn.SendBatch(ctx, &b)
	var failed error
	for _, s := range work {
		if _, err := results.Exec(); err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", s.text, err)
		}
	}
	if err := results.Close(); err != nil && failed == nil {
		failed = fmt.Errorf("ending a batch: %w", err)
	}
	return failed
}

// transaction runs work between BEGIN and COMMIT, parts of it in savepoints
// that are rolled back, and sometimes gives all of it up.
func (w *worker) transaction(ctx context.Context, work []statement) error {
	return pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		for _, s := range work {
			if w.random.IntN(5) > 0 {
				if err := w.exec(ctx, tx, s); err != nil {
					return err
				}
				continue
			}
			keep := w.random.IntN(2) == 0
			err := pgx.BeginFunc(ctx, tx, func(sub pgx.Tx) error {
				if err := w.exec(ctx, sub, s); err != nil || keep {
					return err
				}
				return errOwn
			})
			if err != nil && !errors.Is(err, errOwn) {
				return err
			}
		}
		if w.random.IntN(4) == 0 {
			return errOwn
		}
		return nil
	})
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// exec runs a statement and reads the rows it returns, if any.
func (w *worker) exec(ctx context.Context, on querier, s statement) error {
	rows, err := on.Query(ctx, s.text, s.args...)
	if err != nil {
		return fmt.Errorf("%s: %w", s.text, err)
	}
	for rows.Next() {
	}
	if rows.Close(); rows.Err() != nil {
		return fmt.Errorf("%s: %w", s.text, rows.Err())
	}
	if got := len(rows.FieldDescriptions()); rows.CommandTag().RowsAffected() > 0 && got != s.columns {
		return fmt.Errorf("%w: %s: %d columns came back, not %d", errReply, s.text, got, s.columns)
	}
	return nil
}
