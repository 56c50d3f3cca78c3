package migrate

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// The relations by whose names something may write unseen are those of the
// catalog: views at any depth, but for one that only reads the table. A trigger of
// the new table may write either.
func TestUnseenWritersGoThroughViewsAndTriggers(t *testing.T) {
	s := canon(t, 0)
	s.exec(`
CREATE VIEW ov AS SELECT id, items FROM orders;
CREATE VIEW ov_few AS SELECT id, items FROM ov WHERE id < 10;
CREATE VIEW iv AS SELECT * FROM order_items;
CREATE TABLE log (id bigint);
CREATE VIEW log_of_orders AS SELECT id FROM log WHERE id IN (SELECT id FROM orders);
CREATE FUNCTION empties() RETURNS void LANGUAGE sql AS $$ UPDATE ov_few SET items = '[]' $$;
CREATE FUNCTION counts() RETURNS void LANGUAGE sql AS $$ UPDATE iv SET qty = 1 $$;
CREATE FUNCTION logs() RETURNS void LANGUAGE sql AS $$ UPDATE log_of_orders SET id = 1 $$;
CREATE FUNCTION prefers() RETURNS void LANGUAGE sql AS $$ UPDATE log SET id = (SELECT max(id) FROM order_items) $$;
CREATE FUNCTION totals() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP = 'DELETE' THEN UPDATE order_items SET qty = 0; ELSE UPDATE orders SET total_cents = 0; END IF; RETURN NULL; END $$;
CREATE TRIGGER totals AFTER INSERT OR DELETE ON order_items FOR EACH ROW EXECUTE FUNCTION totals();`)
	for _, phase := range []string{"dualwrite", "off"} {
		s.rules(pgtest.CanonRules(phase))
		got, err := Unseen(s.context(), s.conn, s.planner, s.planner.Migration("order-items"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"order-items: function public.empties() may write public.orders, and no statement shows that (set guard: sync)",
			"order-items: trigger totals on public.order_items, by function public.totals() may write public.orders, and no statement shows that (set guard: sync)",
			"order-items: function public.counts() may write public.order_items, and no statement shows that (set guard: reject or guard: log, which notice it; verify finds what it leaves)",
			"order-items: trigger totals on public.order_items itself, by function public.totals() may write public.order_items, and no statement shows that (set guard: reject or guard: log, which notice it; verify finds what it leaves)",
		}
		if !slices.Equal(got, want) {
			t.Errorf("in %s got\n%s\nwant\n%s", phase, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A foreign key of a new column changes it when what it refers to changes.
func TestForeignKeysThatChangeANewColumnAreUnseen(t *testing.T) {
	s := canon(t, 0)
	s.exec("CREATE TABLE statuses (name text PRIMARY KEY); ALTER TABLE users ADD CONSTRAINT known FOREIGN KEY (status) REFERENCES statuses ON UPDATE CASCADE")
	s.rules(pgtest.CanonRules("dualwrite"))
	for _, m := range s.planner.Migrations() {
		unseen, err := Unseen(s.context(), s.conn, s.planner, m)
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Contains(strings.Join(unseen, "\n"), "foreign key known to public.statuses, which changes status")
		if found != (m.Rule.Name == "user-status") {
			t.Errorf("%s: %q", m.Rule.Name, unseen)
		}
	}
}
