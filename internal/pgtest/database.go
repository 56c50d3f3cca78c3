package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// settle is how long sessions may take to leave when their test is over: a
// backend ends a little after its client has hung up.
const settle = 5 * time.Second

// Database makes a new, empty database and returns its DSN. It is dropped when
// the test ends; sessions that are still in it then fail the test.
func Database(t testing.TB) string {
	t.Helper()
	server, err := shared.address()
	if err != nil {
		t.Fatalf("starting a Postgres for the tests: %v\n(or set %s to the DSN of a server to use)", err, Variable)
	}
	name := databaseName(t.Name())
	ident := pgx.Identifier{name}.Sanitize()
	Exec(t, server, "CREATE DATABASE "+ident+" TEMPLATE template0")
	t.Cleanup(func() {
		left := sessions(t, server, name, settle)
		if len(left) > 0 {
			t.Errorf("sessions are left in the test's database; close them before the test ends:\n%s", strings.Join(left, "\n"))
		}
		Exec(t, server, "DROP DATABASE "+ident+" WITH (FORCE)")
	})
	dsn, err := WithDatabase(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// WithDatabase returns dsn, in either of its two forms, with another database.
func WithDatabase(dsn, database string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database)
		return dsn + " dbname='" + quoted + "'", nil // the last one counts
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("reading a DSN: %w", err)
	}
	u.Path = "/" + database
	return u.String(), nil
}

// databaseName is readable and unique: several test binaries may share a
// server.
func databaseName(test string) string {
	const room = 30 // of the 63 bytes of an identifier
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, test)
	return "t_" + readable[:min(len(readable), room)] + "_" + strings.ToLower(rand.Text())
}

// sessions returns who is still in the database when patience is over.
func sessions(t testing.TB, server, database string, patience time.Duration) []string {
	t.Helper()
	const query = `SELECT format('pid %s, application %L, %s, %s', pid, application_name, state, left(query, 200))
		FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`
	ctx, cancel := context.WithTimeout(context.Background(), execLimit)
	defer cancel()
	conn := connect(t, ctx, server)
	defer conn.Close(context.Background())
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		rows, err := conn.Query(ctx, query, database)
		if err != nil {
			t.Errorf("looking for sessions: %v", err)
			return nil
		}
		left, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Errorf("looking for sessions: %v", err)
			return nil
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}
