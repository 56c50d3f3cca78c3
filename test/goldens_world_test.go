package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// golden is one plan of rewrite/testdata/plans.
type golden struct {
	pos     string // file:line
	sql     string
	outcome string // pass, rewrite or refuse
	error   string // of a refusal: its message
	hint    string
	world   string // its arguments, which say what the database and the rules are like
}

const goldenPlans = "../rewrite/testdata/plans"

// goldens reads all of them, by the world in which they are played.
func goldens(t *testing.T) map[string][]golden {
	t.Helper()
	worlds := map[string][]golden{}
	files, err := filepath.Glob(goldenPlans + "/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, path := range files {
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			g := golden{pos: strings.TrimPrefix(d.Pos, goldenPlans+"/"), sql: strings.TrimSuffix(d.Input, "\n")}
			for i, line := range strings.Split(d.Expected, "\n") {
				if i == 0 {
					g.outcome = line
				} else if text, ok := strings.CutPrefix(line, "error: "); ok && g.outcome == "refuse" {
					g.error = text
				} else if text, ok := strings.CutPrefix(line, "hint: "); ok && g.outcome == "refuse" {
					g.hint = text
				}
			}
			for _, a := range d.CmdArgs {
				g.world += " " + a.String()
			}
			worlds[g.world] = append(worlds[g.world], g)
			return d.Expected
		})
	}
	return worlds
}

// knowsTheNewShape reports whether the text names something that is not there
// before the expand step.
func (g golden) knowsTheNewShape() bool {
	text := strings.ToLower(g.sql)
	return strings.Contains(text, "status") || strings.Contains(text, "id_big") || strings.Contains(text, "order_items") || strings.Contains(text, "people_now") || strings.HasPrefix(g.pos, "back/")
}

// parts are its statements, as far as ; tells.
func (g golden) parts() []string {
	var parts []string
	for part := range strings.SplitSeq(g.sql, ";") {
		parts = append(parts, strings.ToUpper(strings.TrimSpace(part)))
	}
	return parts
}

// begins reports whether a statement of the text begins with one of the words.
func (g golden) begins(words ...string) bool {
	for _, part := range g.parts() {
		first := strings.FieldsFunc(part, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '(' || r == '\'' })
		for _, w := range words {
			if len(first) > 0 && first[0] == w {
				return true
			}
		}
	}
	return false
}

// theatre is three databases with the same old tables: one as it was before the
// expand step, one after it, and one after it behind a proxy.
type theatre struct {
	t       *testing.T
	gate    *gate
	before  side
	after   side
	through side
	setup   []string // what each session begins with
	world   string
	active  bool
	// answered is how often a golden was executed without an error.
	answered int
}

// side is one of the databases, and a client's session with it.
type side struct {
	*wire
	direct *pgx.Conn // past pgjanus
}

// expanded brings the new shape up to date, with a row that the old shape knows less of.
const expanded = `
INSERT INTO order_items (order_id, sku, qty, price_cents)
SELECT o.id, i.sku, i.qty, i.price_cents FROM orders o, jsonb_to_recordset(o.items) AS i (sku text, qty int, price_cents int) ORDER BY o.id, i.qty;
UPDATE users SET status = CASE WHEN is_active THEN 'active' WHEN id = 3 THEN 'paused' ELSE 'disabled' END;
UPDATE counters SET id_big = id`

