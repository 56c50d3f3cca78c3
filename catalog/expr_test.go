package catalog

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

const people = `CREATE TABLE people (id int PRIMARY KEY, name text, born timestamptz, tags text[], "Odd ""name" int, old int, new_1 int);`

func TestPrintedExpressionsMeanTheSameEverywhere(t *testing.T) {
	conn := database(t, people, `
		CREATE SCHEMA app;
		CREATE FUNCTION app.half(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
		CREATE TABLE app.lookup (id int, old int);`)
	run(t, conn, `SET search_path = app, public; SET datestyle = 'German, DMY'; SET quote_all_identifiers = on; SET timezone = 'Asia/Tokyo'`)
	for _, c := range []struct {
		name string
		kind ExprKind
		sql  string
		want string
	}{
		{"names are qualified by the search path as found", ScalarOverOld, `half(old.id)`, `app.half(old.id)`},
		{"a column without a qualifier gets one", ScalarOverOld, `name`, `old.name`},
		{"dates print in ISO", ScalarOverOld, `'03.02.2020'::date`, `'2020-02-03'::date`},
		{"times print with their zone", ScalarOverOld, `'03.02.2020 00:00'::timestamptz`, `'2020-02-02 15:00:00+00'::timestamp with time zone`},
		{"a literal is text", ScalarOverOld, `'it''s'`, `'it''s'::text`},
		{"null is text", ScalarOverOld, `NULL`, `NULL::text`},
		{"a trailing comment is harmless", ScalarOverOld, "old.id -- the key", `old.id`},
		{
			"quotes, brackets and keywords in strings are text", ScalarOverOld, `old.name || E'\\ " LATERAL ( $$ -- old_1.x ''  ' || $x$)$x$`,
			`((old.name || '\ " LATERAL ( $$ -- old_1.x ''  '::text) || ')'::text)`,
		},
		{"line ends in strings stay", ScalarOverOld, "'a\n   b'", "'a\n   b'::text"},
		{"odd column names are quoted", ScalarOverNewRow, `new."Odd ""name"`, `new."Odd ""name"`},
		{"a column named as the row", ScalarOverOld, `old.old`, `old.old`},
		{"a column named as the printed alias", ScalarOverNewRow, `new.new_1`, `new.new_1`},
		{"the row as a whole", ScalarOverOld, `to_jsonb(old.*)`, `to_jsonb(old.*)`},
		{
			"a query in brackets is a scalar", ScalarOverOld, `SELECT max(l.old) FROM lookup l WHERE l.id = old.id`,
			`( SELECT max(l.old) AS max FROM app.lookup l WHERE (l.id = old.id))`,
		},
		{"an inner alias does not hide the row", ScalarOverOld, `(SELECT old.old FROM lookup old LIMIT 1) + old.id`, ``},
		{
			"a query may be of any form", QueryOverOld, `WITH x AS (SELECT old.id AS v) SELECT v FROM x UNION ALL VALUES (1)`,
			`WITH x AS ( SELECT old.id AS v ) SELECT x.v FROM x UNION ALL VALUES (1)`,
		},
		{
			"a set may have aliases", ScalarOverNewSet, `SELECT count(*) FROM new a JOIN new b USING (id)`,
			`SELECT count(*) AS count FROM (new a JOIN new b USING (id))`,
		},
		{"a set may be read twice", ScalarOverNewSet, `SELECT count(*) FROM new WHERE id = (SELECT max(id) FROM new)`, ``},
		{"a set's column may be named as the printed alias", ScalarOverNewSet, `SELECT sum(new_1) FROM new`, `SELECT sum(new.new_1) AS sum FROM new`},
		{
			"strings are no aliases", ScalarOverNewSet, `SELECT 'new new_1, new new' || max(name) FROM new`,
			`SELECT ('new new_1, new new'::text || max(new.name)) FROM new`,
		},
		{"somebody else's alias new_1", ScalarOverNewSet, `SELECT count(new_1.old) FROM lookup new_1, new`, ``},
		{"an expression around queries", ScalarOverNewSet, `coalesce((SELECT max(id) FROM new), 0)`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := resolveOne(t, conn, c.kind, "people", c.sql)
			if e.Err != nil {
				t.Fatalf("%+v", *e.Err)
			}
			// The "?column?" alias of an unnamed column is no matter.
			if got := strings.ReplaceAll(e.SQL, ` AS "?column?"`, ""); c.want != "" && got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			again(t, conn, c.kind, e)
		})
	}
}

