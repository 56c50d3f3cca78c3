package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

var canonical = []string{"order-items", "user-status", "counter-bigint"}

func TestBackfillMakesTheNewShapeWhatUpSays(t *testing.T) {
	const rows = 200
	s := canon(t, rows)
	for _, name := range canonical {
		if res := s.verify(name); res.Drift == 0 {
			t.Errorf("%s: no drift before the backfill", name)
		}
		var last Progress
		res := s.backfill(BackfillOptions{Migration: name, Batch: 30, Progress: func(p Progress) { last = p }})
		if res.Filled != rows || res.Batches != 7 || res.Resumed {
			t.Errorf("%s: %+v", name, res)
		}
		if last.Stage != Done || last.Filled != rows || last.Estimate != rows || len(last.LastKey) != 1 || last.LastKey[0] != fmt.Sprint(rows) {
			t.Errorf("%s: last progress %+v", name, last)
		}
		s.clean(name)
		if st := s.state(name); !st.complete || st.batch != st.counted || st.aheadBatch != st.batch {
			t.Errorf("%s: state %+v", name, st)
		}
	}
	pgtest.Agree(t, s.dsn)
}

// steps are the places at which a kill is tried.
var steps = []string{"begin", "run", "page", "announce", "count", "lock", "sync", "commit", "advance", "analyze", "finish"}

func TestBackfillGoesOnAfterAKillAtEveryStep(t *testing.T) {
	const rows = 50
	s := canon(t, rows)
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			s := s.in(t)
			s.forget()
			ctx, cancel := context.WithCancel(s.context())
			defer cancel()
			at := 0
			_, err := Backfill(ctx, s.conn, BackfillOptions{
				Planner: s.planner, Migration: "order-items", Batch: 20, dies: true,
				hook: func(now string, conn *pgx.Conn) {
					if now != step {
						return
					}
					if at++; at == 2 || step == "begin" || step == "run" || step == "finish" {
						_ = conn.PgConn().Conn().Close() // as a kill does: no goodbye
						cancel()
					}
				},
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("killed at %s: %v", step, err)
			}
			res := s.backfill(BackfillOptions{Migration: "order-items", Batch: 20})
			if res.Filled != rows || !res.Resumed && step != "begin" && step != "run" {
				t.Errorf("resumed: %+v", res)
			}
			if again := step != "begin" && step != "run" && step != "page"; again && res.Batches > 2 {
				t.Errorf("%d batches were done again", res.Batches)
			}
			s.clean("order-items")
		})
	}
}

func TestBackfillGoesOnWhenItsConnectionIsLost(t *testing.T) {
	s := canon(t, 50)
	for _, step := range []string{"page", "announce", "count", "sync", "commit", "advance", "finish"} {
		t.Run(step, func(t *testing.T) {
			s := s.in(t)
			s.forget()
			lost, trouble := 0, 0
			res := s.backfill(BackfillOptions{
				Migration: "order-items", Batch: 20,
				Progress: func(p Progress) {
					if p.Trouble != "" {
						trouble++
					}
				},
				hook: func(now string, conn *pgx.Conn) {
					if now == step && lost < 2 {
						lost++
						s.exec(fmt.Sprintf("SELECT pg_terminate_backend(%d)", conn.PgConn().PID()))
					}
				},
			})
			if res.Filled != 50 || trouble != 2 {
				t.Errorf("%+v, %d times trouble", res, trouble)
			}
			s.clean("order-items")
		})
	}
}

