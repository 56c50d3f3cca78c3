package catalog

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// bounded returns a context that ends with the test, or when it is stuck.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// database makes one with the statements run in it, and a connection to it.
func database(t *testing.T, sql ...string) *pgx.Conn {
	t.Helper()
	dsn := pgtest.Database(t)
	pgtest.Exec(t, dsn, sql...)
	conn, err := pgx.Connect(bounded(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// run executes a text of several statements on the test's connection.
func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(bounded(t), sql).ReadAll(); err != nil {
		t.Fatalf("%s\n%v", sql, err)
	}
}

func load(t *testing.T, conn *pgx.Conn, req Request) *Snapshot {
	t.Helper()
	s, err := Load(bounded(t), conn, req)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// loadTable loads one table of schema public.
func loadTable(t *testing.T, conn *pgx.Conn, name string) *Table {
	t.Helper()
	n := Name{"public", name}
	table := load(t, conn, Request{Tables: []Name{n}}).Tables[n]
	if table == nil {
		t.Fatalf("%s was not found", n)
	}
	return table
}

// resolveOne loads one expression over a table of schema public.
func resolveOne(t *testing.T, conn *pgx.Conn, kind ExprKind, table, sql string) Expr {
	t.Helper()
	r := ExprRequest{ID: "e", Kind: kind, Table: Name{"public", table}, SQL: sql}
	return load(t, conn, Request{Exprs: []ExprRequest{r}}).Exprs["e"]
}
