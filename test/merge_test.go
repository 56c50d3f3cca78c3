package test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// merges are MERGE statements as the grammar of Postgres 16 has them.
var merges = []string{
	`MERGE INTO orders o USING (VALUES (1, '[{"sku":"m"}]'::jsonb), (2, NULL), (301, '[{"sku":"m"},{"sku":"n"}]')) v (id, items) ON v.id = o.id
		WHEN MATCHED AND v.items IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET items = v.items WHEN NOT MATCHED THEN INSERT (id, items) VALUES (v.id, v.items)`,
	`MERGE INTO orders USING generate_series(1, 4) g ON g = orders.id WHEN MATCHED AND g % 2 = 0 THEN DO NOTHING WHEN MATCHED THEN UPDATE SET items = items || '[{"sku":"x"}]', note = 'é'`,
	`MERGE INTO public.orders AS "O" USING users u ON u.id = "O".id WHEN MATCHED THEN UPDATE SET note = 'n'`,
	`MERGE INTO users u USING (VALUES (1), (2), (302)) v (id) ON v.id = u.id WHEN MATCHED THEN UPDATE SET is_active = NOT u.is_active WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'x', false) -- end`,
	`MERGE INTO users u USING (VALUES (303)) v (id) ON v.id = u.id WHEN NOT MATCHED THEN INSERT DEFAULT VALUES`,
	`MERGE INTO counters c USING (VALUES (3), (304)) v (id) ON v.id = c.id WHEN MATCHED THEN UPDATE SET id = c.id + 1000 WHEN NOT MATCHED THEN INSERT (n) VALUES (1);`,
	`WITH v AS (UPDATE users SET is_active = random() < 2 WHERE id = 4 RETURNING id) MERGE INTO orders o USING v ON v.id = o.id WHEN MATCHED THEN UPDATE SET items = '[]'`,
	`MERGE INTO orders o USING orders p ON p.id = o.id WHEN MATCHED AND o.id = 1 THEN UPDATE SET items = '[]' WHEN MATCHED THEN UPDATE SET total_cents = 1 / (o.id - 3)`,
	`MERGE INTO orders o USING (VALUES (1), (1)) v (id) ON v.id = o.id WHEN MATCHED THEN UPDATE SET items = '[]'`,
	`MERGE INTO orders o USING users ON nothing = 1 WHEN MATCHED THEN DELETE`,
	`MERGE INTO orders o USING users u ON o.id = u.id WHEN MATCHED THEN DELETE`,
}

// Since Postgres 17 MERGE is answered as without pgjanus, and both shapes agree.
// Before, it shows no keys, and is refused; before 15 there is none.
func TestMergeIntoAMigratingTable(t *testing.T) {
	p := newPair(t, 4)
	version := p.gate.planner.Snapshot().Version
	if version < 170000 {
		conn := p.gate.connect(pgx.QueryExecModeExec)
		for _, text := range merges {
			var refused *pgconn.PgError
			if _, err := conn.Exec(context.Background(), text); !errors.As(err, &refused) || refused.Code != "0A000" || !strings.Contains(refused.Message, "MERGE") {
				t.Errorf("%s: got %v, want a refusal", text, err)
			}
		}
		p.same(t, "refused")
		return
	}
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	for _, text := range merges {
		query := func(text string) []pgproto3.FrontendMessage {
			return []pgproto3.FrontendMessage{&pgproto3.Query{String: text}}
		}
		extended := []pgproto3.FrontendMessage{
			&pgproto3.Parse{Name: "m", Query: text}, &pgproto3.Describe{ObjectType: 'S', Name: "m"}, &pgproto3.Bind{PreparedStatement: "m"},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "m"}, &pgproto3.Sync{},
		}
		for _, messages := range [][]pgproto3.FrontendMessage{query("BEGIN"), query("SAVEPOINT a"), query(text), query("ROLLBACK TO a"), extended, query("ROLLBACK"), query(text)} {
			if d := differs(plain.say(messages...), through.say(messages...)); d != "" {
				t.Errorf("%s: %s", text, d)
			}
		}
		p.same(t, text)
	}
	for _, text := range []string{
		"WITH m AS (MERGE INTO users u USING (VALUES (1), (305)) v (id) ON v.id = u.id WHEN MATCHED THEN UPDATE SET is_active = NOT u.is_active WHEN NOT MATCHED THEN INSERT (id, is_active) VALUES (v.id, false)) SELECT 1 AS one",
		"EXPLAIN ANALYZE MERGE INTO users u USING (VALUES (1)) v (id) ON v.id = u.id WHEN MATCHED THEN UPDATE SET is_active = NOT u.is_active",
	} {
		pgtest.Exec(t, p.gate.dsn, text)
		pgtest.Agree(t, p.gate.direct)
	}
}

func TestMergeOfTheNewShapeIsCarriedBack(t *testing.T) {
	g := newGate(t, 2)
	g.phase("dualwrite")
	if g.planner.Snapshot().Version < 170000 {
		conn := g.connect(pgx.QueryExecModeExec)
		_, err := conn.Exec(context.Background(), "MERGE INTO users u USING orders o ON o.id = u.id WHEN MATCHED THEN UPDATE SET status = 'paused'")
		if err == nil || !strings.Contains(err.Error(), "0A000") {
			t.Errorf("got %v, want a refusal", err)
		}
		return
	}
	pgtest.Exec(t, g.dsn, "UPDATE users SET is_active = true", "MERGE INTO users u USING orders o ON o.id = u.id AND o.id = 1 WHEN MATCHED THEN UPDATE SET status = 'paused'",
		"MERGE INTO users u USING (VALUES (11)) v (id) ON v.id = u.id WHEN NOT MATCHED THEN INSERT (id, status) VALUES (v.id, 'disabled')")
	const want = "1 f paused,2 t active,11 f disabled"
	if got := pgtest.Value[string](t, g.direct, "SELECT string_agg(concat_ws(' ', id, is_active, status), ',' ORDER BY id) FROM users"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	conn := g.connect(pgx.QueryExecModeExec)
	_, err := conn.Exec(context.Background(), "MERGE INTO users u USING orders o ON o.id = u.id WHEN MATCHED THEN UPDATE SET status = 'paused', is_active = true")
	if err == nil || !strings.Contains(err.Error(), "23000") {
		t.Errorf("got %v, want 23000", err)
	}
}