// again checks that the printed text is an expression under any settings, and
// that it is its own printed form.
func again(t *testing.T, conn *pgx.Conn, kind ExprKind, e Expr) {
	t.Helper()
	run(t, conn, `CREATE SCHEMA IF NOT EXISTS empty`)
	other, err := pgx.ConnectConfig(bounded(t), conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	run(t, other, `SET search_path = empty; SET datestyle = 'SQL, MDY'; SET intervalstyle = iso_8601`)
	second := resolveOne(t, other, kind, "people", e.SQL)
	second.SQL = strings.TrimSuffix(second.SQL, ` AS "coalesce"`) // a name for the column that has none
	if !reflect.DeepEqual(second, e) {
		t.Errorf("resolving the printed form\n got %+v (%v)\nwant %+v", second, second.Err, e)
	}
}

func TestPostgresSaysWhatIsWrongAndWhere(t *testing.T) {
	conn := database(t, people)
	for _, c := range []struct {
		name, sql, code, message string
		kind                     ExprKind
		offset                   int
	}{
		{"unknown column", `coalesce(old.nome, '')`, "42703", `column old.nome does not exist`, ScalarOverOld, 9},
		{"offsets are bytes", `'äöü' || nome(1)`, "42883", `function nome(integer) does not exist`, ScalarOverOld, len(`'äöü' || `)},
		{"new where old is", `new.name`, "42P01", `missing FROM-clause entry for table "new"`, ScalarOverOld, 0},
		{"syntax", `old.id + * 2`, "42601", `syntax error at or near "*"`, ScalarOverOld, len(`old.id + `)},
		{"unfinished", `old.id +`, "42601", `syntax error at end of input`, ScalarOverOld, len(`old.id +`)},
		{"empty", " -- nothing\n", "42601", `the expression is empty`, ScalarOverOld, 0},
		{"breaking out", `1)) u(v); DROP TABLE people; SELECT ((1`, "42601", `a closing parenthesis without an opening one`, ScalarOverOld, 1},
		{"breaking out of a comment", "/* ( */ 1)", "42601", `a closing parenthesis without an opening one`, QueryOverOld, 9},
		{"two statements", `SELECT 1; SELECT 2`, "42601", `more than one statement, want a single expression or query`, QueryOverOld, 8},
		{"left open", `((1)`, "42601", `a parenthesis that is never closed`, ScalarOverOld, 0},
		{"unterminated string", `old.name || 'x`, "42601", "unterminated quoted string at or near \"'x\"", ScalarOverOld, 12},
		{"a list", `old.id, old.name`, "42P16", `column "pgjanus_value" has pseudo-type record`, ScalarOverOld, -1},
		{"an aggregate over one row", `count(*)`, "42803", `aggregate functions are not allowed in VALUES`, ScalarOverOld, 0},
		{"a set", `generate_series(1, 2)`, "0A000", `set-returning functions are not allowed in VALUES`, ScalarOverOld, 0},
		{"a parameter", `$1`, "42P02", `there is no parameter $1`, ScalarOverOld, 0},
		{"columns of one name", `SELECT 1 AS a, 2 AS a`, "42701", `column "a" specified more than once`, QueryOverOld, -1},
		{"an unknown table", `SELECT 1 FROM nowhere`, "42P01", `relation "nowhere" does not exist`, QueryOverOld, 14},
		{
			"a write", `WITH d AS (DELETE FROM people RETURNING 1) SELECT * FROM d`, "0A000",
			`WITH clause containing a data-modifying statement must be at the top level`, QueryOverOld, 5,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := resolveOne(t, conn, c.kind, "people", c.sql)
			if e.Err == nil {
				t.Fatalf("it was taken: %+v", e)
			}
			if e.Err.Code != c.code || e.Err.Message != c.message || e.Err.Offset != c.offset {
				t.Errorf("got %+v\nwant %s %q at %d", *e.Err, c.code, c.message, c.offset)
			}
			if e.SQL != "" || e.Columns != nil {
				t.Errorf("text or columns beside the error: %+v", e)
			}
		})
	}
}

