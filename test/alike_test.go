package test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
)

// alike plays each text against both databases of a pair, by the extended
// protocol in a transaction that is rolled back and then by the simple one for
// good. The answers, what the old query shows behind each, and both shapes must
// be alike. It returns how many of the texts are rewritten.
func (p *pair) alike(t *testing.T, old string, texts ...string) int {
	t.Helper()
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	rewritten := 0
	for _, text := range texts {
		plan := p.gate.planner.Plan([]byte(text), rewrite.Env{})
		switch plan.Outcome {
		case rewrite.Refuse:
			t.Errorf("%s is refused: %v", text, plan.Refusal)
			continue
		case rewrite.Rewrite:
			rewritten++
		}
		if !strings.Contains(text, ";") {
			extended := []pgproto3.FrontendMessage{
				&pgproto3.Query{String: "BEGIN"},
				&pgproto3.Parse{Name: "s", Query: text}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
				&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "s"},
				&pgproto3.Sync{}, &pgproto3.Query{String: "ROLLBACK"},
			}
			if d := differs(plain.say(extended...), through.say(extended...)); d != "" {
				t.Errorf("extended: %s: %s", text, d)
			}
		}
		if d := differs(plain.say(&pgproto3.Query{String: text}), through.say(&pgproto3.Query{String: text})); d != "" {
			t.Errorf("%s: %s", text, d)
		}
		if d := differs(plain.say(&pgproto3.Query{String: old}), through.say(&pgproto3.Query{String: old})); d != "" {
			t.Errorf("behind %s: %s", text, d)
		}
		p.gate.noDrift(t, text)
	}
	return rewritten
}

// noDrift fails the test when a migration in force has drift.
func (g *gate) noDrift(t *testing.T, when string) {
	t.Helper()
	conn := pgtest.Connect(t, g.direct)
	defer conn.Close(context.Background())
	for _, m := range g.planner.Migrations() {
		if !m.Rule.Active() {
			continue
		}
		result, err := migrate.Verify(context.Background(), conn, migrate.VerifyOptions{Planner: g.planner, Migration: m.Rule.Name})
		if err != nil {
			t.Fatal(err)
		}
		if result.Drift > 0 {
			t.Errorf("behind %s the shapes of %d keys of %s disagree: %v", when, result.Drift, m.Rule.Name, result.Keys)
		}
	}
}

// takes sends statements, each of which has to succeed and to leave no drift.
func (g *gate) takes(t *testing.T, conn *pgx.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		do(t, conn, text)
		g.noDrift(t, text)
	}
}

// refuses sends statements, each of which has to fail with one of the codes and to
// leave no drift.
func (g *gate) refuses(t *testing.T, conn *pgx.Conn, codes []string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		var refused *pgconn.PgError
		if _, err := conn.PgConn().Exec(context.Background(), text).ReadAll(); !errors.As(err, &refused) || !slices.Contains(codes, refused.Code) {
			t.Errorf("%s: %v, want a refusal", text, err)
		}
		g.noDrift(t, text)
	}
}

// needsICU skips a test that needs collations which are not deterministic.
func (g *gate) needsICU(t *testing.T) {
	t.Helper()
	if !pgtest.Value[bool](t, g.direct, "SELECT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')") {
		t.Skip("NOT TESTED: this server is built without ICU, and only its collations can be nondeterministic")
	}
}

// refill gives every row of the canonical tables its new shape.
func (g *gate) refill() {
	g.t.Helper()
	pgtest.Exec(g.t, g.dsn, "UPDATE orders SET items = items", "UPDATE users SET is_active = is_active", "UPDATE counters SET id = id")
}
