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

// Whatever writers of good and bad values, rollbacks, a backfill and killed
// connections do to a few keys at the same time: a key that drifts is dirty.
func TestEveryKeyThatDriftsIsDirty(t *testing.T) {
	t.Parallel()
	for _, ddl := range []string{"", audit} {
		for _, level := range levels {
			t.Run(fmt.Sprint(level, ddl != ""), func(t *testing.T) {
				g := newGate(t, 0)
				pgtest.Exec(t, g.direct, ddl)
				arena(t, g.direct)
				pgtest.Exec(t, g.direct, "INSERT INTO counters (id, id_big) VALUES (777777, 3), (777778, 4)") // in the way of 3 and 4
				g.use(tolerant(""))
				var done atomic.Int64
				enough := func() bool { return t.Failed() || done.Load() >= 20 && dirtied(t, g) > 0 }
				ctx := lasting(t, raceTime(t)/4, enough)
				var writers sync.WaitGroup
				for n := range 8 {
					writers.Add(1)
					go func() {
						defer writers.Done()
						for r := rand.New(rand.NewPCG(uint64(n), 7)); ctx.Err() == nil; {
							poisonous(t, ctx, g.dsn, level, r, &done)
						}
					}()
				}
				kill := pgtest.Connect(t, g.direct)
				for ctx.Err() == nil {
					if _, err := kill.Exec(context.Background(), `SELECT pg_sleep(0.2), pg_terminate_backend(pid) FROM (
						SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'load' ORDER BY random() LIMIT 1) p`); err != nil {
						t.Error(err)
						break
					}
					if level != pgx.ReadCommitted {
						continue // a backfill makes most of them retry
					}
					if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
						t.Error(err)
						break
					}
				}
				writers.Wait()
				pgtest.Exec(t, g.direct, "UPDATE counters SET id_big = id WHERE id > 777776")
				n := drifting(t, g)
				t.Logf("%d transactions committed, %d keys drift, %v statements left some", done.Load(), n, dirtied(t, g))
				if !enough() {
					t.Error("too little happened for the test to show anything")
				}
				// Two counters may each have what the other one needs, and only that keeps them apart.
				pgtest.Exec(t, g.direct, "UPDATE counters SET id_big = NULL WHERE id < 777777", "UPDATE orders SET items = '[]' WHERE items::text LIKE '%many%'", "UPDATE users SET email = 'fine'")
				if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
					t.Fatal(err)
				}
				if drifting(t, g) != 0 || soiled(t, g.direct) != "" {
					t.Errorf("after the repair dirty are %s", soiled(t, g.direct))
				}
				pgtest.Agree(t, g.direct)
			})
		}
	}
}

// poisonous writes on a connection until it is killed.
func poisonous(t *testing.T, ctx context.Context, dsn string, level pgx.TxIsoLevel, r *rand.Rand, done *atomic.Int64) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Error(err)
		return
	}
	config.RuntimeParams["application_name"] = loadName
	config.DefaultQueryExecMode = modes[r.IntN(len(modes))]
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		return
	}
	defer hangUp(conn)
	for ctx.Err() == nil {
		err := pgx.BeginTxFunc(context.Background(), conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			for range 1 + r.IntN(3) {
				err := pgx.BeginFunc(context.Background(), tx, func(nested pgx.Tx) error {
					if _, err := nested.Exec(context.Background(), venom(r)); err != nil {
						return err
					}
					if r.IntN(5) == 0 {
						return errTurnedBack
					}
					return nil
				})
				if err != nil && !errors.Is(err, errTurnedBack) {
					return err
				}
			}
			return nil
		})
		var said *pgconn.PgError
		switch {
		case err == nil:
			done.Add(1)
		case errors.As(err, &said) && said.Code == "23505", retryable(err):
		case lost(err):
			return
		default:
			t.Error(err)
			return
		}
	}
}

var errTurnedBack = errors.New("turned back")

// venom is a statement that may leave keys dirty, or clean them.
func venom(r *rand.Rand) string {
	items := []string{poisoned, `[]`, `[{"sku":"a"}]`, `[{"sku":"b"},{"sku":"c","qty":2}]`}[r.IntN(4)]
	email := []string{"poison", "fine"}[r.IntN(2)]
	text := []string{
		`UPDATE orders SET items = '%[2]s' WHERE id = %[1]d`,
		`UPDATE orders SET items = '%[2]s' WHERE id BETWEEN %[1]d AND %[1]d + 2`,
		`UPDATE orders SET items = CASE id WHEN %[1]d THEN '%[2]s' ELSE items END WHERE id BETWEEN %[1]d AND %[1]d + 1`,
		`INSERT INTO orders (id, items) VALUES (%[1]d, '%[2]s') ON CONFLICT (id) DO UPDATE SET items = excluded.items`,
		`INSERT INTO orders (id, items) VALUES (%[1]d, '%[2]s'), (%[1]d + 1, '[]') ON CONFLICT DO NOTHING`,
		`DELETE FROM orders WHERE id = %[1]d`,
		`UPDATE orders SET note = 'x' WHERE id = %[1]d`,
		`UPDATE users SET email = '%[3]s' WHERE id = %[1]d`,
		`UPDATE users SET email = '%[3]s', is_active = NOT is_active WHERE id = %[1]d`,
		`INSERT INTO users (id, email) VALUES (%[1]d, '%[3]s') ON CONFLICT (id) DO UPDATE SET email = excluded.email`,
		`DELETE FROM users WHERE id = %[1]d`,
		`INSERT INTO counters (id) VALUES (%[1]d) ON CONFLICT (id) DO UPDATE SET n = counters.n + 1`,
		`UPDATE counters SET id = %[1]d WHERE id = %[1]d + 1`,
		`DELETE FROM counters WHERE id = %[1]d`,
	}[r.IntN(14)]
	return strings.NewReplacer("%[1]d", fmt.Sprint(1+r.IntN(6)), "%[2]s", items, "%[3]s", email).Replace(text)
}
