package test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// In a session whose encoding is another the bytes of a name are not those that
// the catalog has: such a text is never passed on as if it named none of ours.
func TestNamesInAnotherEncodingAreNotOverlooked(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE "Zähler" (id int PRIMARY KEY, "größe" int, "größe_neu" bigint); INSERT INTO "Zähler" VALUES (1, 1, 1)`)
	g.use(`migrations:
  - name: m
    phase: dualwrite
    kind: columns
    old: {table: 'public."Zähler"', key: [id], columns: ["größe"]}
    new: {table: 'public."Zähler"', columns: ["größe_neu"]}
    up: {"größe_neu": 'old."größe"'}
`)
	latin1 := strings.NewReplacer("ä", "\xe4", "ö", "\xf6", "ß", "\xdf")
	conn := g.connect(pgx.QueryExecModeSimpleProtocol)
	exec := func(text string) error {
		_, err := conn.PgConn().Exec(context.Background(), text).ReadAll()
		return err
	}
	update := `UPDATE "Zähler" SET "größe" = 2 WHERE id = 1`
	if err := exec(update); err != nil {
		t.Fatal(err)
	}
	if err := exec("SET client_encoding = 'LATIN1'"); err != nil {
		t.Fatal(err)
	}
	var refused *pgconn.PgError
	if err := exec(latin1.Replace(strings.Replace(update, "2", "3", 1))); !errors.As(err, &refused) || refused.Code != "0A000" {
		t.Errorf("it says %v, want a refusal", err)
	}
	if err := exec("SELECT '" + latin1.Replace("ä") + "'"); !errors.As(err, &refused) || refused.Code != "0A000" {
		t.Errorf("what might name it gave %v", err)
	}
	if err := exec("SELECT 1"); err != nil {
		t.Error(err)
	}
	if n := pgtest.Value[int64](t, g.direct, `SELECT count(*) FROM "Zähler" WHERE "größe" IS DISTINCT FROM "größe_neu" OR "größe" <> 2`); n != 0 {
		t.Errorf("%d rows drift", n)
	}
}

// What is not UTF-8 is refused where it may be said in another encoding, with the
// way out; in UTF-8 it is Postgres's own error.
func TestBytesThatAreNotUTF8(t *testing.T) {
	p := newPair(t, 1)
	plain, through := pgtest.Connect(t, p.plain), p.gate.connect(pgx.QueryExecModeSimpleProtocol)
	failure := func(conn *pgx.Conn, text string) (refused pgconn.PgError) {
		t.Helper()
		var err *pgconn.PgError
		if _, got := conn.PgConn().Exec(context.Background(), text).ReadAll(); !errors.As(got, &err) {
			t.Errorf("%q: %v, want an error", text, got)
			return refused
		}
		return *err
	}
	for _, bytes := range []string{"\xe9", "caf\xe9s", "\xed\xa0\x80", "\xf4\x90\x80\x80x", "\xc3", "\xc0\xaf", "\x80", "\xff\xff"} {
		text := "UPDATE users SET is_active = false, email = '" + bytes + "'"
		if a, b := failure(plain, text), failure(through, text); a.Code != b.Code || a.Message != b.Message {
			t.Errorf("%q: %s %q, want %s %q", bytes, b.Code, b.Message, a.Code, a.Message)
		}
	}
	do(t, through, "SET client_encoding = 'LATIN1'")
	if e := failure(through, "UPDATE users SET is_active = false, email = 'caf\xe9'"); e.Code != "0A000" || !strings.Contains(e.Hint, "client_encoding") {
		t.Errorf("%s %s", e.Code, e.Message)
	}
	if _, err := through.PgConn().Exec(context.Background(), "UPDATE users SET is_active = false, email = 'caf\xc3\xa9'").ReadAll(); err != nil {
		t.Error(err)
	}
	p.gate.noDrift(t, "LATIN1")
}
