package test

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// executors are sessions that execute, again and again, what each has prepared
// by SQL once, whatever the phase was then.
type executors struct {
	commits atomic.Int64
	running sync.WaitGroup
	mu      sync.Mutex
	failed  []error
}

const executorKeys = 20

func (x *executors) start(ctx context.Context, g *gate, n int) {
	for i := range n {
		conn := g.connect(pgx.QueryExecModeSimpleProtocol)
		x.running.Add(1)
		go x.run(ctx, conn, rand.New(rand.NewSource(int64(i))))
	}
}

func (x *executors) run(ctx context.Context, conn *pgx.Conn, r *rand.Rand) {
	defer x.running.Done()
	err := x.work(ctx, conn, r)
	if err == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failed = append(x.failed, err)
}

func (x *executors) work(ctx context.Context, conn *pgx.Conn, r *rand.Rand) error {
	life, stop := context.WithTimeout(context.Background(), stuck)
	defer stop()
	query := func(texts ...string) error {
		for _, text := range texts {
			if _, err := conn.PgConn().Exec(life, text).ReadAll(); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		return nil
	}
	err := query("PREPARE o (bigint, jsonb) AS UPDATE orders SET items = $2 WHERE id = $1 RETURNING id; PREPARE u AS UPDATE users SET is_active = NOT is_active WHERE id = $1",
		"PREPARE s (int, bool) AS UPDATE users SET is_active = $2 WHERE id = $1",
		"PREPARE i AS INSERT INTO orders (items) VALUES ($1) RETURNING id")
	for ; err == nil && ctx.Err() == nil; x.commits.Add(1) {
		key := 1 + r.Intn(executorKeys)
		items := fmt.Sprintf(`[{"sku":"k%d","qty":%d}, {"sku":"x"}]`, key, r.Intn(1000))
		order, user := fmt.Sprintf("EXECUTE o(%d, '%s')", key, items), pick(r, fmt.Sprintf("EXECUTE u(%d)", key), fmt.Sprintf("EXECUTE s(%d, %v)", key, r.Intn(2) == 0))
		switch r.Intn(7) {
		case 0:
			err = query(order)
		case 1:
			err = query(user, "EXECUTE i('"+items+"')")
		case 2:
			err = query(order + "; " + user)
		case 3:
			err = query("BEGIN", order, user, pick(r, "COMMIT", "ROLLBACK"))
		case 4:
			err = conn.PgConn().ExecPrepared(life, "o", [][]byte{[]byte(fmt.Sprint(key)), []byte(items)}, nil, nil).Read().Err
		case 5:
			err = conn.PgConn().ExecParams(life, order, nil, nil, nil, nil).Read().Err
		case 6:
			err = query("DEALLOCATE o; PREPARE o AS UPDATE orders SET items = $2 WHERE id = $1 RETURNING items, id", order)
		}
	}
	return err
}

func TestFlipsWhileSessionsExecuteWhatTheyPreparedEndWithoutDrift(t *testing.T) {
	t.Parallel()
	for name, ddl := range map[string]string{"by row": "", "behind": auditAll} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, executorKeys)
			if ddl != "" {
				pgtest.Exec(t, g.direct, ddl)
			}
			var x executors
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			x.start(ctx, g, 3)
			flips := flip(g, raceTime(t)/2, 1)
			x.start(ctx, g, 1)
			g.phase("off")
			x.start(ctx, g, 1)
			epoch := g.phase("dualwrite")
			waitUntil(t, "the phase is settled", func() bool { return g.server.Settled(epoch) })
			if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
				t.Error(err)
			}
			before := x.commits.Load()
			waitUntil(t, "there was work behind the backfill", func() bool { return x.commits.Load() > before+200 || x.err() != nil })
			stop()
			x.running.Wait()
			if err := x.err(); err != nil {
				t.Error(err)
			}
			t.Logf("%d flips, %d transactions", flips, x.commits.Load())
			pgtest.Agree(t, g.direct)
		})
	}
}

func (x *executors) err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.failed) == 0 {
		return nil
	}
	return x.failed[0]
}

// What the server has under the client's name is the text of the rules in force.
func TestStatementsPreparedBySQLShowTheirText(t *testing.T) {
	g := newGate(t, 1)
	conn := g.connect(pgx.QueryExecModeSimpleProtocol)
	has := func() string {
		t.Helper()
		var text string
		if err := conn.QueryRow(context.Background(), "SELECT statement FROM pg_prepared_statements WHERE name = 'p'").Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	if _, err := conn.Exec(context.Background(), "PREPARE p AS UPDATE orders SET items = '[]'"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if text := has(); strings.Contains(text, "pgjanus") {
			t.Errorf("in phase off: %s", text)
		}
		g.phase("dualwrite")
		if text := has(); !strings.Contains(text, "pgjanus.\"order-items row") {
			t.Errorf("in phase dualwrite: %s", text)
		}
		g.phase("off")
	}
}
