package rewrite

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rules"
)

// spillBytes is how much a setting holds before it is moved to its "_all"
// companion. Appending to a setting copies it, so without the spill a
// statement that touches very many rows would take quadratic time.
const spillBytes = 8 << 10

// keyTypes are the types a key column may have: each survives a round trip
// through its text form under every session setting.
var keyTypes = []string{
	"smallint", "integer", "bigint", "numeric", "oid", "uuid", "text", "character varying",
	"boolean", "date", "timestamp without time zone", "timestamp with time zone",
}

// bareTypes are the key types whose text form needs no quotes inside an array
// literal; dateTypes those whose text form depends on DateStyle and TimeZone.
var (
	bareTypes = []string{"smallint", "integer", "bigint", "numeric", "oid", "uuid", "boolean"}
	dateTypes = []string{"date", "timestamp without time zone", "timestamp with time zone"}
)

// element is the array-literal form of a key value, whatever the session's
// settings are: dates as JSON writes them (ISO 8601, in quotes), strings as
// array_out quotes them.
func (k KeyColumn) element(column string) string {
	switch {
	case oneOf(bareTypes, k.Type):
		return column
	case oneOf(dateTypes, k.Type):
		return "pg_catalog.to_json(" + column + ")"
	}
	return "pg_catalog.btrim(ARRAY[" + column + "]::pg_catalog.text, '{}')"
}

func oneOf(set []string, t string) bool {
	base := strings.Replace(t, typmod(t), "", 1)
	for _, s := range set {
		if s == base {
			return true
		}
	}
	return false
}

// plain is the text of a single key value: element without its quotes. A
// string has a mark in front, so that it is never empty.
func (k KeyColumn) plain(column string) string {
	switch {
	case oneOf(bareTypes, k.Type):
		return column + "::pg_catalog.text"
	case oneOf(dateTypes, k.Type):
		return "(pg_catalog.to_json(" + column + ") OPERATOR(pg_catalog.#>>) '{}')"
	}
	return "pg_catalog.concat('=', " + column + ")"
}

// Record returns a boolean expression for a RETURNING list: evaluated once for
// every row the statement touches, it appends the row's key to the settings.
// row is the name the statement gives the table, already quoted. one says that
// the statement touches one row at most: then the key takes the place of what
// was there.
func (m *Migration) Record(row string, one bool) string {
	parts := make([]string, len(m.Key))
	for i, k := range m.Key {
		column := row + "." + Ident(k.Name)
		if one {
			parts[i] = fmt.Sprintf("pg_catalog.set_config(%s, %s, true) IS NULL", Literal(k.one()), k.plain(column))
			continue
		}
		column = k.element(column)
		setting, all := Literal(k.Setting), Literal(k.Setting+"_all")
		held := "pg_catalog.current_setting(" + setting + ", true)"
		parts[i] = fmt.Sprintf("CASE WHEN pg_catalog.octet_length(%s) OPERATOR(pg_catalog.>) %d"+
			" THEN pg_catalog.concat(pg_catalog.set_config(%s, pg_catalog.concat(pg_catalog.current_setting(%s, true), %s), true),"+
			" pg_catalog.set_config(%s, pg_catalog.concat(',', %s), true))"+
			" ELSE pg_catalog.set_config(%s, pg_catalog.concat(%s, ',', %s), true) END IS NULL",
			held, spillBytes, all, all, held, setting, column, setting, held, column)
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// one is the setting that holds the key of a statement that touches one row.
func (k KeyColumn) one() string { return k.Setting + "_one" }

// taken is the value of a key column that Record left for one row: NULL where
// there is none. It stays there: a statement that touches no row leaves the key
// of an earlier one of the transaction, and the sync of that does nothing wrong,
// since the transaction still holds the row's lock.
func (k KeyColumn) taken() string {
	value := "nullif(current_setting(" + Literal(k.one()) + ", true), '')"
	if !oneOf(bareTypes, k.Type) && !oneOf(dateTypes, k.Type) {
		value = "substr(" + value + ", 2)"
	}
	return value
}

// direct reports whether the sync reads its only key where it needs it, without
// the CTE k. Then that is also where it notices a fixed snapshot.
func (s syncText) direct() bool { return s.One && !s.Fixed }

// key is the value of key column i of a direct sync.
func (s syncText) key(i int) string {
	k := s.Key[i]
	if i > 0 || s.Rule.Kind == rules.Columns {
		return "(" + k.taken() + ")::" + k.Type
	}
	return "(CASE WHEN " + movingIsolation + " THEN " + k.taken() + " ELSE " + s.fixedSnapshot() + " END)::" + k.Type
}

// keys is the CTE k of a sync: one row whose columns k0.. are arrays of the
// touched key values. Reading the settings of many clears them: the target list
// of the inner query is evaluated from left to right, and OFFSET 0 keeps it
// whole. A direct sync has none.
func (s syncText) keys() []string {
	if s.direct() {
		return nil
	}
	var inner, outer []string
	for i, k := range s.Key {
		if s.One {
			outer = append(outer, fmt.Sprintf("ARRAY[(%s)::%s] AS k%d", k.taken(), k.Type, i))
			continue
		}
		setting, all := Literal(k.Setting), Literal(k.Setting+"_all")
		inner = append(inner, fmt.Sprintf("current_setting(%s, true) AS a%d, current_setting(%s, true) AS v%d, set_config(%s, '', true),"+
			" CASE WHEN current_setting(%s, true) <> '' THEN set_config(%s, '', true) END", all, i, setting, i, setting, all, all))
		outer = append(outer, fmt.Sprintf("concat('{', substr(concat(s.a%d, s.v%d), 2), '}')::%s[] AS k%d", i, i, k.Type, i))
	}
	from := ""
	if !s.One {
		from = " FROM (SELECT " + strings.Join(inner, ", ") + " OFFSET 0) s"
	}
	return []string{"k AS MATERIALIZED (SELECT " + strings.Join(outer, ", ") + from + ")"}
}

// oldRows returns the FROM and WHERE clauses that select the touched rows of the
// old table, named old.
func (s syncText) oldRows() (from, where string) {
	keys, where := s.touched()
	if keys != "" {
		keys += ", "
	}
	return keys + QName(s.Rule.Old.Table) + " old", where
}

// touched returns the condition that a row of the old table, named old, has been
// touched, and the relation that it needs beside that, if any.
func (s syncText) touched() (keys, where string) {
	if s.direct() {
		return "", s.equate(s.key)
	}
	if len(s.Key) == 1 {
		return "", fmt.Sprintf("old.%s = ANY ((SELECT k0 FROM k)::%s[])", Ident(s.Key[0].Name), s.Key[0].Type)
	}
	unnests := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("unnest(k.k%d)", i) })
	names := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("k%d", i) })
	distinct := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("u.k%d", i) })
	keys = fmt.Sprintf("(SELECT DISTINCT %s FROM k, ROWS FROM (%s) u(%s)) kk", distinct, unnests, names)
	return keys, s.equate(func(i int) string { return fmt.Sprintf("kk.k%d", i) })
}

// equate compares the key columns of old with values.
func (s syncText) equate(value func(i int) string) string {
	conditions := make([]string, len(s.Key))
	for i, k := range s.Key {
		conditions[i] = fmt.Sprintf("old.%s = %s", Ident(k.Name), value(i))
	}
	return strings.Join(conditions, " AND ")
}
