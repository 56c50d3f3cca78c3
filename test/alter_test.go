package test

import (
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// What is stored may change its text, and a default its value, by a statement that
// names no table.
func TestAlterOfTheTypesOfMigratingColumns(t *testing.T) {
	g := newGateOver(t, `
		CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TYPE weather AS ENUM ('rain', 'sun');
		CREATE TYPE day AS (at date, "Weather" weather);
		CREATE TYPE apart AS ENUM ('a', 'b');
		CREATE DOMAIN amount AS int DEFAULT 1;
		CREATE DOMAIN amounts AS amount[];
		CREATE TABLE places (street text);
		CREATE TABLE moods (id int PRIMARY KEY, mood mood, days day[], n amounts, one amount, place places, other apart,
			mood_text text, days_text text, n_text text, one_text text, place_text jsonb);
		INSERT INTO moods VALUES (1, 'sad', ARRAY[('2020-01-01', 'rain')::day], '{3}', 1, ROW('x'), 'a')`)
	g.use(`migrations:
  - name: moods
    phase: dualwrite
    kind: columns
    old: {table: public.moods, key: [id], columns: [mood, days, n, one, place]}
    new: {table: public.moods, columns: [mood_text, days_text, n_text, one_text, place_text]}
    up: {mood_text: "old.mood::text", days_text: "old.days::text", n_text: "old.n::text", one_text: "old.one::text", place_text: "to_jsonb(old.place)"}
`)
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "UPDATE moods SET mood = mood, one = one + 1")
	g.noDrift(t, "the first statement")
	g.refuses(t, conn, []string{"0A000", "42601"},
		"ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
		"alter/**/type public.mood rename value E'\\x73ad' to 'blue'",
		`ALTER TYPE U&"mo\006fd" RENAME VALUE 'sad' TO 'blue'`,
		"ALTER TYPE weather RENAME VALUE 'rain' TO 'wet'",
		`ALTER TYPE day RENAME ATTRIBUTE "Weather" TO weather`,
		"ALTER TYPE day ADD ATTRIBUTE more int",
		"ALTER TYPE day DROP ATTRIBUTE at",
		"ALTER DOMAIN amount SET DEFAULT 7",
		"ALTER DOMAIN amount DROP DEFAULT",
		"ALTER DOMAIN amounts SET DEFAULT '{1}'",
		"ALTER TABLE places RENAME street TO road",
		"ALTER TABLE places ADD town text",
		"BEGIN; ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'; COMMIT",
		"DO $$ BEGIN ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'; END $$",
		"MERGE INTO nothing USING nothing ON true WHEN MATCHED THEN DELETE RETURNING 1; ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
		"ALTER SCHEMA public RENAME TO app",
		`alter schema "public" rename to app`,
	)
	g.takes(t, conn,
		"ALTER TYPE mood ADD VALUE 'glad' BEFORE 'ok'",
		"ALTER TYPE apart RENAME VALUE 'a' TO 'c'",
		"ALTER DOMAIN amount ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID",
		"CREATE SCHEMA elsewhere",
		"ALTER SCHEMA elsewhere RENAME TO somewhere",
		"ALTER TYPE mood OWNER TO CURRENT_USER",
		"SELECT 'alter type mood'",
	)
}

// A table of a composite type has the columns of that.
func TestAlterOfTheTypeOfATable(t *testing.T) {
	g := newGateOver(t, `CREATE TYPE thing AS (id int, price numeric(10,2), shown text);
		CREATE TYPE part AS (id bigint, of_id int, said text);
		CREATE TABLE things OF thing (PRIMARY KEY (id));
		CREATE SEQUENCE parts;
		CREATE TABLE thing_parts OF part (PRIMARY KEY (id), id DEFAULT nextval('parts'), FOREIGN KEY (of_id) REFERENCES things ON DELETE CASCADE);
		INSERT INTO things VALUES (1, 1.55)`)
	g.use(`migrations:
  - name: things
    phase: dualwrite
    kind: columns
    old: {table: public.things, key: [id], columns: [price]}
    new: {table: public.things, columns: [shown]}
    up: {shown: "old.price::text"}
  - name: parts
    phase: dualwrite
    kind: rows
    old: {table: public.things, key: [id], columns: [price]}
    new: {table: public.thing_parts, parent: {of_id: id}}
    up: "SELECT old.price::text AS said"
`)
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn, "UPDATE things SET price = price")
	g.refuses(t, conn, []string{"0A000"},
		"ALTER TYPE thing ALTER ATTRIBUTE price TYPE numeric(10,1) CASCADE",
		"ALTER TYPE public.thing RENAME ATTRIBUTE price TO cost CASCADE",
		"ALTER TYPE part ALTER ATTRIBUTE said TYPE varchar(3) CASCADE",
		"DO $$ BEGIN ALTER TYPE part ALTER ATTRIBUTE said TYPE varchar(3) CASCADE; END $$",
	)
}