func TestOneBadExpressionDoesNotSpoilTheNext(t *testing.T) {
	conn := database(t, people)
	n := Name{"public", "people"}
	s := load(t, conn, Request{Exprs: []ExprRequest{
		{"bad", ScalarOverOld, n, "old.nope"},
		{"good", ScalarOverOld, n, "old.id"},
		{"gone", ScalarOverOld, Name{"public", "nowhere"}, "old.id"},
	}})
	if s.Exprs["bad"].Err == nil || s.Exprs["good"].SQL != "old.id" {
		t.Errorf("got %+v", s.Exprs)
	}
	if gone, ok := s.Exprs["gone"]; !ok || !reflect.DeepEqual(gone, Expr{}) {
		t.Errorf("an expression over a table that is not there: %+v, want the zero Expr", gone)
	}
}

func TestVolatileAndStableFunctionsAreNamed(t *testing.T) {
	conn := database(t, people, `
		CREATE FUNCTION dice() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 4';
		CREATE FUNCTION dice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 4';
		CREATE FUNCTION throw(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 4';
		CREATE OPERATOR %% (LEFTARG = int, RIGHTARG = int, FUNCTION = throw);
		CREATE AGGREGATE gamble(int) (SFUNC = throw, STYPE = int);
		CREATE SEQUENCE s;`)
	for _, c := range []struct {
		sql              string
		volatile, stable string // comma-separated
	}{
		{`old.id + 1`, "", ""},
		{`random()`, "random", ""},
		{`pg_catalog.random()`, "random", ""},
		{`gen_random_uuid()`, "gen_random_uuid", ""},
		{`clock_timestamp()`, "clock_timestamp", ""},
		{`timeofday()`, "timeofday", ""},
		{`nextval('s')`, "nextval", ""},
		{`set_config('a.b', 'c', true)`, "set_config", ""},
		{`txid_current()`, "txid_current", ""},
		{`coalesce((SELECT 1 FROM pg_sleep(1)), 2)`, "pg_sleep", ""},
		{`now()`, "", "now"},
		{`CURRENT_TIMESTAMP`, "", "CURRENT_TIMESTAMP"},
		{`CURRENT_DATE + LOCALTIME`, "", "CURRENT_DATE,LOCALTIME"},
		{`CURRENT_USER`, "", "CURRENT_USER"},
		{`old.born::text`, "", "timestamptz_out"},
		{`old.name::timestamptz`, "", "timestamptz_in"},
		{`old.name::int`, "", ""},
		{`(old.id::float8 / 3)::text`, "", "float8out"},
		{`(interval '1 day' * old.id)::text`, "", "interval_out"},
		{`convert_to(old.name, 'UTF8')::text`, "", "byteaout,convert_to"},
		{`'2020-01-01'::timestamptz`, "", ""},
		{`old.born + interval '1 day'`, "", "timestamptz_pl_interval"},
		{`old.born > '2020-01-01'`, "", ""},
		{`dice()`, "public.dice", ""},
		{`dice(1)`, "", ""},
		{`1 %% 2`, "public.throw", ""},
		{`(SELECT gamble(x) FROM generate_series(1, 3) x)`, "public.throw", ""},
		{`'random() :funcid 1598'`, "", ""},
	} {
		e := resolveOne(t, conn, ScalarOverOld, "people", c.sql)
		if e.Err != nil {
			t.Errorf("%s: %+v", c.sql, *e.Err)
			continue
		}
		if v, s := strings.Join(e.Volatile, ","), strings.Join(e.Stable, ","); v != c.volatile || s != c.stable {
			t.Errorf("%s: volatile %q, stable %q; want %q, %q", c.sql, v, s, c.volatile, c.stable)
		}
	}
}

