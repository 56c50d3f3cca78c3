package test

import (
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// Tenants: schemas a and b have tables of the names that migrate in public.
// Whatever decides which one a name stands for, a session hears what it hears
// without pgjanus, the tables of all schemas have the same rows, and both shapes
// agree.

// tenants makes the schemas. Those of a look like the ones in public; b has a
// column more.
const tenants = `
CREATE SCHEMA a; CREATE SCHEMA b;
ALTER TABLE orders ALTER updated_at SET DEFAULT '2026-01-01';
CREATE TABLE a.orders (id bigserial PRIMARY KEY, customer text, total_cents int, items jsonb NOT NULL DEFAULT '[]', note text, updated_at timestamptz DEFAULT '2026-01-01');
CREATE TABLE a.users (id serial PRIMARY KEY, email text, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE b.orders (LIKE a.orders INCLUDING ALL, extra int DEFAULT 7);
CREATE TABLE b.users (LIKE a.users INCLUDING ALL, extra int DEFAULT 7);
INSERT INTO a.orders (id, customer) SELECT g, 'a' FROM generate_series(1, 40) g;
INSERT INTO b.orders (id, customer) SELECT g, 'b' FROM generate_series(1, 40) g;
INSERT INTO a.users (id, email) SELECT g, 'a' FROM generate_series(1, 40) g;
INSERT INTO b.users (id, email) SELECT g, 'b' FROM generate_series(1, 40) g;
CREATE FUNCTION go(path text, local boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN set_config('search_path', path, local); END $$;
CREATE FUNCTION visit(path text) RETURNS bigint LANGUAGE plpgsql SET search_path = b AS $$ BEGIN PERFORM set_config('search_path', path, false); PERFORM FROM orders; RETURN 1; END $$;
CREATE FUNCTION shadow() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	CREATE TEMP TABLE orders (id bigint PRIMARY KEY, customer text, total_cents int, items jsonb DEFAULT '[]', note text, updated_at timestamptz); END $$`

// tenantPair is a pair with tenants, and a role whose search_path begins with a.
func tenantPair(t *testing.T, phase string) (p *pair, role string) {
	p = newPair(t, 40)
	for _, dsn := range []string{p.plain, p.gate.direct} {
		pgtest.Exec(t, dsn, tenants)
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		database := strings.TrimPrefix(u.Path, "/")
		if role == "" {
			role = "tenant_" + database[max(0, len(database)-20):]
			pgtest.Exec(t, dsn, fmt.Sprintf("CREATE ROLE %q LOGIN SUPERUSER; CREATE ROLE %q", role, role+"_b"))
			t.Cleanup(func() {
				for _, dsn := range []string{p.plain, p.gate.direct} {
					pgtest.Exec(t, dsn, fmt.Sprintf("DROP OWNED BY %q, %q", role, role+"_b"))
				}
				pgtest.Exec(t, dsn, fmt.Sprintf("DROP ROLE %q, %q", role, role+"_b"))
			})
		}
		pgtest.Exec(t, dsn,
			fmt.Sprintf("ALTER ROLE %q IN DATABASE %q SET search_path = a, public", role, database),
			fmt.Sprintf("GRANT USAGE ON SCHEMA public, b TO %[1]q; GRANT ALL ON ALL TABLES IN SCHEMA public, a, b TO %[1]q; GRANT ALL ON ALL SEQUENCES IN SCHEMA public, a, b TO %[1]q", role+"_b"))
	}
	p.gate.phase(phase) // with the tenants in the catalog
	return p, role
}

func as(t *testing.T, dsn, role string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

// tenantStream makes up what a session does with the keys from lo on.
type tenantStream struct {
	r    *rand.Rand
	lo   int
	temp bool // it makes temporary tables; else it prepares statements
	role string
	text strings.Builder
}

func (s *tenantStream) path() string {
	return pick(s.r, "a", "a, public", "b, public", "public", "public, a", `"$user", public`, "nowhere", "public, pg_temp", "b, pg_temp, public")
}

// setting is a text that may change what names stand for.
func (s *tenantStream) setting() string {
	if s.temp && s.r.Intn(4) == 0 {
		return pick(s.r,
			"CREATE TEMP TABLE orders (id bigint PRIMARY KEY, customer text, total_cents int, items jsonb DEFAULT '[]', note text, updated_at timestamptz)",
			"CREATE TEMP TABLE users (id int PRIMARY KEY, email text, is_active boolean)",
			"CREATE TABLE pg_temp.users AS SELECT 1 AS id, 'x'::text AS email, true AS is_active",
			"SELECT 1 AS id, '[]'::jsonb AS items, 'x' AS customer INTO TEMP orders",
			"CREATE TEMP TABLE mine (id int, items jsonb, customer text); ALTER TABLE mine RENAME TO orders",
			"CREATE TEMP VIEW users AS SELECT 5 AS id, 'v'::text AS email, true AS is_active",
			"DROP TABLE IF EXISTS pg_temp.orders", "DROP TABLE pg_temp.users", "DISCARD TEMP", "SELECT shadow()")
	}
	return pick(s.r, "SET search_path = "+s.path(), "SET LOCAL search_path = "+s.path(), "SET SESSION search_path TO "+s.path(),
		"SELECT set_config('search_path', '"+s.path()+"', "+pick(s.r, "true", "false")+")",
		"SELECT go('"+s.path()+"', "+pick(s.r, "true", "false")+")", "SELECT visit('"+pick(s.r, "a", "public")+"')",
		"RESET search_path", "RESET ALL", "SET search_path = DEFAULT", "DISCARD ALL", "SET SCHEMA 'b'",
		fmt.Sprintf("SET ROLE %q", s.role+"_b"), "RESET ROLE",
		"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", "COMMIT", "ROLLBACK", "SAVEPOINT s", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s")
}

func (s *tenantStream) items() string {
	return fmt.Sprintf(`[{"sku": "s%d", "qty": %d, "price_cents": 5}]`, s.r.Intn(5), s.r.Intn(9))
}

// statement is a text that names a table without its schema.
func (s *tenantStream) statement() string {
	id := s.lo + s.r.Intn(8)
	return pick(s.r,
		fmt.Sprintf("UPDATE orders SET items = '%s' WHERE id = %d RETURNING id, items", s.items(), id),
		fmt.Sprintf("UPDATE orders SET items = '%s', note = 'n' WHERE id = %d RETURNING *", s.items(), id),
		fmt.Sprintf("UPDATE orders SET items = items || '%s' WHERE id = %d", s.items(), id),
		fmt.Sprintf("UPDATE orders SET note = 'm' WHERE id = %d", id),
		fmt.Sprintf("INSERT INTO orders (id, customer, items) VALUES (%d, 'i', '%s') ON CONFLICT (id) DO UPDATE SET items = excluded.items RETURNING orders.id", id, s.items()),
		fmt.Sprintf("INSERT INTO orders (id, items) VALUES (%d, '%s')", id, s.items()),
		fmt.Sprintf("DELETE FROM orders WHERE id = %d RETURNING *", id),
		fmt.Sprintf("WITH w AS (UPDATE orders SET items = '%s' WHERE id = %d RETURNING id, items) SELECT * FROM w", s.items(), id),
		fmt.Sprintf("UPDATE users SET is_active = false WHERE id = %d", id),
		fmt.Sprintf("UPDATE users SET is_active = NOT is_active WHERE id = %d RETURNING id, is_active", id),
		fmt.Sprintf("INSERT INTO users (id, email, is_active) VALUES (%d, 'i', false) ON CONFLICT DO NOTHING", id),
		fmt.Sprintf("INSERT INTO users VALUES (%d, 'v', true)", id),
		fmt.Sprintf("SELECT * FROM users WHERE id = %d", id),
		fmt.Sprintf("SELECT u.*, row_to_json(u) FROM users u WHERE id = %d", id),
		fmt.Sprintf("SELECT * FROM orders WHERE id BETWEEN %d AND %d", s.lo, s.lo+7),
		fmt.Sprintf("SELECT id, email FROM users WHERE id = %d", id),
		fmt.Sprintf("COPY (SELECT * FROM users WHERE id = %d) TO STDOUT", id),
		fmt.Sprintf("UPDATE public.orders SET items = '%s' WHERE id = %d", s.items(), id),
		fmt.Sprintf("UPDATE a.orders SET items = '%s' WHERE id = %d", s.items(), id))
}

// prepared are the statements that sessions prepare.
var prepared = []string{
	"UPDATE orders SET items = $1 WHERE id = $2 RETURNING id, items",
	"UPDATE users SET is_active = $1::text::jsonb <> '[]' WHERE id = $2 RETURNING id, email, is_active",
	"UPDATE users SET is_active = false, email = $1 WHERE id = $2",
	"INSERT INTO orders (items, id) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET items = excluded.items RETURNING orders.id",
	"SELECT id, items, $1::text FROM orders WHERE id = $2",
}

// messages makes up one step, in one of the protocols.
func (s *tenantStream) messages() []pgproto3.FrontendMessage {
	s.text.Reset()
	var all []pgproto3.FrontendMessage
	query := func(text string) {
		s.text.WriteString(" | " + text)
		all = append(all, &pgproto3.Query{String: text})
	}
	extended := func(text string) {
		s.text.WriteString(" | extended " + text)
		all = append(all, &pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{})
	}
	parse := func(i int) {
		fmt.Fprintf(&s.text, " | parse p%d", i)
		all = append(all, &pgproto3.Parse{Name: fmt.Sprintf("p%d", i), Query: prepared[i]})
	}
	bind := func(i int) {
		items, id := s.items(), s.lo+s.r.Intn(8)
		fmt.Fprintf(&s.text, " | bind p%d %s %d", i, items, id)
		all = append(all, &pgproto3.Bind{PreparedStatement: fmt.Sprintf("p%d", i), Parameters: [][]byte{[]byte(items), []byte(fmt.Sprint(id))}}, &pgproto3.Execute{})
	}
	i := s.r.Intn(len(prepared))
	switch mode := s.r.Intn(10); {
	case mode < 2:
		query(s.setting())
	case mode < 4:
		query(s.statement())
	case mode == 4: // Queries, pipelined
		for range 2 + s.r.Intn(3) {
			query(pick(s.r, s.setting(), s.statement()))
		}
	case mode < 7 || s.temp: // one implicit transaction, pipelined
		for range 1 + s.r.Intn(4) {
			extended(pick(s.r, s.setting(), s.statement(), s.statement()))
		}
		all = append(all, &pgproto3.Sync{})
	case mode == 7:
		all = append(all, &pgproto3.Close{ObjectType: 'S', Name: fmt.Sprintf("p%d", i)})
		parse(i)
		if s.r.Intn(2) == 0 {
			bind(i)
		}
		all = append(all, &pgproto3.Sync{})
	case mode == 8:
		bind(i)
		all = append(all, &pgproto3.Sync{})
	default:
		bind(i)
		extended(s.setting())
		bind(s.r.Intn(len(prepared)))
		all = append(all, &pgproto3.Sync{})
	}
	return all
}

// TestNamesStandForWhatTheyDoWithoutPgjanus plays random streams. PGJANUS_NAMES
// is how long (20 s), and PGJANUS_SEED plays one round again.
func TestNamesStandForWhatTheyDoWithoutPgjanus(t *testing.T) {
	t.Parallel()
	duration, seed := 20*time.Second, time.Now().UnixNano()
	if v := os.Getenv("PGJANUS_NAMES"); v != "" {
		var err error
		if duration, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	if v := os.Getenv("PGJANUS_SEED"); v != "" {
		if _, err := fmt.Sscan(v, &seed); err != nil {
			t.Fatal(err)
		}
		duration = 0
	}
	t.Run("dualwrite", func(t *testing.T) { tenantRounds(t, "dualwrite", seed, duration) })
	t.Run("off", func(t *testing.T) { tenantRounds(t, "off", seed, duration/4) })
}

func tenantRounds(t *testing.T, phase string, seed int64, duration time.Duration) {
	p, role := tenantPair(t, phase)
	agree := func() {
		if phase != "off" {
			pgtest.Agree(t, p.gate.direct)
		}
	}
	const steps = 60
	rounds := 0
	for start := time.Now(); rounds == 0 || time.Since(start) < duration; rounds++ {
		var running sync.WaitGroup
		for i := range 4 {
			var wires []*wire
			for _, d := range []struct{ dsn, direct string }{{p.plain, p.plain}, {p.gate.dsn, p.gate.direct}} {
				dsn, parameters := d.dsn, map[string]string{}
				switch (rounds + i) % 3 {
				case 1:
					dsn = as(t, d.dsn, role)
				case 2:
					parameters["options"] = "-c search_path=b,public"
				}
				w := dialWireWith(t, dsn, parameters)
				w.qualifiedNames(d.direct)
				wires = append(wires, w)
			}
			r := rand.New(rand.NewSource(seed + int64(4*rounds+i)))
			s := &tenantStream{r: r, lo: 1 + 10*i, temp: i%2 == 0, role: role}
			running.Add(1)
			go func() {
				defer running.Done()
				var history []string
				for n := range steps {
					messages := s.messages()
					if n == 0 && i == 0 && rounds%2 == 0 { // pgjanus does not see it come
						messages = []pgproto3.FrontendMessage{&pgproto3.Query{String: "SELECT shadow()"}}
						s.text.WriteString(" | SELECT shadow()")
					}
					history = append(history, s.text.String())
					if d := differs(wires[0].say(messages...), wires[1].say(messages...)); d != "" {
						t.Errorf("seed %d, session %d, step %d: %s\n%s", seed+int64(rounds), i, n, d, strings.Join(history[max(0, n-12):], "\n"))
						break
					}
				}
				for _, w := range wires {
					w.conn.Close()
				}
			}()
		}
		running.Wait()
		agree()
		if t.Failed() {
			break
		}
	}
	t.Logf("seed %d, %d rounds", seed, rounds)
	for _, schema := range []string{"public", "a", "b"} {
		for _, table := range []string{"orders", "users"} {
			columns := map[string]string{"orders": "id, customer, items, note", "users": "id, email, is_active"}[table]
			all := fmt.Sprintf("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY id), '') FROM (SELECT %s FROM %s.%s) t", columns, schema, table)
			if plain, through := pgtest.Value[string](t, p.plain, all), pgtest.Value[string](t, p.gate.direct, all); plain != through {
				t.Errorf("%s.%s: without pgjanus\n%s\nand with it\n%s", schema, table, plain, through)
			}
		}
	}
}

// qualifiedNames learns the relations behind direct, with their schemas.
func (w *wire) qualifiedNames(direct string) {
	w.learn(direct, "relnamespace::regnamespace || '.' || relname")
}

// TestAClientThatPipelinesIsAskedForEachBind: every Bind of a stream waits for an
// answer, while the client goes on writing and reads nothing until it has written
// all of it.
func TestAClientThatPipelinesIsAskedForEachBind(t *testing.T) {
	const batches = 1200
	p, _ := tenantPair(t, "dualwrite")
	w := dialWireWith(t, p.gate.dsn, map[string]string{"options": "-c search_path=b,public"})
	messages := []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: "o", Query: "UPDATE orders SET items = $1 WHERE id = $2"},
		&pgproto3.Parse{Name: "p", Query: "SELECT set_config('search_path', $1, false)"}, &pgproto3.Sync{},
	}
	for i := range batches {
		items := fmt.Sprintf(`[{"sku": "s%d", "qty": 1, "price_cents": 2}]`, i)
		path := []string{"public", "a", "b, public"}[i%3]
		messages = append(messages,
			&pgproto3.Bind{PreparedStatement: "p", Parameters: [][]byte{[]byte(path)}}, &pgproto3.Execute{},
			&pgproto3.Bind{PreparedStatement: "o", Parameters: [][]byte{[]byte(items), []byte(fmt.Sprint(1 + i%40))}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	}
	heard := w.say(messages...)
	updated := 0
	for _, line := range heard {
		if strings.Contains(line, "UPDATE 1") {
			updated++
		}
	}
	if updated != batches {
		t.Errorf("%d of %d updates are complete; the last answers: %q", updated, batches, heard[max(0, len(heard)-8):])
	}
	for i, schema := range []string{"public", "a", "b"} {
		if n := pgtest.Value[int](t, p.gate.direct, fmt.Sprintf(`SELECT count(*)::int FROM %s.orders WHERE substr(items -> 0 ->> 'sku', 2)::int %% 3 <> %d`, schema, i)); n != 0 {
			t.Errorf("%d rows of %s.orders were written under another search_path", n, schema)
		}
	}
	pgtest.Agree(t, p.gate.direct)
}

// Two tables of one name may stand in one statement without an alias: the schema
// tells them apart.
func TestTwoTablesOfOneNameInAStatement(t *testing.T) {
	p := newPair(t, 5)
	for _, dsn := range []string{p.plain, p.gate.direct} {
		pgtest.Exec(t, dsn, `CREATE SCHEMA archive; CREATE TABLE archive.users AS SELECT id, email, NOT is_active AS is_active FROM users;
			CREATE TABLE archive.orders AS SELECT id, items || items AS items FROM orders; CREATE TABLE archive.order_items AS SELECT 1 AS id`)
	}
	p.gate.phase("dualwrite")
	p.gate.backfilled()
	p.alike(t, "SELECT u.id, is_active, items FROM users u JOIN orders o ON o.id = u.id ORDER BY 1",
		"UPDATE public.users SET is_active = false FROM archive.users WHERE public.users.id = archive.users.id AND archive.users.id < 3",
		"UPDATE public.users SET is_active = archive.users.is_active FROM archive.users WHERE public.users.id = archive.users.id RETURNING *",
		"UPDATE public.orders SET items = archive.orders.items FROM archive.orders WHERE public.orders.id = archive.orders.id",
	)
	for _, text := range []string{
		"UPDATE public.order_items SET sku = 'x' FROM archive.order_items WHERE public.order_items.id = archive.order_items.id",
		"DELETE FROM public.order_items USING archive.order_items WHERE public.order_items.id = archive.order_items.id",
	} {
		pgtest.Exec(t, p.gate.dsn, text)
		p.gate.noDrift(t, text)
	}
}
