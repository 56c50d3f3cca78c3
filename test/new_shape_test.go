package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestWhoKnowsTheNewShapeIsCarriedBack(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]string{"no guard": pgtest.CanonRules("dualwrite"), "guard: sync": guarded()} {
		t.Run(name, func(t *testing.T) { newShapeIsCarriedBack(t, rules) })
	}
}

func newShapeIsCarriedBack(t *testing.T, rules string) {
	g := newGate(t, 0)
	g.use(rules)
	conn := g.connect(pgx.QueryExecModeExec)
	ctx := context.Background()
	for _, c := range []struct{ text, want string }{ // and the row with id 1 then
		{"INSERT INTO users (id, email, status) VALUES (1, 'a', 'paused')", "f paused"},
		{"UPDATE users SET is_active = false WHERE id = 1", "f paused"}, // the law
		{"UPDATE users SET status = 'active' WHERE id = 1", "t active"},
		{"UPDATE users SET status = $1 WHERE id = 1", "f disabled"},
		{"UPDATE users SET status = 'active', is_active = true WHERE id = 1", "t active"},
		{"UPDATE users SET status = 'paused', is_active = false WHERE id = 1", "f paused"},
		{"UPDATE users SET status = 'active', is_active = false WHERE id = 1", "23000"},
		{"UPDATE users SET status = lower('DISABLED') WHERE id = 1", "f disabled"},
		{"UPDATE users u SET status = v.s FROM (VALUES ('active')) v (s) WHERE id = 1 RETURNING u.status", "t active"},
		{"INSERT INTO users (id, status) SELECT 1, 'paused' ON CONFLICT (id) DO UPDATE SET status = excluded.status", "f paused"},
		{"INSERT INTO users (id, is_active, status) VALUES (2, true, 'paused')", "23000"},
		{"INSERT INTO users (id, is_active, status) VALUES (3, false, 'paused')", "f paused"},
		{"WITH w AS (UPDATE users SET status = 'active' WHERE id = 1 RETURNING id) SELECT * FROM w", "t active"},
		{"WITH w AS (UPDATE users SET status = lower('paused') WHERE id = 1 RETURNING id) UPDATE users SET is_active = NOT is_active WHERE id = 3", "0A000"},
		{"UPDATE users SET email = 'b' WHERE id = 1", "t active"},
	} {
		var args []any
		if strings.Contains(c.text, "$1") {
			args = append(args, "disabled")
		}
		_, err := conn.Exec(ctx, c.text, args...)
		got := pgtest.Value[string](t, g.direct, "SELECT concat_ws(' ', is_active, status) FROM users WHERE id = 1")
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			got = refused.Code
			if !strings.Contains(refused.Message+refused.Hint, "user-status") {
				t.Errorf("%s: %s (%s) does not name the migration", c.text, refused.Message, refused.Hint)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.text, got, err, c.want)
		}
		pgtest.Agree(t, g.direct)
	}
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM users WHERE id = 2"); n != 0 {
		t.Error("a contradiction was written")
	}
}

func TestBothGenerationsAtOnceLeaveNoDrift(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			if g.phase("dualwrite"); level != pgx.Serializable {
				g.use(guarded())
			}
			pgtest.Exec(t, g.dsn, "INSERT INTO users (id) SELECT generate_series(1, 5)")
			var running sync.WaitGroup
			until := time.Now().Add(raceTime(t) / 2)
			for i := range 8 {
				conn := g.connect(pgx.QueryExecModeExec)
				running.Add(1)
				go func() {
					defer running.Done()
					bothGenerations(t, conn, level, rand.New(rand.NewSource(int64(i))), until)
				}()
			}
			running.Wait()
			pgtest.Agree(t, g.direct)
			if n := pgtest.Value[int64](t, g.direct, "SELECT count(DISTINCT status) FROM users"); n == 0 {
				t.Error("nothing was written")
			}
		})
	}
}

