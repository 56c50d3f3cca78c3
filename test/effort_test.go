package test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
)

// effort counts the rows that Postgres goes through: in every node of every plan,
// inside functions too (https://www.postgresql.org/docs/current/auto-explain.html).
type effort struct {
	mu    sync.Mutex
	plans int
	rows  float64
	most  float64 // of one statement
	text  string  // that statement's
	err   error
}

// observed is a connection whose plans are counted, and those of connections that
// are made as it was.
func observed(t *testing.T, dsn string) (*pgx.Conn, *effort) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"session_preload_libraries":          "auto_explain",
		"auto_explain.log_min_duration":      "0",
		"auto_explain.log_analyze":           "on",
		"auto_explain.log_timing":            "off",
		"auto_explain.log_nested_statements": "on",
		"auto_explain.log_format":            "json",
		"auto_explain.log_level":             "notice",
	} {
		config.RuntimeParams[name] = value
	}
	e := &effort{}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { e.add(n.Message) }
	ctx := context.Background()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn, e
}

// planNode is what is read of a plan: rows are those of one loop.
type planNode struct {
	Rows         float64    `json:"Actual Rows"`
	Filtered     float64    `json:"Rows Removed by Filter"`
	JoinFiltered float64    `json:"Rows Removed by Join Filter"`
	Rechecked    float64    `json:"Rows Removed by Index Recheck"`
	Loops        float64    `json:"Actual Loops"`
	Plans        []planNode `json:"Plans"`
}

func (n planNode) effort() float64 {
	rows := n.Loops * (n.Rows + n.Filtered + n.JoinFiltered + n.Rechecked)
	for _, p := range n.Plans {
		rows += p.effort()
	}
	return rows
}

func (e *effort) add(notice string) {
	_, plan, ok := strings.Cut(notice, "plan:\n")
	if !ok {
		return
	}
	var said struct {
		Text string   `json:"Query Text"`
		Plan planNode `json:"Plan"`
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := json.Unmarshal([]byte(plan), &said); err != nil {
		e.err = err
	}
	rows := said.Plan.effort()
	e.plans++
	e.rows += rows
	if rows >= e.most {
		e.most, e.text = rows, said.Text
	}
}

// perKey is how many rows Postgres may go through for a key of three new rows, in all
// plans together: about twice what it does.
const perKey = 200

// bounded fails where what was counted since the last call is too much for so many
// keys, or is not what so many plans have.
func (e *effort) bounded(t *testing.T, what string, keys, plans int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	each := e.rows / float64(keys)
	if e.err != nil || e.plans < plans {
		t.Errorf("%s: %d plans were counted: %v", what, e.plans, e.err)
	}
	t.Logf("%s: %d plans, %.0f rows for each key", what, e.plans, each)
	if each > perKey {
		t.Errorf("%s: %.0f rows for each key; one statement has %.0f in all: %.2000s", what, each, e.most, e.text)
	}
	e.plans, e.rows, e.most = 0, 0, 0
}

// Whoever syncs holds the locks of the keys meanwhile. What is done for one of them
// does not hang on how many there are, whatever the statistics are.
func TestEffortForAKey(t *testing.T) {
	const keys = 1000
	ctx := context.Background()
	for _, guard := range []string{"off", "log", "reject", "sync"} {
		t.Run("guard "+guard, func(t *testing.T) {
			g := newGate(t, 2*keys)
			g.use(strings.ReplaceAll(pgtest.CanonRules("dualwrite"), "kind:", "guard: "+guard+"\n    kind:"))
			conn, e := observed(t, g.direct)
			for _, m := range g.planner.Migrations() {
				_, err := migrate.Backfill(ctx, conn, migrate.BackfillOptions{Planner: g.planner, Migration: m.Rule.Name, Batch: keys})
				if err != nil {
					t.Fatal(err)
				}
				e.bounded(t, "backfill "+m.Rule.Name, 2*keys, 2)
			}
			for _, c := range []struct {
				text        string // %d is a key, where a statement is about one
				keys, times int
			}{
				{`UPDATE orders SET items = items || '[{"sku":"more"}]' WHERE id <= 1000`, keys, 1},
				{`UPDATE orders SET items = items - 0 WHERE id <= 1000`, keys, 1},
				{`WITH w AS (UPDATE orders SET items = items || '[{"sku":"last"}]' WHERE id <= 1000) SELECT 1`, keys, 1},
				{`INSERT INTO orders (id, items) SELECT id, items - 0 FROM orders WHERE id <= 1000 ON CONFLICT (id) DO UPDATE SET items = excluded.items`, keys, 1},
				{`UPDATE order_items SET qty = qty + 1 WHERE order_id <= 1000`, keys, 1},
				{`DELETE FROM order_items WHERE order_id <= 1000 AND qty = 2`, keys, 1},
				{`UPDATE users SET is_active = NOT is_active WHERE id <= 1000`, keys, 1},
				{`UPDATE users SET status = 'paused' WHERE id <= 1000`, keys, 1},
				{`UPDATE orders SET items = items || '[{"sku":"more"}]' WHERE id = %d`, 50, 50},
				{`UPDATE orders SET items = items - 0 WHERE id = %d`, 50, 50},
				{`INSERT INTO orders (id, items) VALUES (%d, '[{"sku":"again"}]') ON CONFLICT (id) DO UPDATE SET items = orders.items || excluded.items`, 50, 50},
				{`INSERT INTO order_items (order_id, sku) VALUES (%d, 'new')`, 50, 50},
				{`UPDATE order_items SET qty = qty + 1 WHERE order_id = %d`, 50, 50},
				{`DELETE FROM order_items WHERE order_id = %d AND sku = 'new'`, 50, 50},
				{`UPDATE users SET is_active = NOT is_active WHERE id = %d`, 50, 50},
				{`UPDATE users SET status = 'paused' WHERE id = %d`, 50, 50},
			} {
				for i := range c.times {
					text := strings.ReplaceAll(c.text, "%d", strconv.Itoa(1000-i))
					if err := synced(g, conn, text); err != nil {
						t.Fatalf("%s: %v", text, err)
					}
				}
				e.bounded(t, c.text, c.keys, c.times)
			}
			for _, text := range []string{
				`UPDATE orders SET items = items || '[{"sku":"past"}]' WHERE id <= 1000`,
				`UPDATE users SET is_active = NOT is_active WHERE id <= 1000`,
			} {
				if _, err := conn.Exec(ctx, text); err != nil && guard != "reject" {
					t.Fatalf("%s: %v", text, err)
				}
				e.bounded(t, text+" past pgjanus", keys, 1)
			}
		})
	}
}

// synced executes what pgjanus makes of a text over a connection of our own: clients
// of pgjanus are not sent what is said in a sync.
func synced(g *gate, conn *pgx.Conn, text string) error {
	plan := g.planner.Plan([]byte(text), rewrite.Env{})
	if plan.Outcome != rewrite.Rewrite {
		return fmt.Errorf("its outcome is %s", plan.Outcome)
	}
	texts := []string{plan.Extended.Text}
	for _, sync := range plan.Statements[0].Syncs {
		texts = append(texts, sync.SQL)
	}
	ctx := context.Background()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, text := range texts {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}