// newTheatre makes the world that the arguments of a golden speak of.
func newTheatre(t *testing.T, args string) *theatre {
	t.Helper()
	fixture, err := os.ReadFile("../rewrite/testdata/fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	rules, more, cascades := pgtest.CanonRules("dualwrite"), "", ""
	s := &theatre{t: t, active: true, world: args}
	for arg := range strings.FieldsSeq(args) {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "phase":
			rules, s.active = pgtest.CanonRules(value), value != "off"
		case "guard":
			rules = guarded()
		case "reject":
			rules = watched("reject")
		case "dirty":
			rules = strings.ReplaceAll(rules, "    kind:", "    on_fanout_error: dirty\n    kind:")
		case "before-trigger":
			more += fmt.Sprintf("DO $$ BEGIN IF to_regclass('%[1]s') IS NOT NULL THEN CREATE TRIGGER t BEFORE INSERT OR UPDATE ON %[1]s FOR EACH ROW EXECUTE FUNCTION f(); END IF; END $$;", value)
		case "cascades":
			cascades = "ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE ON UPDATE CASCADE"
		case "namesake":
			more += fmt.Sprintf("CREATE SCHEMA archive; CREATE TABLE archive.%[1]s AS TABLE public.%[1]s;", value)
		case "escapes":
			s.setup = append(s.setup, "SET standard_conforming_strings = off", "SET escape_string_warning = off")
		case "sjis":
			s.setup = append(s.setup, "SET client_encoding = 'SJIS'")
		default:
			t.Fatalf("say here how a database gets %s", arg)
		}
	}
	s.gate = newGate(t, 6)
	plain, bare := pgtest.Database(t), pgtest.Database(t)
	for _, dsn := range []string{plain, bare} {
		pgtest.Canon(t, dsn, 6)
	}
	pgtest.Exec(t, plain, beforeExpand)
	pgtest.Exec(t, bare, expanded, cascades)
	pgtest.Exec(t, s.gate.direct, expanded, cascades)
	for _, dsn := range []string{plain, bare, s.gate.direct} {
		pgtest.Exec(t, dsn, string(fixture), more)
	}
	s.gate.use(rules)
	pgtest.Exec(t, s.gate.direct, "UPDATE pgjanus.migration SET whole = generation") // the history is there
	s.before = side{dialWire(t, plain), pgtest.Connect(t, plain)}
	s.after = side{dialWire(t, bare), pgtest.Connect(t, bare)}
	s.through = side{dialWire(t, s.gate.dsn), pgtest.Connect(t, s.gate.direct)}
	for _, side := range []side{s.before, s.after, s.through} {
		if _, err := side.direct.Exec(context.Background(), "SET lock_timeout = '10s'"); err != nil {
			t.Fatal(err)
		}
	}
	s.before.names(plain)
	s.after.names(bare)
	s.through.names(s.gate.direct)
	return s
}

// reset begins anew, on both sides.
func (s *theatre) reset(sides ...side) {
	s.t.Helper()
	for _, side := range sides {
		side.say(query("ROLLBACK; RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; DISCARD SEQUENCES; DISCARD TEMP")...)
		side.say(query("DISCARD ALL")...) // it may have made names stand for others
		side.value("SELECT fixture.reset()::text")
		for _, text := range s.setup {
			side.say(query(text)...)
		}
	}
}

// value is what a query past pgjanus yields.
func (s side) value(sql string) string {
	s.t.Helper()
	var v *string
	if err := s.direct.QueryRow(context.Background(), sql).Scan(&v); err != nil {
		s.t.Fatalf("%s\n%v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// arguments makes up a value for each parameter of a text, by its type.
func (s side) arguments(text string) []*string {
	s.t.Helper()
	s.front.Send(&pgproto3.Parse{Query: text})
	s.front.Send(&pgproto3.Describe{ObjectType: 'S'})
	s.front.Send(&pgproto3.Sync{})
	if err := s.front.Flush(); err != nil {
		s.t.Fatal(err)
	}
	args := []*string{}
	for {
		m, err := s.front.Receive()
		if err != nil {
			s.t.Fatal(err)
		}
		switch m := m.(type) {
		case *pgproto3.ParameterDescription:
			for i, oid := range m.ParameterOIDs {
				v := madeUp(oid, i)
				args = append(args, &v)
			}
		case *pgproto3.ReadyForQuery:
			return args
		}
	}
}

// madeUp is a value of the type, in text; keys are those of rows that exist.
func madeUp(oid uint32, i int) string {
	switch oid {
	case 16:
		return []string{"t", "f"}[i%2]
	case 20, 21, 23, 26, 700, 701, 1700:
		return fmt.Sprint(i%4 + 1)
	case 114, 3802:
		return fmt.Sprintf(`[{"sku": "p%d", "qty": %d, "price_cents": 7}, {"sku": "q"}]`, i, i)
	case 1114, 1184, 1082:
		return "2026-02-03"
	case 1005, 1007, 1016, 1231:
		return "{1,2,3}"
	case 1009, 1015:
		return "{a,b}"
	case 1000:
		return "{t,f}"
	case 199, 3807:
		return `{"[]"}`
	}
	return "active"
}
