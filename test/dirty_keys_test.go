package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

const stampsRules = `migrations:
  - name: stamps
    phase: dualwrite
    guard: reject
    on_fanout_error: dirty
    kind: columns
    old: {table: public.stamps, key: [at, day, "on", what, n], columns: [value]}
    new: {table: public.stamps, columns: [number]}
    up: {number: "old.value::int"}
`

// A key is the same one under every TimeZone and DateStyle: it is dirty once, is
// taken out again, and is found by verify.
func TestADirtyKeyDoesNotDependOnSettings(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `CREATE TABLE stamps (at timestamptz, day date, "on" timestamp, what text, n numeric, value text, number int, PRIMARY KEY (at, day, "on", what, n))`)
	g.use(stampsRules)
	conn := g.connect(pgx.QueryExecModeSimpleProtocol)
	exec := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, err := conn.Exec(context.Background(), text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	exec("SET TimeZone = 'Asia/Kathmandu'", "SET DateStyle = 'German'",
		`INSERT INTO stamps VALUES ('2026-01-02 03:04:05.678+00', '2026-01-02', '2026-03-04 05:06:07', E'it''s {a}, "b"\\', 1.50, 'bad'), ('infinity', '0044-03-15 BC', '-infinity', '', 2, 'bad'), ('epoch', 'epoch', 'epoch', 'c', 3, '7')`)
	if n := drifting(t, g); n != 2 {
		t.Errorf("%d keys drift, want 2", n)
	}
	exec("SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, MDY'", "UPDATE stamps SET value = 'bad' WHERE n < 3")
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM pgjanus.dirty"); n != 2 {
		t.Errorf("%d entries, want 2: %s", n, soiled(t, g.direct))
	}
	exec("SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'", "UPDATE stamps SET value = '8' WHERE n < 3")
	if got := soiled(t, g.direct); got != "" || drifting(t, g) != 0 {
		t.Errorf("dirty are %s", got)
	}
	if n := seen(t, g); n > 0 {
		t.Error("a false alarm")
	}
}