// Rows that are stored would keep what the function said before.
func TestChangesOfTheFunctionsThatUpAndDownCall(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	const body = ` LANGUAGE sql IMMUTABLE AS 'SELECT $1 || ''!'''`
	pgtest.Exec(t, g.direct, `
		CREATE FUNCTION loud(text) RETURNS text`+body+`;
		CREATE FUNCTION "Plus"(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
		CREATE FUNCTION quiet(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT rtrim($1, ''!'')';
		CREATE FUNCTION apart(text) RETURNS text`+body+`;
		CREATE OPERATOR %% (LEFTARG = int, RIGHTARG = int, FUNCTION = "Plus");
		CREATE AGGREGATE "all"(int) (SFUNC = "Plus", STYPE = int, INITCOND = '0');
		CREATE TABLE words (id int PRIMARY KEY, word text, n int, loud text, more int, total int);
		INSERT INTO words VALUES (1, 'a', 1)`)
	g.serve()
	g.use(`migrations:
  - name: words
    phase: dualwrite
    kind: columns
    old: {table: public.words, key: [id], columns: [word, n]}
    new: {table: public.words, columns: [loud, more, total]}
    up: {loud: "loud(old.word)", more: "old.n %% 1", total: '(SELECT "all"(x) FROM generate_series(1, old.n) x)'}
    down: {word: "quiet(new.loud)", n: "new.more - 1"}
`)
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "UPDATE words SET word = 'b'")
	g.noDrift(t, "the first statement")
	g.refuses(t, conn, []string{"0A000", "42601"},
		"CREATE OR REPLACE FUNCTION loud(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
		"create or/**/replace function public.loud(text) returns text language sql as 'SELECT $1'",
		`CREATE OR REPLACE FUNCTION U&"lou\0064"(text) RETURNS text LANGUAGE sql AS 'SELECT $1'`,
		`CREATE OR REPLACE FUNCTION "Plus"(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		"CREATE OR REPLACE FUNCTION quiet(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
		`CREATE OR REPLACE AGGREGATE "all"(int) (SFUNC = "Plus", STYPE = int, INITCOND = '1')`,
		"ALTER FUNCTION loud(text) SET search_path = elsewhere",
		"ALTER FUNCTION loud STRICT",
		"ALTER ROUTINE loud(text) RENAME TO louder",
		"ALTER FUNCTION loud(text) SET SCHEMA pg_temp",
		"DROP FUNCTION loud",
		"DROP ROUTINE IF EXISTS apart, public.loud(text) CASCADE",
		`DROP AGGREGATE "all"(int)`,
		"DO $$ BEGIN CREATE OR REPLACE FUNCTION loud(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; END $$",
		"MERGE INTO nothing USING nothing ON true WHEN MATCHED THEN DELETE RETURNING 1; DROP FUNCTION loud",
	)
	g.takes(t, conn,
		"CREATE OR REPLACE FUNCTION apart(text) RETURNS text LANGUAGE sql AS 'SELECT loud($1)'",
		"CREATE SCHEMA elsewhere",
		"CREATE OR REPLACE FUNCTION elsewhere.loud(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
		"CREATE FUNCTION loud(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text'",
		"ALTER FUNCTION elsewhere.loud(text) STRICT",
		"DROP FUNCTION elsewhere.loud",
		"ALTER FUNCTION loud(text) OWNER TO CURRENT_USER",
		"SELECT loud('create or replace function')",
		"UPDATE words SET word = 'function'",
	)
}

// Rows that are stored would keep what the table said before.
func TestAnotherTableThatUpReadsIsWarnedAbout(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, g.direct, `CREATE TABLE kinds (k int, name text);
		CREATE TABLE things (id int PRIMARY KEY, k int, kind text)`)
	p := g.compile(`migrations:
  - name: things
    phase: dualwrite
    kind: columns
    old: {table: public.things, key: [id], columns: [k]}
    new: {table: public.things, columns: [kind]}
    up: {kind: "(SELECT max(name) FROM kinds WHERE kinds.k = old.k)"}
`)
	if warnings := strings.Join(p.Warnings(), "\n"); !strings.Contains(warnings, "migration things reads public.kinds") {
		t.Errorf("the warnings are %q", warnings)
	}
}
