package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// held makes a session that has set test.held wait on its way through the
// indexes of a new row: it has looked for a conflict, and is not yet in the
// index where the next one would find it.
const held = `
CREATE FUNCTION held(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('test.held', true) = 'on' THEN PERFORM pg_advisory_xact_lock(1); END IF;
	RETURN id;
END $$;
ALTER TABLE counters DROP CONSTRAINT counters_pkey;
DROP INDEX counters_id_big;
CREATE INDEX counters_held ON counters (held(id));
ALTER TABLE counters ADD PRIMARY KEY (id);`

// Two upserts of one new key at the same time: ON CONFLICT (id) deals with the
// duplicate in the index of id. One in an index of id_big, of which the
// application knows nothing, would be an error.
func TestUpsertsOfOneKeyDoNotFailOnTheNewColumnsIndex(t *testing.T) {
	for _, index := range []string{
		"CREATE UNIQUE INDEX ON counters (id_big)", "CREATE UNIQUE INDEX ON counters (name) WHERE id_big IS NOT NULL", "CREATE UNIQUE INDEX ON counters ((id_big + 1))",
		"ALTER TABLE counters ADD EXCLUDE (id_big WITH =)",
	} {
		t.Run(index, func(t *testing.T) { upsertsOfOneKey(t, index) })
	}
}

func upsertsOfOneKey(t *testing.T, index string) {
	const upsert = "INSERT INTO counters (id, name) VALUES (5, 'c') ON CONFLICT (id) DO UPDATE SET n = counters.n + 1"
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, held, index)
	g.phase("dualwrite")
	ctx := context.Background()
	holder := pgtest.Connect(t, g.direct)
	slow, quick := g.connect(pgx.QueryExecModeExec), g.connect(pgx.QueryExecModeExec)
	do(t, holder, "SELECT pg_advisory_lock(1)")
	do(t, slow, "SET test.held = 'on'")

	done := make(chan error, 1)
	go run(ctx, slow, upsert, done)
	waitUntil(t, "the slow upsert is on its way", func() bool {
		return pgtest.Value[bool](t, g.direct, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
	})
	do(t, quick, upsert)
	do(t, holder, "SELECT pg_advisory_unlock(1)")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := pgtest.Value[int](t, g.direct, "SELECT n FROM counters WHERE id = 5"); n != 1 {
		t.Errorf("n is %d: the second upsert did not update", n)
	}
	pgtest.Agree(t, g.direct)
}

// A row that an index of the new column alone does not accept is not left out
// without a word, as ON CONFLICT DO NOTHING would.
func TestWhatOnlyTheNewShapeDoesNotAcceptIsNotLeftOut(t *testing.T) {
	g := lawGate(t, "o text, n text UNIQUE", "lower(old.o)", "")
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn, "INSERT INTO t (id, o) VALUES (1, 'Ann') ON CONFLICT DO NOTHING", "INSERT INTO t (id, o) VALUES (1, 'Bob') ON CONFLICT DO NOTHING")
	g.refuses(t, conn, []string{"23505"}, "INSERT INTO t (id, o) VALUES (2, 'ANN') ON CONFLICT DO NOTHING")
}

func run(ctx context.Context, conn *pgx.Conn, text string, done chan<- error) {
	_, err := conn.Exec(ctx, text)
	done <- err
}
