package catalog

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

var update = flag.Bool("update", false, "write rewrite's testdata/catalog.json anew")

const goldenCatalog = "../rewrite/testdata/catalog.json"

const canonRelations = pgtest.Schema + `
CREATE VIEW order_view AS SELECT id, customer, items FROM orders;
CREATE VIEW bought (what, nr, who, label) AS SELECT items, id, customer, upper(note) FROM orders WHERE total_cents > 0;
CREATE VIEW bought_again AS SELECT nr AS number, what AS things, 'x' AS note FROM bought WHERE nr < 100;
CREATE VIEW unkeyed AS SELECT customer, items, note FROM orders;
CREATE VIEW order_notes AS SELECT id, note FROM orders;
CREATE VIEW order_items_seen AS SELECT id, sku FROM order_items;
CREATE VIEW order_counts AS SELECT customer, count(*) FROM orders GROUP BY customer;
CREATE MATERIALIZED VIEW order_totals AS SELECT customer, sum(total_cents) FROM orders GROUP BY customer;
CREATE VIEW people AS SELECT id AS nr, is_active AS active, email FROM users;
CREATE VIEW people_now AS SELECT id AS nr, status AS state, is_active AS active FROM users;
CREATE VIEW people_now_granted AS SELECT id AS nr, status AS state, is_active AS active FROM users;
GRANT UPDATE (active) ON people_now_granted TO CURRENT_USER;
CREATE SCHEMA "Mixed Case";
CREATE TABLE "Mixed Case"."Order" ("Id" int PRIMARY KEY, "Quoted ""name""" text);
CREATE VIEW known AS SELECT "Id" FROM "Mixed Case"."Order" WHERE "Id" IN (SELECT id FROM orders);
CREATE VIEW known_again AS SELECT * FROM known;
`

// canon is the request of the three canonical migrations.
func canon() Request {
	orders, items := Name{"public", "orders"}, Name{"public", "order_items"}
	users, counters := Name{"public", "users"}, Name{"public", "counters"}
	return Request{
		Tables: []Name{orders, items, users, counters, {"public", "order_view"}, {"Mixed Case", "Order"}},
		Exprs: []ExprRequest{
			{ID: "order-items/up", Kind: QueryOverOld, Table: orders, SQL: `SELECT i.sku, i.qty, i.price_cents
FROM jsonb_to_recordset(old.items) AS i(sku text, qty int, price_cents int)`},
			{ID: "order-items/down/items", Kind: ScalarOverNewSet, Table: items, SQL: `SELECT coalesce(jsonb_agg(jsonb_build_object('sku', sku, 'qty', qty, 'price_cents', price_cents)
       ORDER BY id), '[]') FROM new`},
			{ID: "user-status/up/status", Kind: ScalarOverOld, Table: users, SQL: `CASE WHEN old.is_active THEN 'active' ELSE 'disabled' END`},
			{ID: "user-status/down/is_active", Kind: ScalarOverNewRow, Table: users, SQL: `new.status = 'active'`},
			{ID: "counter-bigint/up/id_big", Kind: ScalarOverOld, Table: counters, SQL: `old.id::bigint`},
			{ID: "counter-bigint/down/id", Kind: ScalarOverNewRow, Table: counters, SQL: `new.id_big::int`},
		},
		Grants: []GrantRequest{
			{Old: orders, New: items},
			{Old: users, New: users, Columns: []string{"status"}},
			{Old: counters, New: counters, Columns: []string{"id_big"}},
		},
	}
}

func TestCanonicalMigrationsResolveToWhatPostgresPrints(t *testing.T) {
	s := load(t, database(t, canonRelations), canon())
	want := map[string]Expr{
		"order-items/up": {
			SQL:     `SELECT i.sku, i.qty, i.price_cents FROM jsonb_to_recordset(old.items) i(sku text, qty integer, price_cents integer)`,
			Columns: []ExprColumn{{"sku", "text", DefaultCollation}, {"qty", "integer", 0}, {"price_cents", "integer", 0}},
			Stable:  []string{"jsonb_to_recordset"},
		},
		"order-items/down/items": {
			SQL: `SELECT COALESCE(jsonb_agg(jsonb_build_object('sku', new.sku, 'qty', new.qty, 'price_cents', new.price_cents) ` +
				`ORDER BY new.id), '[]'::jsonb) AS "coalesce" FROM new`,
			Columns: []ExprColumn{{"", "jsonb", 0}},
			Stable:  []string{"jsonb_agg", "jsonb_build_object"},
		},
		"user-status/up/status": {
			SQL:     `CASE WHEN old.is_active THEN 'active'::text ELSE 'disabled'::text END`,
			Columns: []ExprColumn{{"", "text", DefaultCollation}},
		},
		"user-status/down/is_active": {SQL: `(new.status = 'active'::text)`, Columns: []ExprColumn{{"", "boolean", 0}}},
		"counter-bigint/up/id_big":   {SQL: `(old.id)::bigint`, Columns: []ExprColumn{{"", "bigint", 0}}},
		"counter-bigint/down/id":     {SQL: `(new.id_big)::integer`, Columns: []ExprColumn{{"", "integer", 0}}},
	}
	for id, e := range s.Exprs {
		if !reflect.DeepEqual(e, want[id]) {
			t.Errorf("%s:\n got %+v\nwant %+v", id, e, want[id])
		}
	}
	if len(s.Exprs) != len(want) {
		t.Errorf("%d expressions, want %d", len(s.Exprs), len(want))
	}
}

func TestSnapshotsRoundTripThroughJSON(t *testing.T) {
	s := load(t, database(t, canonRelations), canon())
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Snapshot
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*s, back) {
		t.Errorf("it came back different:\n%+v\n%+v", *s, back)
	}
}

func TestRewritesGoldensSeeTheCatalogThatPostgresHas(t *testing.T) {
	s := load(t, database(t, canonRelations), canon())
	// What differs from one server or database to the next.
	version := s.Version
	s.Database, s.Version, s.Fingerprint = "app", 150000, "golden"
	for i, name := range canon().Tables {
		table := s.Tables[name]
		table.OID = 20_000 + uint32(i)
		table.Missing = nil // roles belong to the server, not to the test
	}
	if version >= 160000 && !*update { // columns are printed with their relation only where that is needed
		kept := goldenSnapshot(t)
		for name, view := range s.Views {
			view.Definition = kept.Views[name].Definition
		}
	}
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.MkdirAll("../rewrite/testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenCatalog, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenCatalog)
	if err != nil {
		t.Fatalf("%v (go test ./catalog -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what Load returns; go test ./catalog -update writes it anew:\n%s", goldenCatalog, got)
	}
}

func goldenSnapshot(t *testing.T) *Snapshot {
	t.Helper()
	data, err := os.ReadFile(goldenCatalog)
	if err != nil {
		t.Fatal(err)
	}
	var kept Snapshot
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	return &kept
}
