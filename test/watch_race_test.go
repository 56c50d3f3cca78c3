package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// Where every write past pgjanus that would leave drift is rejected, there is
// none, whatever pgjanus and a backfill do to the same keys at the same time.
func TestRejectedBypassesLeaveNoDrift(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			arena(t, g.direct)
			g.use(watched("reject"))
			through := &load{dsn: g.dsn, level: level}
			var past sync.WaitGroup
			var rejected, accepted atomic.Int64
			enough := func() bool { return t.Failed() || min(rejected.Load(), accepted.Load(), through.commits.Load()) >= 5 }
			ctx := lasting(t, raceTime(t)/2, enough)
			through.start(ctx)
			for n := range 4 {
				past.Add(1)
				conn := pgtest.Connect(t, g.direct)
				go func() {
					defer past.Done()
					for r := rand.New(rand.NewPCG(uint64(n), 1)); ctx.Err() == nil; {
						err := bypass(conn, level, r)
						var said *pgconn.PgError
						switch {
						case err == nil:
							accepted.Add(1)
						case errors.As(err, &said) && said.Code == "42501":
							rejected.Add(1)
						case !retryable(err) && !(errors.As(err, &said) && said.Code == "23503"):
							t.Error(err)
							return
						}
					}
				}()
			}
			for ctx.Err() == nil && level == pgx.ReadCommitted {
				if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
					t.Error(err)
					break
				}
			}
			past.Wait()
			if err := through.wait(); err != nil {
				t.Error(err)
			}
			through.log(t)
			t.Logf("%d bypasses rejected, %d accepted", rejected.Load(), accepted.Load())
			if !enough() {
				t.Error("too little happened for the test to show anything")
			}
			pgtest.Agree(t, g.direct)
		})
	}
}

// bypass writes one of the keys that everyone fights over.
func bypass(conn *pgx.Conn, level pgx.TxIsoLevel, r *rand.Rand) error {
	ctx := context.Background()
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
		text := []string{
			`UPDATE orders SET items = '[{"sku":"bypass"}]' WHERE id = %d`,
			`UPDATE orders SET items = '[]' WHERE id = %d`,
			`UPDATE orders SET note = 'bypass' WHERE id = %d`,
			`INSERT INTO order_items (order_id, sku) VALUES (%d, 'bypass')`,
			`DELETE FROM order_items WHERE order_id = %d`,
			`UPDATE order_items SET qty = 99 WHERE order_id = %d`,
			`UPDATE order_items SET created_at = now() WHERE order_id = %d`,
			`UPDATE users SET is_active = NOT is_active WHERE id = %d`,
			`UPDATE users SET email = 'bypass' WHERE id = %d`,
			`INSERT INTO orders (id, items) VALUES (%d, '[{"sku":"bypass"}]') ON CONFLICT (id) DO NOTHING`,
		}[r.IntN(10)]
		_, err := tx.Exec(ctx, fmt.Sprintf(text, 1+r.IntN(hot)))
		return err
	})
}

// A transaction whose snapshot is older than a backfill sees no new rows where
// there are some: what it writes past pgjanus seems to agree and does not.
//
//	T (REPEATABLE READ, past pgjanus)      the backfill
//	takes its snapshot: order 7 has items,
//	no new rows
//	                                       fills order 7
//	items = [] for order 7: no new rows
//	to be seen, as up wants it
func TestAWatchIsNotFooledByAnOldSnapshot(t *testing.T) {
	for _, level := range levels[1:] {
		for _, mode := range []string{"reject", "log"} {
			g := newGate(t, 20)
			g.use(watched(mode))
			ctx := context.Background()
			config, err := pgx.ParseConfig(g.direct)
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { told = append(told, n.Message) }
			config.RuntimeParams["client_min_messages"] = "log"
			conn, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				takeSnapshot(t, tx)
				fillUnawaited(t, g)
				_, err := tx.Exec(ctx, `UPDATE orders SET items = '[]' WHERE id = 7`)
				return err
			})
			_ = conn.Close(ctx)
			drift := pgtest.Drift(t, g.direct)["order-items"]
			var said *pgconn.PgError
			switch {
			case mode == "reject" && (!errors.As(err, &said) || said.Code != "40001" || drift > 0):
				t.Errorf("%s: got %v, want 40001; %d keys drift", level, err, drift)
			case mode == "log" && (err != nil || drift != 1 || len(told) != 1 || !strings.Contains(told[0], "cannot be told")):
				t.Errorf("%s: got %v, %d keys drift, the log has %q", level, err, drift, told)
			}
		}
	}
}

// A key that someone else has deleted since the snapshot has, to its eyes, the
// new rows of then. Inserted again, through pgjanus, it is right, and guard: log
// raises no alarm; guard: reject asks for a retry, and then lets it pass. (With new
// rows to insert, the check of their foreign key asks for a retry by itself.)
func TestAWatchAndAKeyThatWasDeletedSinceTheSnapshot(t *testing.T) {
	for _, mode := range []string{"reject", "log"} {
		g := newGate(t, 0)
		g.use(watched(mode))
		pgtest.Exec(t, g.dsn, `INSERT INTO orders (id, items) VALUES (7, '[{"sku":"a"}]')`)
		ctx := context.Background()
		conn := g.connect(pgx.QueryExecModeExec)
		insert := func(meanwhile func()) error {
			return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
				takeSnapshot(t, tx)
				meanwhile()
				_, err := tx.Exec(ctx, `INSERT INTO orders (id, items) VALUES (7, '[]')`)
				return err
			})
		}
		err := insert(func() { pgtest.Exec(t, g.direct, "DELETE FROM orders WHERE id = 7") })
		if mode == "reject" {
			if !retryable(err) {
				t.Errorf("got %v, want 40001", err)
			}
			err = insert(func() {})
		}
		if err != nil {
			t.Error(err)
		}
		if n := seen(t, g); n > 0 {
			t.Errorf("%s: noticed for %d migrations", mode, n)
		}
		pgtest.Agree(t, g.direct)
	}
}