// bothGenerations writes the same few rows now as the one, now as the other.
func bothGenerations(t *testing.T, conn *pgx.Conn, level pgx.TxIsoLevel, r *rand.Rand, until time.Time) {
	ctx := context.Background()
	for time.Now().Before(until) {
		err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			for range 1 + r.Intn(2) {
				id, status := 1+r.Intn(6), pick(r, "active", "paused", "disabled")
				text := pick(r,
					"UPDATE users SET is_active = %[2]t WHERE id = %[1]d",
					"UPDATE users SET is_active = NOT is_active WHERE id = %[1]d",
					"UPDATE users SET status = '%[3]s' WHERE id = %[1]d",
					"UPDATE users SET status = lower('%[3]s') WHERE id = %[1]d",
					"INSERT INTO users (id, status) VALUES (%[1]d, '%[3]s') ON CONFLICT (id) DO UPDATE SET status = excluded.status",
					"INSERT INTO users (id, is_active) VALUES (%[1]d, %[2]t) ON CONFLICT (id) DO UPDATE SET is_active = excluded.is_active",
					"DELETE FROM users WHERE id = %[1]d AND id > 3")
				if _, err := tx.Exec(ctx, strings.NewReplacer("%[1]d", fmt.Sprint(id), "%[2]t", fmt.Sprint(r.Intn(2) == 0), "%[3]s", status).Replace(text)); err != nil {
					return err
				}
			}
			return nil
		})
		var refused *pgconn.PgError
		if err != nil && (!errors.As(err, &refused) || refused.Code != "40001" && refused.Code != "40P01" && refused.Code != "23505") {
			t.Errorf("unexpected: %v", err)
			return
		}
	}
}

// A name in one piece becomes one in two.
const splitName = `migrations:
  - name: names
    phase: dualwrite
    kind: columns
    old: {table: public.people, key: [id], columns: [name]}
    new: {table: public.people, columns: [first, last]}
    up:   {first: "split_part(old.name, ' ', 1)", last: "split_part(old.name, ' ', 2)"}
    down: {name: "concat_ws(' ', new.first, new.last)"}
`

// down reads all new columns. Those that a statement leaves as they are have to be
// filled, or the old shape would lose what they stand for.
func TestNewColumnsAreNotWrittenInPartBeforeTheyAreFilled(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "CREATE TABLE people (id serial PRIMARY KEY, name text, first text, last text CHECK (last <> 'X'))", "INSERT INTO people (name) VALUES ('Ann Lee'), ('Bob Ray')")
	g.use(splitName)
	conn := g.connect(pgx.QueryExecModeExec)
	names := func() string {
		return pgtest.Value[string](t, g.direct, "SELECT string_agg(name, ', ' ORDER BY id) FROM people")
	}
	part := []string{
		"UPDATE people SET first = 'Anna' WHERE id = 1",
		"UPDATE people SET first = (SELECT 'Anna') WHERE id = 1",
		"INSERT INTO people (id, first, last) VALUES (1, 'Anna', 'Low') ON CONFLICT (id) DO UPDATE SET first = excluded.first",
		"WITH w AS (UPDATE people SET first = 'Anna' WHERE id = 1 RETURNING id) UPDATE people SET first = 'Bobby', last = 'Ray' WHERE id = 2",
	}
	if g.planner.Snapshot().Version >= 170000 {
		part = append(part, "MERGE INTO people p USING (VALUES (1)) v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET first = 'Anna' WHEN NOT MATCHED THEN INSERT (first, last) VALUES ('Anna', 'Low')")
	}
	refused := func(why string) {
		t.Helper()
		was := names()
		for _, text := range part {
			if said := told(conn, pgx.QueryExecModeExec, text); !strings.Contains(said, "55000") {
				t.Errorf("%s: %s: %s", why, text, said)
			}
		}
		if now := names(); now != was {
			t.Errorf("%s: %q became %q", why, was, now)
		}
	}
	refused("not filled")
	pgtest.Exec(t, g.dsn, "UPDATE people SET first = 'Rob', last = 'Roy' WHERE id = 2", "INSERT INTO people (first) VALUES ('Cy')")
	if got := names(); got != "Ann Lee, Rob Roy, Cy" {
		t.Errorf("the old shape is %q", got)
	}
	if err := backfill(context.Background(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	for _, text := range part {
		pgtest.Exec(t, g.dsn, text)
		if got := names(); !strings.HasPrefix(got, "Anna Lee, ") {
			t.Errorf("behind %s the old shape is %q", text, got)
		}
		g.noDrift(t, text)
		pgtest.Exec(t, g.dsn, "UPDATE people SET name = 'Ann Lee' WHERE id = 1")
	}
	g.use(strings.Replace(splitName, "phase: dualwrite", "phase: dualwrite\n    on_fanout_error: dirty", 1))
	pgtest.Exec(t, g.dsn, "UPDATE people SET name = 'Ann X' WHERE id = 1")
	refused("dirty")
	g.use(splitName)
	refused("dirty still")
}
