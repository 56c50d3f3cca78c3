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
	elements := make([]string, len(m.Key))
	for i, k := range m.Key {
		elements[i] = k.element(row + "." + Ident(k.Name))
	}
	return m.recorded(elements)
}

// recorded is Record of a key that is given as elements of array literals.
func (m *Migration) recorded(elements []string) string {
	parts := make([]string, len(m.Key))
	for i, k := range m.Key {
		column := elements[i]
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

// recorded is what is in the settings, as the text of an array.
func (k KeyColumn) recorded() string {
	return fmt.Sprintf("pg_catalog.concat('{', pg_catalog.substr(pg_catalog.concat(pg_catalog.current_setting(%s, true), pg_catalog.current_setting(%s, true)), 2), '}')",
		Literal(k.Setting+"_all"), Literal(k.Setting))
}

// takeKeys moves the keys from the settings to variables k0.., one array for
// each column of the key, and returns where there are none.
func (b *block) takeKeys(s syncText) {
	for i, k := range s.Key {
		b.variable(fmt.Sprintf("k%d", i), k.Type+"[]")
		b.line("%s.k%d := %s;", label, i, k.recorded())
	}
	b.line("IF pg_catalog.cardinality(%s.k0) OPERATOR(pg_catalog.=) 0 THEN", label)
	b.done()
	b.line("END IF;")
	for _, k := range s.Key {
		setting, all := Literal(k.Setting), Literal(k.Setting+"_all")
		b.line("PERFORM pg_catalog.set_config(%s, '', true);", setting)
		b.line("IF pg_catalog.current_setting(%s, true) OPERATOR(pg_catalog.<>) '' THEN", all)
		b.line("\tPERFORM pg_catalog.set_config(%s, '', true);", all)
		b.line("END IF;")
	}
}

// argument is the value of a column of the old row that a function by row is
// called for.
func (s syncText) argument(column string) string {
	for i, c := range s.rowArguments() {
		if c == column && s.probe {
			return "(NULL::" + CastType(s.Old.Column(c)) + ")"
		}
		if c == column {
			return fmt.Sprintf("$%d", i+1)
		}
	}
	panic("BUG: not an argument: " + column)
}

// keyArray is the array of the values of key column i.
func (s syncText) keyArray(i int) string {
	if s.byRow {
		return "ARRAY[" + s.argument(s.Key[i].Name) + "]"
	}
	return s.variable(fmt.Sprintf("k%d", i), s.Key[i].Type+"[]")
}

// keyRows is a relation of the keys, named alias, with columns k0.., for FROM.
func (s syncText) keyRows(alias string) string {
	unnests := list(s.Key, func(i int, _ KeyColumn) string { return "unnest(" + s.keyArray(i) + ")" })
	names := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("k%d", i) })
	return fmt.Sprintf("ROWS FROM (%s) %s(%s)", unnests, alias, names)
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
	if len(s.Key) == 1 {
		return "", fmt.Sprintf("old.%s = ANY (%s)", Ident(s.Key[0].Name), s.keyArray(0))
	}
	distinct := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("u.k%d", i) })
	conditions := make([]string, len(s.Key))
	for i, k := range s.Key {
		conditions[i] = fmt.Sprintf("old.%s = kk.k%d", Ident(k.Name), i)
	}
	return fmt.Sprintf("(SELECT DISTINCT %s FROM %s) kk", distinct, s.keyRows("u")), strings.Join(conditions, " AND ")
}
