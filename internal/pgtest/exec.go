package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// execLimit ends a statement that waits for a lock nobody gives back.
const execLimit = time.Minute

// Exec runs each text on a connection of its own making; a text may hold
// several statements. The first error ends the test.
func Exec(t testing.TB, dsn string, sql ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), execLimit)
	defer cancel()
	conn := connect(t, ctx, dsn)
	defer conn.Close(context.Background())
	for _, text := range sql {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
	}
}

// Value returns the one value that a query yields.
func Value[T any](t testing.TB, dsn, sql string, args ...any) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), execLimit)
	defer cancel()
	conn := connect(t, ctx, dsn)
	defer conn.Close(context.Background())
	var v T
	if err := conn.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s\n%v", sql, err)
	}
	return v
}

// Connect returns a connection that is closed when the test ends.
func Connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), execLimit)
	defer cancel()
	conn := connect(t, ctx, dsn)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), execLimit)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			t.Errorf("closing a connection: %v", err)
		}
	})
	return conn
}

func connect(t testing.TB, ctx context.Context, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connecting to the test's database: %v", err)
	}
	return conn
}