func TestCancelledBackfillLeavesNoBatchAnnounced(t *testing.T) {
	s := canon(t, 50)
	ctx, cancel := context.WithCancel(s.context())
	defer cancel()
	_, err := Backfill(ctx, s.conn, BackfillOptions{
		Planner: s.planner, Migration: "order-items", Batch: 20,
		hook: func(now string, _ *pgx.Conn) {
			if now == "sync" {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if st := s.state("order-items"); st.batch != st.counted || st.aheadBatch != st.counted || st.counted&0xffffffff != 1 {
		t.Errorf("state %+v", st)
	}
}

func TestEnactSettlesABatchThatWasKilled(t *testing.T) {
	s := canon(t, 10)
	s.exec(`UPDATE pgjanus.migration SET ahead_batch = 5, ahead_key = '{3}' WHERE name = 'order-items'; SELECT setval('pgjanus."fill order-items"', 5)`)
	s.rules(pgtest.CanonRules("dualwrite"))
	if st := s.state("order-items"); st.batch != 5 || st.aheadBatch != 5 || st.generation != 1 {
		t.Errorf("state %+v", st)
	}
}

func TestCheckpointIsVoid(t *testing.T) {
	other := strings.Replace(pgtest.CanonRules("dualwrite"), "SELECT i.sku, i.qty, i.price_cents", "SELECT upper(i.sku) AS sku, i.qty, i.price_cents", 1)
	s := canon(t, 20)
	for name, c := range map[string]struct {
		between func(*stand)
		restart bool
		resumed bool
	}{
		"never, when nothing happened":       {between: func(*stand) {}, resumed: true},
		"never, when the rules loaded again": {between: func(s *stand) { s.rules(pgtest.CanonRules("dualwrite")) }, resumed: true},
		"when the phase was off":             {between: func(s *stand) { s.rules(pgtest.CanonRules("off")); s.rules(pgtest.CanonRules("dualwrite")) }},
		"when the migration was not there":   {between: func(s *stand) { s.rules("migrations: []"); s.rules(pgtest.CanonRules("dualwrite")) }},
		"when the definition is another":     {between: func(s *stand) { s.rules(other) }},
		"when the definition was another":    {between: func(s *stand) { s.rules(other); s.rules(pgtest.CanonRules("dualwrite")) }},
		"when the operator says so":          {between: func(*stand) {}, restart: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			s.rules(pgtest.CanonRules("dualwrite"))
			s.backfill(BackfillOptions{Migration: "order-items"})
			before := s.state("order-items")
			c.between(s)
			s.exec("DELETE FROM order_items WHERE order_id = 1")
			res := s.backfill(BackfillOptions{Migration: "order-items", Restart: c.restart})
			if res.Resumed != c.resumed || res.Filled != 20 {
				t.Errorf("%+v", res)
			}
			after := s.state("order-items")
			if sameRun := after.batch>>runShift == before.batch>>runShift; sameRun != c.resumed {
				t.Errorf("run %d, then %d", before.batch>>runShift, after.batch>>runShift)
			}
			if drift := s.verify("order-items").Drift; (drift == 1) != c.resumed {
				t.Errorf("drift %d", drift)
			}
		})
	}
}

func TestBackfillStopsWhenThePhaseChanges(t *testing.T) {
	s := canon(t, 50)
	_, err := Backfill(s.context(), s.conn, BackfillOptions{
		Planner: s.planner, Migration: "user-status", Batch: 20,
		hook: func(now string, _ *pgx.Conn) {
			if now == "advance" {
				s.exec("UPDATE pgjanus.migration SET phase = 'off', generation = generation + 1 WHERE name = 'user-status'")
			}
		},
	})
	if !errors.Is(err, ErrPhaseChanged) {
		t.Error(err)
	}
}

func TestBackfillSaysWhyItDoesNotBegin(t *testing.T) {
	s := canon(t, 1)
	refused(t, s, "nonsense", `no migration "nonsense"; they have: order-items, user-status, counter-bigint`)
	s.exec("UPDATE pgjanus.migration SET phase = 'off' WHERE name = 'user-status'")
	refused(t, s, "user-status", "is in phase off")
	s.exec("UPDATE pgjanus.migration SET definition = 'x' WHERE name = 'counter-bigint'")
	refused(t, s, "counter-bigint", "defined otherwise")
	s.exec("DROP SCHEMA pgjanus CASCADE")
	refused(t, s, "order-items", "not recorded in this database")
}

func refused(t *testing.T, s *stand, migration, want string) {
	t.Helper()
	_, err := Backfill(s.context(), s.conn, BackfillOptions{Planner: s.planner, Migration: migration})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", migration, err, want)
	}
}

func TestOnlyOneBackfillOfAMigrationRuns(t *testing.T) {
	s := canon(t, 10)
	var second error
	var pid uint32
	s.backfill(BackfillOptions{Migration: "order-items", hook: func(now string, conn *pgx.Conn) {
		if now == "announce" {
			pid = conn.PgConn().PID()
			_, second = Backfill(s.context(), s.conn, BackfillOptions{Planner: s.planner, Migration: "order-items"})
		}
	}})
	var busy *BusyError
	if !errors.As(second, &busy) || busy.PID != pid || !strings.Contains(second.Error(), fmt.Sprint("pid ", pid)) {
		t.Errorf("second backfill: %v, want pid %d", second, pid)
	}
	s.clean("order-items")
}

// TestLockedRowIsWaitedForAlone holds a row of the middle of the batch and
// shows that all the others are filled and free while the backfill waits.
func TestLockedRowIsWaitedForAlone(t *testing.T) {
	s := canon(t, 50)
	ctx := s.context()
	holder, other := pgtest.Connect(t, s.dsn), pgtest.Connect(t, s.dsn)
	tx, err := holder.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `UPDATE orders SET items = '[{"sku": "new", "qty": 9, "price_cents": 9}]' WHERE id = 25`); err != nil {
		t.Fatal(err)
	}
	waited := false
	res := s.backfill(BackfillOptions{Migration: "order-items", Batch: 30, SkipWait: true, Progress: func(p Progress) {
		if len(p.WaitingFor) == 0 || waited {
			return
		}
		waited = true
		if got := pgtest.Value[int64](t, s.dsn, "SELECT count(DISTINCT order_id) FROM order_items"); got != 30-5-1 {
			t.Errorf("%d orders are filled while one is waited for", got) // every sixth of 30 has no items
		}
		if _, err := other.Exec(ctx, "SET lock_timeout = '100ms'; UPDATE orders SET note = 'free' WHERE id BETWEEN 1 AND 30 AND id <> 25"); err != nil {
			t.Errorf("the backfill holds rows while it waits: %v", err)
		}
		if err := s.sync(tx, "order-items", "25"); err != nil {
			t.Errorf("sync of the holder: %v", err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Error(err)
		}
	}})
	if !waited || res.Filled != 50 {
		t.Errorf("waited %t, %+v", waited, res)
	}
	s.clean("order-items")
}

func TestRowsThatVanishWhileLockedNeedNothing(t *testing.T) {
	s := canon(t, 20)
	ctx := s.context()
	tx, err := pgtest.Connect(t, s.dsn).Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM orders WHERE id IN (3, 4, 5)`)
	}
	if err != nil {
		t.Fatal(err)
	}
	done := false
	s.backfill(BackfillOptions{Migration: "order-items", SkipWait: true, Progress: func(p Progress) {
		if len(p.WaitingFor) > 0 && !done {
			done = true
			if err := tx.Commit(ctx); err != nil {
				t.Error(err)
			}
		}
	}})
	s.clean("order-items")
}

func TestBackfillWaitsForOlderTransactions(t *testing.T) {
	s := canon(t, 10)
	ctx := s.context()
	older := pgtest.Connect(t, s.dsn)
	if _, err := older.Exec(ctx, "SET application_name = 'slow report'"); err != nil {
		t.Fatal(err)
	}
	tx, err := older.Begin(ctx) // it has no transaction id, and may get one yet
	if err != nil {
		t.Fatal(err)
	}
	var whom string
	s.backfill(BackfillOptions{Migration: "order-items", Progress: func(p Progress) {
		if p.Stage != Waiting || whom != "" {
			return
		}
		whom = strings.Join(p.WaitingFor, "\n")
		if n := pgtest.Value[int64](t, s.dsn, "SELECT count(*) FROM order_items"); n != 0 {
			t.Errorf("%d items were filled before the older transaction ended", n)
		}
		if _, err := tx.Exec(ctx, `UPDATE orders SET items = '[]' WHERE id = 5`); err != nil {
			t.Error(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Error(err)
		}
	}})
	if !strings.Contains(whom, "slow report") || !strings.Contains(whom, fmt.Sprint("pid ", older.PgConn().PID())) {
		t.Errorf("waited for %q", whom)
	}
	s.clean("order-items")
}

func TestBackfillDoesNotWaitForYoungerTransactions(t *testing.T) {
	s := canon(t, 10)
	ctx := s.context()
	older, younger := pgtest.Connect(t, s.dsn), pgtest.Connect(t, s.dsn)
	first, err := older.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var second pgx.Tx
	s.backfill(BackfillOptions{Migration: "user-status", Progress: func(p Progress) {
		if p.Stage == Waiting && second == nil {
			if second, err = younger.Begin(ctx); err == nil {
				err = first.Commit(ctx)
			}
		}
	}})
	if err != nil || second == nil {
		t.Fatalf("%v, waited %t", err, second != nil)
	}
	if err := second.Rollback(ctx); err != nil {
		t.Error(err)
	}
}

func TestPauseEndsWithTheContext(t *testing.T) {
	s := canon(t, 10)
	ctx, cancel := context.WithCancel(s.context())
	_, err := Backfill(ctx, s.conn, BackfillOptions{
		Planner: s.planner, Migration: "user-status", Batch: 5, Pause: time.Hour,
		Progress: func(p Progress) {
			if p.Filled > 0 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on after key (5)") {
		t.Error(err)
	}
}

func TestBackfillWaitsForPreparedTransactions(t *testing.T) {
	s := canon(t, 10)
	older := pgtest.Connect(t, s.dsn)
	run := func(sql string) {
		if _, err := older.Exec(s.context(), sql); err != nil {
			t.Error(err)
		}
	}
	run("BEGIN")
	step := 0
	s.backfill(BackfillOptions{Migration: "order-items", Progress: func(p Progress) {
		switch whom := strings.Join(p.WaitingFor, ""); {
		case step == 0 && strings.Contains(whom, "pid "):
			step = 1
			run(`UPDATE orders SET items = '[]' WHERE id = 5; PREPARE TRANSACTION 'in doubt'`)
		case step == 1 && strings.Contains(whom, "'in doubt'"):
			step = 2
			run(`COMMIT PREPARED 'in doubt'`)
		}
	}})
	if step != 2 {
		t.Errorf("step %d", step)
	}
	s.clean("order-items")
}

func TestStatisticsAreRenewedMoreAndMoreSeldom(t *testing.T) {
	var at []int64
	for n := range int64(100) {
		if analyzeAt(n) {
			at = append(at, n)
		}
	}
	if fmt.Sprint(at) != "[1 4 16 64]" {
		t.Error(at)
	}
}

// TestBackfillManagesWithoutAnIndexOnTheParent: then it scans, and is right.
func TestBackfillManagesWithoutAnIndexOnTheParent(t *testing.T) {
	s := canon(t, 40)
	s.exec("DROP INDEX order_items_order_id")
	s.backfill(BackfillOptions{Migration: "order-items", Batch: 15})
	s.clean("order-items")
}
