package migrate

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// writer is an application's transaction at an isolation level whose snapshot
// does not move.
type writer struct {
	s  *stand
	tx pgx.Tx
}

func (s *stand) writer(level pgx.TxIsoLevel) *writer {
	s.t.Helper()
	ctx := s.context()
	tx, err := pgtest.Connect(s.t, s.dsn).BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
	if err == nil {
		_, err = tx.Exec(ctx, "SELECT FROM users LIMIT 1") // takes the snapshot
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &writer{s, tx}
}

// write changes the items of an order and runs sync; committed when it may.
func (w *writer) write(id int) error {
	w.s.t.Helper()
	ctx := w.s.context()
	_, err := w.tx.Exec(ctx, `UPDATE orders SET items = '[{"sku": "written", "qty": 1, "price_cents": 1}]' WHERE id = $1`, id)
	if err == nil {
		err = w.s.sync(w.tx, "order-items", fmt.Sprint(id))
	}
	if err != nil {
		_ = w.tx.Rollback(ctx)
		return err
	}
	return w.tx.Commit(ctx)
}

func stale(err error) bool { return code(err) == "40001" }

// TestSnapshotOlderThanTheFillIsStale takes snapshots at each step of the
// second of three batches (keys 11 to 20 of 30) and writes when that batch is
// complete.
func TestSnapshotOlderThanTheFillIsStale(t *testing.T) {
	const behind, within, ahead = 5, 15, 25
	s := canon(t, 30)
	for _, c := range []struct {
		step  string // before which the snapshot is taken
		key   int
		stale bool
	}{
		{"page", behind, false},
		{"page", within, true},
		{"announce", within, true},
		{"count", behind, false},
		{"count", within, true},
		{"count", ahead, false},
		{"lock", within, true},
		{"lock", ahead, false},
		{"advance", within, true}, // not older, but that is not known yet
		{"advance", behind, false},
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
			t.Run(fmt.Sprintf("%s/%d/%s", c.step, c.key, level), func(t *testing.T) {
				s := s.in(t)
				s.forget()
				var w *writer
				batches := 0
				s.backfill(BackfillOptions{
					Migration: "order-items", Batch: 10, SkipWait: true,
					hook: func(now string, _ *pgx.Conn) {
						if now == "page" {
							batches++
						}
						if now == c.step && batches == 2 {
							w = s.writer(level)
						}
						if now == "page" && batches == 3 {
							if err := w.write(c.key); stale(err) != c.stale || err != nil && !c.stale {
								t.Errorf("stale %t: %v", c.stale, err)
							}
						}
					},
				})
				s.clean("order-items")
			})
		}
	}
}

func TestSnapshotIsNotStaleAfterTheBackfill(t *testing.T) {
	s := canon(t, 30)
	s.backfill(BackfillOptions{Migration: "order-items", Batch: 10})
	w := s.writer(pgx.RepeatableRead)
	if err := w.write(15); err != nil {
		t.Error(err)
	}
	s.clean("order-items")
}

func TestSnapshotOlderThanARestartIsStaleForEveryKey(t *testing.T) {
	s := canon(t, 30)
	s.backfill(BackfillOptions{Migration: "order-items"})
	s.exec("DELETE FROM order_items")
	first, last := s.writer(pgx.RepeatableRead), s.writer(pgx.RepeatableRead)
	s.backfill(BackfillOptions{Migration: "order-items", Restart: true, SkipWait: true})
	for id, w := range map[int]*writer{1: first, 30: last} {
		if err := w.write(id); !stale(err) {
			t.Errorf("key %d: %v", id, err)
		}
	}
	s.clean("order-items")
}

// TestReadCommittedIsNeverStale writes in the middle of the batch.
func TestReadCommittedIsNeverStale(t *testing.T) {
	s := canon(t, 30)
	w := s.writer(pgx.ReadCommitted)
	s.backfill(BackfillOptions{Migration: "order-items", Batch: 10, SkipWait: true, hook: func(now string, _ *pgx.Conn) {
		if now == "advance" && w != nil {
			if err := w.write(5); err != nil {
				t.Error(err)
			}
			w = nil
		}
	}})
	s.clean("order-items")
}

// TestKilledBatchHoldsUpNoSnapshotForGood: until someone settles it a writer of
// its range cannot tell whether it is over.
func TestKilledBatchHoldsUpNoSnapshotForGood(t *testing.T) {
	s := canon(t, 30)
	s.exec(`UPDATE pgjanus.migration SET ahead_batch = 1, ahead_key = '{10}' WHERE name = 'order-items'; SELECT setval('pgjanus."fill order-items"', 1)`)
	if err := s.writer(pgx.RepeatableRead).write(20); err != nil {
		t.Errorf("behind the batch: %v", err)
	}
	if err := s.writer(pgx.RepeatableRead).write(5); !stale(err) {
		t.Errorf("before: %v", err)
	}
	s.rules(pgtest.CanonRules("dualwrite"))
	if err := s.writer(pgx.RepeatableRead).write(5); err != nil {
		t.Errorf("after: %v", err)
	}
}
