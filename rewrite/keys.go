package rewrite

import (
	"fmt"
	"strings"
)

// spillBytes is how much a setting holds before it is moved to the end of its
// "_more" companion, and moreBytes how much that holds before it is moved to the
// end of "_all". Appending to a setting copies it, so without that a statement
// that touches very many rows would take quadratic time.
const (
	spillBytes = 1 << 10
	moreBytes  = 128 << 10
)

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
		setting, more, all := k.settings()
		move := fmt.Sprintf("CASE WHEN %s THEN %s OR %s ELSE %s END", longer(more, moreBytes),
			set(all, held(all), held(more)), set(more, held(setting)), set(more, held(more), held(setting)))
		parts[i] = fmt.Sprintf("CASE WHEN %s THEN %s OR %s ELSE %s END", longer(setting, spillBytes),
			move, set(setting, "','", column), set(setting, held(setting), "','", column))
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// settings are the literals of the names of the settings of a key column, in
// the order in which keys move from one to the next.
func (k KeyColumn) settings() (setting, more, all string) {
	return Literal(k.Setting), Literal(k.Setting + "_more"), Literal(k.Setting + "_all")
}

// recorded is what is in the settings, as the text of an array.
func (k KeyColumn) recorded() string {
	setting, more, all := k.settings()
	return fmt.Sprintf("pg_catalog.concat('{', pg_catalog.substr(pg_catalog.concat(%s, %s, %s), 2), '}')", held(all), held(more), held(setting))
}

// held is what a setting holds, or NULL.
func held(setting string) string { return "pg_catalog.current_setting(" + setting + ", true)" }

// longer is true where a setting holds more than that many bytes.
func longer(setting string, bytes int) string {
	return fmt.Sprintf("pg_catalog.octet_length(%s) OPERATOR(pg_catalog.>) %d", held(setting), bytes)
}

// set is false, and sets a setting to the parts put together.
func set(setting string, parts ...string) string {
	return fmt.Sprintf("pg_catalog.set_config(%s, pg_catalog.concat(%s), true) IS NULL", setting, strings.Join(parts, ", "))
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
		setting, more, all := k.settings()
		b.line("PERFORM pg_catalog.set_config(%s, '', true);", setting)
		b.line("IF %s OPERATOR(pg_catalog.<>) '' THEN", held(more))
		b.line("\tPERFORM pg_catalog.set_config(%s, '', true), pg_catalog.set_config(%s, '', true);", more, all)
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
	if s.one {
		same := make([]string, len(s.Key))
		for i, k := range s.Key {
			same[i] = fmt.Sprintf("old.%s = (%s)[1]", Ident(k.Name), s.keyArray(i))
		}
		return "", strings.Join(same, " AND ")
	}
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
