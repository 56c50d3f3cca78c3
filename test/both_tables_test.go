package test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// newBids is a table whose old column says less than the new rows do.
func newBids(t *testing.T) *gate {
	g := newGateOver(t, `CREATE TABLE lots (id int PRIMARY KEY, top int, note text);
		CREATE TABLE bids (id bigserial PRIMARY KEY, lot int REFERENCES lots ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, price int)`)
	g.use(`migrations:
  - name: bids
    phase: dualwrite
    kind: rows
    old: {table: public.lots, key: [id], columns: [top]}
    new: {table: public.bids, parent: {lot: id}}
    up: SELECT old.top AS price WHERE old.top IS NOT NULL
    down: {top: "SELECT max(price) FROM new"}
`)
	if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	return g
}

// A statement that writes both tables may write new rows of a key whose old row it
// does not write, and so does not hold.
func TestWhoWritesBothTablesHoldsTheOldRowsOfHisNewRows(t *testing.T) {
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newBids(t)
			a, b := pgtest.Connect(t, g.dsn), pgtest.Connect(t, g.dsn)
			g.takes(t, a, "INSERT INTO lots (id, top) VALUES (1, 10), (2, 20)", "INSERT INTO bids (lot, price) VALUES (1, 3)")
			for _, text := range []string{"BEGIN ISOLATION LEVEL " + string(level), "SELECT count(*) FROM bids"} {
				do(t, a, text)
				do(t, b, text)
			}
			do(t, a, "WITH o AS (UPDATE lots SET note = 'x' WHERE id = 2) INSERT INTO bids (lot, price) VALUES (1, 5)")
			updated := make(chan error, 1)
			go func() {
				_, err := b.Exec(context.Background(), "UPDATE lots SET top = 4 WHERE id = 1")
				updated <- err
			}()
			select {
			case err := <-updated:
				t.Errorf("the old row was not held: %v", err)
				updated <- err
			case <-time.After(200 * time.Millisecond):
			}
			do(t, a, "COMMIT")
			var refused *pgconn.PgError
			if err := <-updated; err != nil && (!errors.As(err, &refused) || refused.Code != "40001") {
				t.Error(err)
			}
			do(t, b, "COMMIT")
			g.noDrift(t, "both")
		})
	}
}

func TestWhoWritesBothTablesNeedsTheOldRowFirst(t *testing.T) {
	g := newBids(t)
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn, "INSERT INTO lots (id, top) VALUES (1, 10)")
	g.refuses(t, conn, []string{"23503"}, "BEGIN; WITH o AS (UPDATE lots SET note = 'x') INSERT INTO bids (lot, price) VALUES (7, 5); INSERT INTO lots (id) VALUES (7); COMMIT")
	do(t, conn, "ROLLBACK")
	g.takes(t, conn, "WITH o AS (INSERT INTO lots (id, top) VALUES (7, 5)) INSERT INTO bids (lot, price) VALUES (7, 5)")
}
