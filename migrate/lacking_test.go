package migrate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rules"
)

// What the role of control lacks is said before the rules come into force, and
// that it could not remove the triggers of a guard before it makes them.
func TestLackingNamesWhatTheRoleOfControlMayNotDo(t *testing.T) {
	s := canon(t, 1)
	set, err := rules.Parse("rules.yaml", []byte(strings.Replace(pgtest.CanonRules("dualwrite"), "kind: rows", "guard: sync\n    kind: rows", 1)))
	if err != nil {
		t.Fatal(err)
	}
	planner, err := Load(s.context(), s.conn, set, 2)
	if err != nil {
		t.Fatal(err)
	}
	role := fmt.Sprintf("control_%d", s.conn.PgConn().PID())
	s.exec("CREATE ROLE " + role)
	defer s.exec(fmt.Sprintf("DROP OWNED BY %s; DROP ROLE %[1]s", role))
	as := func(role string) {
		t.Helper()
		if _, err := s.conn.Exec(s.context(), "SET ROLE "+role); err != nil {
			t.Fatal(err)
		}
	}
	lacking := func(then string) string {
		t.Helper()
		as(role)
		problems, warnings, err := Lacking(s.context(), s.conn, "rules.yaml", planner)
		if err != nil {
			t.Fatal(err)
		}
		as("NONE")
		s.exec(then)
		var said []string
		for _, p := range problems {
			said = append(said, p.String())
		}
		return strings.Join(append(said, warnings...), "\n")
	}
	const trigger = "lacks TRIGGER on public.orders, which the guard needs (run: GRANT TRIGGER ON public.orders TO "
	if said := lacking("DROP SCHEMA pgjanus CASCADE"); !strings.Contains(said, trigger) || strings.Contains(said, "schema") {
		t.Error(said)
	}
	if said := lacking("GRANT TRIGGER ON orders TO " + role); !strings.Contains(said, trigger) || !strings.Contains(said, "cannot create the schema pgjanus (run: GRANT CREATE ON DATABASE ") {
		t.Error(said)
	}
	if said := lacking("ALTER TABLE orders OWNER TO " + role); strings.Contains(said, trigger) || !strings.Contains(said, "order-items could not go back to off: ") {
		t.Error(said)
	}
	if said := lacking("ALTER TABLE orders OWNER TO CURRENT_USER"); strings.Contains(said, "orders") {
		t.Error(said)
	}
}
