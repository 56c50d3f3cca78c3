package rewrite

import (
	"fmt"
	"strings"
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

// Record returns a boolean expression for a RETURNING list: evaluated once for
// every row the statement touches, it appends the row's key to the settings.
// row is the name the statement gives the table, already quoted.
func (m *Migration) Record(row string) string {
	parts := make([]string, len(m.Key))
	for i, k := range m.Key {
		column := k.element(row + "." + Ident(k.Name))
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

// takeKeys is the CTE k of a sync: one row whose columns k1.. are arrays of the
// touched key values. Reading them clears the settings. The target list of the
// inner query is evaluated from left to right, and OFFSET 0 keeps it whole.
func (m *Migration) takeKeys() string {
	var inner, outer []string
	for i, k := range m.Key {
		setting, all := Literal(k.Setting), Literal(k.Setting+"_all")
		inner = append(inner, fmt.Sprintf("current_setting(%s, true) AS a%d, current_setting(%s, true) AS v%d, set_config(%s, '', true),"+
			" CASE WHEN current_setting(%s, true) <> '' THEN set_config(%s, '', true) END", all, i, setting, i, setting, all, all))
		outer = append(outer, fmt.Sprintf("concat('{', substr(concat(s.a%d, s.v%d), 2), '}')::%s[] AS k%d", i, i, k.Type, i))
	}
	return "k AS MATERIALIZED (SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(inner, ", ") + " OFFSET 0) s)"
}

// rowsOfKeys returns the FROM and WHERE clauses that select the rows of table
// (quoted, named alias) whose columns, in the order of the key, are in k.
func (m *Migration) rowsOfKeys(table, alias string, columns []string) (from, where string) {
	if len(m.Key) == 1 {
		return table + " " + alias, fmt.Sprintf("%s.%s = ANY ((SELECT k0 FROM k)::%s[])", alias, Ident(columns[0]), m.Key[0].Type)
	}
	unnests := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("unnest(k.k%d)", i) })
	names := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("k%d", i) })
	conditions := make([]string, len(columns))
	for i, c := range columns {
		conditions[i] = fmt.Sprintf("%s.%s = kk.k%d", alias, Ident(c), i)
	}
	touched := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("u.k%d", i) })
	from = fmt.Sprintf("(SELECT DISTINCT %s FROM k, ROWS FROM (%s) u(%s)) kk, %s %s", touched, unnests, names, table, alias)
	return from, strings.Join(conditions, " AND ")
}
