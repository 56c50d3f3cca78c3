package migrate

import (
	"errors"
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
	const foreign = "rules.yaml:3:12: the schema pgjanus is of role "
	if said := lacking("ALTER SCHEMA pgjanus OWNER TO " + role); !strings.Contains(said, trigger) || !strings.Contains(said, foreign) {
		t.Error(said)
	}
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

// CREATE on the database is needed once: who has made the schema keeps it up without.
func TestTheSchemaIsKeptUpWithoutCreateOnTheDatabase(t *testing.T) {
	s := canon(t, 1)
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		t.Fatal(err)
	}
	planner, err := Load(s.context(), s.conn, set, 2)
	if err != nil {
		t.Fatal(err)
	}
	role := fmt.Sprintf("keeper_%d", s.conn.PgConn().PID())
	database := s.conn.Config().Database
	s.exec(fmt.Sprintf("CREATE ROLE %s; DROP SCHEMA pgjanus CASCADE; GRANT CREATE ON DATABASE %s TO %[1]s", role, database))
	defer s.exec(fmt.Sprintf("DROP OWNED BY %s; DROP ROLE %[1]s", role))
	if _, err := s.conn.Exec(s.context(), "SET ROLE "+role); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Install(s.context(), s.conn), Enact(s.context(), s.conn, planner)); err != nil {
		t.Fatal(err)
	}
	s.exec(fmt.Sprintf("REVOKE CREATE ON DATABASE %s FROM %s", database, role))
	if err := Rehearse(s.context(), s.conn, planner); err != nil {
		t.Error(err)
	}
	s.exec("DROP FUNCTION pgjanus.soiled(text, text[])") // as an earlier version would have left it
	if err := Install(s.context(), s.conn); err != nil {
		t.Error(err)
	}
	if _, err := s.conn.Exec(s.context(), "RESET ROLE"); err != nil {
		t.Fatal(err)
	}
}