func TestFunctionsOfTheUserAreNamed(t *testing.T) {
	conn := database(t, people, `
		CREATE FUNCTION "Dice"(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 4';
		CREATE FUNCTION loud(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
		CREATE OPERATOR %% (LEFTARG = int, RIGHTARG = int, FUNCTION = "Dice");
		CREATE AGGREGATE gamble(int) (SFUNC = "Dice", STYPE = int);`)
	for sql, want := range map[string][]Name{
		`lower(old.name)`:      nil,
		`loud(loud(old.name))`: {{"public", "loud"}},
		`loud(old.name) || (1 %% (SELECT gamble(x) FROM generate_series(1, 3) x))::text`: {{"public", "Dice"}, {"public", "gamble"}, {"public", "loud"}},
	} {
		if e := resolveOne(t, conn, ScalarOverOld, "people", sql); e.Err != nil || !reflect.DeepEqual(e.Functions, want) {
			t.Errorf("%s: %+v, want functions %v", sql, e, want)
		}
	}
}

func TestTablesBesideItsOwnAreNamed(t *testing.T) {
	conn := database(t, people, `CREATE TABLE "Kinds" (id int, kind text); CREATE VIEW kinds AS SELECT * FROM "Kinds"; CREATE SEQUENCE s`)
	for sql, want := range map[string][]Name{
		`lower(old.name)`: nil,
		`(SELECT max(kind) FROM "Kinds" k WHERE k.id = old.id)`:                                   {{"public", "Kinds"}},
		`(SELECT kind FROM kinds LIMIT 1) || (WITH k AS (TABLE "Kinds") SELECT max(kind) FROM k)`: {{"public", "Kinds"}, {"public", "kinds"}},
		`(SELECT count(*) FROM pg_class)::text || (SELECT last_value FROM s)`:                     nil,
	} {
		if e := resolveOne(t, conn, ScalarOverOld, "people", sql); e.Err != nil || !reflect.DeepEqual(e.Reads, want) {
			t.Errorf("%s: %+v, want reads %v", sql, e, want)
		}
	}
}

func TestResolvingNeedsTemporaryViews(t *testing.T) {
	conn := database(t, people)
	run(t, conn, `DO $$BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END$$`)
	role := login(t, conn, "poor")
	run(t, conn, "GRANT SELECT ON people TO "+role+"; SET ROLE "+role)
	_, err := Load(bounded(t), conn, Request{Exprs: []ExprRequest{{"e", ScalarOverOld, Name{"public", "people"}, "1"}}})
	if err == nil || !strings.Contains(err.Error(), "GRANT TEMPORARY ON DATABASE") {
		t.Errorf("got %v, want the statement that gives the privilege", err)
	}
}

func TestASchemaNamedAsARowIsRefused(t *testing.T) {
	conn := database(t, people, `CREATE SCHEMA old_1`)
	_, err := Load(bounded(t), conn, Request{Exprs: []ExprRequest{{"e", ScalarOverOld, Name{"public", "people"}, "1"}}})
	if err == nil || !strings.Contains(err.Error(), `"old_1"`) {
		t.Errorf("got %v, want the schema's name", err)
	}
}

func TestPiecesFindTheEndsOfEveryKindOfText(t *testing.T) {
	for _, c := range []struct{ sql, code string }{
		{`a 'x''y' b`, "a b"},
		{`a 'x\' b`, "a b"},
		{`a E'x\'y' b`, "a b"},
		{`a "x""y" b`, "a b"},
		{"a --x\nb", "a b"},
		{"a /* x /* y */ z */ b", "a b"},
		{`a $$x'y$$ b`, "a b"},
		{`a $t$x$$y$t$ b`, "a b"},
		{`a$b$c d`, "a$b$c d"},
		{`$1 b`, "$ 1 b"},
		{`a 'x`, "a"},
		{`né b`, "né b"},
	} {
		var code []string
		for _, p := range codePieces(c.sql) {
			if p.kind != quoted {
				code = append(code, c.sql[p.start:p.end])
			}
		}
		if got := strings.Join(code, " "); got != c.code {
			t.Errorf("%s: %q, want %q", c.sql, got, c.code)
		}
	}
}

func FuzzPiecesCoverTheText(f *testing.F) {
	f.Add(`a 'x' "y" $$z$$ -- c` + "\n/* d */ E'\\'")
	f.Fuzz(func(t *testing.T, sql string) {
		var b strings.Builder
		for _, p := range pieces(sql) {
			b.WriteString(sql[p.start:p.end])
		}
		if b.String() != sql {
			t.Errorf("%q became %q", sql, b.String())
		}
		unbalanced(sql)
		words(sql, func(string) {})
	})
}
