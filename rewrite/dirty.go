package rewrite

import (
	"fmt"

	"github.com/pgjanus/pgjanus/rules"
)

// With on_fanout_error: dirty, what the new shape does not accept does not fail
// the application's statement. The sync is undone to where it began, and the key
// is recorded in pgjanus.dirty, in the same transaction: whoever sees the old row
// as it is now sees that its new shape is another. A later sync of the key that
// succeeds takes it out again.
//
// All that a statement has touched is synced at once. Only when that fails it is
// done key by key, so that one bad row does not leave the others behind.

// DirtyDDL makes the table of dirty keys, and the functions through which syncs
// write it with the rights of any role. It may run again. Nobody but the role of
// control reads the table: keys and messages are data of tables that not everyone
// may read.
const DirtyDDL = `
CREATE TABLE IF NOT EXISTS pgjanus.dirty (
	migration text NOT NULL,
	key       text[] NOT NULL,
	sqlstate  text NOT NULL,
	message   text NOT NULL,
	at        timestamptz NOT NULL,
	PRIMARY KEY (migration, key)
);
CREATE OR REPLACE FUNCTION pgjanus.soil(text, text[], text, text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO pgjanus.dirty AS d VALUES ($1, $2, $3, pg_catalog.left($4, 200), pg_catalog.clock_timestamp())
	ON CONFLICT (migration, key) DO UPDATE SET sqlstate = excluded.sqlstate, message = excluded.message, at = excluded.at
$$;
CREATE OR REPLACE FUNCTION pgjanus.soiled(text) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT EXISTS (SELECT FROM pgjanus.dirty d WHERE d.migration = $1)
$$;
CREATE OR REPLACE FUNCTION pgjanus.soiled(text, text[]) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT EXISTS (SELECT FROM pgjanus.dirty d WHERE d.migration = $1 AND d.key = $2)
$$;
CREATE OR REPLACE FUNCTION pgjanus.clean(text, text[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	DELETE FROM pgjanus.dirty d WHERE d.migration = $1 AND d.key = $2
$$;
GRANT EXECUTE ON FUNCTION pgjanus.soil(text, text[], text, text), pgjanus.soiled(text), pgjanus.soiled(text, text[]), pgjanus.clean(text, text[]) TO PUBLIC;
`

// grave are the failures that are not about what is written, as a condition in a
// handler: they must reach the client, which retries or gives up, or the next
// attempt would meet them as well. A cancelled query is not handled at all.
//
// Classes: transaction rollback, insufficient resources, operator intervention,
// system error, internal error, configuration file error. Codes: a lock was not
// granted in time, the stack is exhausted, the transaction is read-only.
const grave = `SQLSTATE ~ '^(40|53|57|58|XX|F0)' OR SQLSTATE IN ('55P03', '54001', '25006')`

// tolerant reports whether the new shape may stay behind.
func (m *Migration) tolerant() bool { return m.Rule.OnFanoutError == rules.DirtyFanoutError }

// forward adds what brings the new shape of the keys in k0.. up to date, and what
// happens when that fails.
func (b *block) forward(s syncText, body func()) {
	if !s.tolerant() {
		body()
		return
	}
	b.soils = true
	b.variable("soiled", "boolean := false")
	key := "ARRAY[" + list(s.Key, func(i int, k KeyColumn) string { return k.Text(fmt.Sprintf("u.k%d", i)) }) + "]"
	name := Literal(s.Rule.Name)
	soil := func() {
		b.line("PERFORM %s;", b.expression(fmt.Sprintf("pgjanus.soil(%s, %s, SQLSTATE, SQLERRM) FROM %s", name, key, s.keyRows("u"))))
		b.line("%s.soiled := true;", label)
	}
	attempt := func() {
		b.line("BEGIN")
		body()
		b.line("IF pgjanus.soiled(%s) THEN", name)
		b.line("\tPERFORM %s;", b.expression(fmt.Sprintf("pgjanus.clean(%s, %s) FROM %s", name, key, s.keyRows("u"))))
		b.line("END IF;")
		b.line("EXCEPTION WHEN OTHERS THEN")
		b.when(grave)
		b.line("\tRAISE;")
		b.line("END IF;")
	}
	attempt()
	b.when(fmt.Sprintf("cardinality(%s.k0) = 1", label))
	soil()
	b.line("ELSE")
	for i, k := range s.Key {
		b.variable(fmt.Sprintf("a%d", i), k.Type+"[]")
		b.line("%s.a%d := %[1]s.k%[2]d;", label, i)
	}
	b.line("FOR i IN 1 .. pg_catalog.cardinality(%s.a0) LOOP", label)
	for i := range s.Key {
		b.line("%s.k%d := ARRAY[%[1]s.a%[2]d[i]];", label, i)
	}
	probes := len(b.probes)
	attempt()
	b.probes = b.probes[:probes] // they are those of the first attempt
	soil()
	b.line("END;")
	b.line("END LOOP;")
	b.line("END IF;")
	b.line("END;")
}

// Text is a key value as pgjanus.dirty has it: the same under every DateStyle and
// TimeZone, and for 1 and 1.0.
func (k KeyColumn) Text(column string) string {
	switch {
	case oneOf([]string{"numeric"}, k.Type):
		return "trim_scale(" + column + ")::text"
	case k.zoned():
		return "(to_json(" + column + " AT TIME ZONE 'UTC') #>> '{}')"
	case oneOf(dateTypes, k.Type):
		return "(to_json(" + column + ") #>> '{}')"
	}
	return column + "::text"
}

// FromText is the key value of such a text.
func (k KeyColumn) FromText(text string) string {
	if k.zoned() {
		return "(" + text + "::timestamp AT TIME ZONE 'UTC')"
	}
	return text + "::" + k.Type
}

func (k KeyColumn) zoned() bool { return oneOf([]string{"timestamp with time zone"}, k.Type) }
