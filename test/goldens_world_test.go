package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
	return g.exposed() || strings.Contains(text, "status") || strings.Contains(text, "id_big") || strings.Contains(text, "order_items") || strings.Contains(text, "people_now") || strings.HasPrefix(g.pos, "back/")
}

// exposed reports whether * shows what the migrations have added.
func (g golden) exposed() bool { return strings.Contains(g.world, "expose") }

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

// copied are the rows that COPY FROM STDIN gets, by how its text begins: the first
// that fits. Other texts get none.
var copied = []struct{ begin, rows string }{
	{"COPY orders (customer)", "a\n\\N\n"},
	{"COPY orders (note)", "a\nb\n"},
	{"COPY orders (id, items)", "960\t[]\n961\t[{\"sku\": \"c\"}]\n"},
	{"COPY orders FROM STDIN WITH (FORMAT csv, HEADER)", "id,customer,total_cents,items,note,updated_at\n960,a,6,\"[{\"\"sku\"\": \"\"c\"\"}]\",,2026-01-01\n961,a,5,[],,2026-01-01\n"},
	{"COPY orders FROM STDIN", "960\ta\t1\t[{\"sku\": \"c\"}, {}]\t\\N\t2026-01-01 00:00Z\n"},
	{"COPY users FROM STDIN WITH (FORMAT csv)", "960,a,f\n961,b,t\n"},
	{"COPY users FROM STDIN", "960\ta\tf\n961\tb\tt\n"},
	{"COPY users (email)", "a\n"},
	{"COPY users (email, is_active)", "a\tf\nb\tt\n"},
	{"COPY users (email, status)", "a\tpaused\nb\tactive\n"},
	{"COPY users (email, is_active, status)", "a\tf\tpaused\nb\tt\tactive\n"},
	{"COPY users (id, status)", "960\tpaused\n"},
	{"COPY users (id, email, is_active)", "960\ta\tt\n"},
	{"COPY users (n, is_active)", "960\tf\n961\tt\n"},
	{"COPY counters FROM STDIN", "960\t1\ta\n961\t2\tb\n"},
	{"COPY BINARY orders", "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"}, // no row
	{"COPY order_items (order_id, sku)", "1\ta\n2\tb\n"},
	{"COPY order_items FROM STDIN", "960\t1\ta\t1\t1\t2026-01-01 00:00Z\n"},
}

// rows are those that the golden copies.
func (g golden) rows() []byte {
	for _, c := range copied {
		if strings.HasPrefix(g.sql, c.begin) {
			if g.exposed() && strings.HasPrefix(g.sql, "COPY users FROM") {
				return []byte("960\ta\tf\tpaused\n")
			}
			return []byte(c.rows)
		}
	}
	return nil
}

// cursor is what opens the cursor that WHERE CURRENT OF speaks of.
func (g golden) cursor() string {
	of := regexp.MustCompile(`(?is)^(?:UPDATE|DELETE FROM) (\w+) .* WHERE CURRENT OF c\b`).FindStringSubmatch(g.sql)
	if of == nil {
		return ""
	}
	return "BEGIN; DECLARE c CURSOR FOR SELECT id FROM " + of[1] + " ORDER BY id FOR UPDATE; FETCH c"
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

// identities makes the keys identity columns, and adds a generated column.
const identities = `
DROP SEQUENCE orders_id_seq, users_id_seq, counters_id_seq CASCADE;
ALTER TABLE orders ALTER id ADD GENERATED BY DEFAULT AS IDENTITY, ADD label text GENERATED ALWAYS AS (upper(note)) STORED;
ALTER TABLE users ALTER id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE counters ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
DO $$ BEGIN
	IF to_regclass('order_items') IS NOT NULL THEN
		DROP SEQUENCE order_items_id_seq CASCADE;
		ALTER TABLE order_items ALTER id ADD GENERATED ALWAYS AS IDENTITY (START 100);
	END IF;
END $$`

// down is that of a migration in a file of rules.
var down = regexp.MustCompile(`(?m)^    down:.*\n(?:      .*\n)*`)

// newTheatre makes the world that the arguments of a golden speak of.
func newTheatre(t *testing.T, args string) *theatre {
	t.Helper()
	fixture, err := os.ReadFile("../rewrite/testdata/fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	rules, ahead, more, cascades := pgtest.CanonRules("dualwrite"), "", "", ""
	s := &theatre{t: t, active: true, world: args}
	for arg := range strings.FieldsSeq(args) {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "phase":
			rules, s.active = strings.ReplaceAll(rules, "phase: dualwrite", "phase: "+value), value != "off"
		case "guard":
			rules = guarded()
		case "reject":
			rules = watched("reject")
		case "dirty":
			rules = strings.ReplaceAll(rules, "    kind:", "    on_fanout_error: dirty\n    kind:")
		case "expose":
			rules = strings.ReplaceAll(rules, "    kind: columns", "    expose_new_columns: true\n    kind: columns")
		case "no-down":
			rules = down.ReplaceAllString(rules, "")
		case "identity":
			ahead = identities
		case "generated":
			ahead = "ALTER TABLE users ADD n int; UPDATE users SET n = id; ALTER TABLE users DROP id, ADD id int GENERATED ALWAYS AS (n) STORED PRIMARY KEY"
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
		pgtest.Exec(t, dsn, ahead, string(fixture), more)
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
