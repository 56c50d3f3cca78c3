package rewrite

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Function is a PL/pgSQL function in schema pgjanus, called with the rights of
// the application's role. Its name has a hash of what it does: a function never
// changes, so sessions that still work under an earlier epoch keep theirs.
type Function struct {
	Migration string
	Name      string // quoted, with its schema
	Signature string // Name with the types of its arguments
	Create    string // the statements that make it
	// Probes are the statements inside it, with NULL for each variable, for
	// Postgres to parse: PL/pgSQL itself looks at a statement when it first gets there.
	Probes []string
}

// label qualifies the variables of the functions, so that no column of the
// user's tables can be meant instead.
const label = "pgjanus"

// functionNameBytes leaves room in a name of 63 bytes for kind and hash.
const functionNameBytes = 40

// block collects the code of a function.
type block struct {
	trigger bool // it is a trigger function
	definer bool // it works with the rights of the role of control, whoever has fired it
	soils   bool // it returns whether a key has become dirty
	declare strings.Builder
	code    strings.Builder
	probes  []string
	err     error
}

// function makes one of the functions of m. Those that are called by row take
// the columns that rowArguments lists; the others take nothing.
func (m *Migration) function(kind string, byRow bool, code func(b *block, s syncText)) (*Function, error) {
	b := &block{}
	code(b, syncText{Migration: m, byRow: byRow})
	if b.err != nil {
		return nil, b.err
	}
	var types []string
	if byRow {
		for _, c := range m.rowArguments() {
			t := m.Old.Column(c).Type
			types = append(types, strings.Replace(t, typmod(t), "", 1))
		}
	}
	arguments, returns := "("+strings.Join(types, ", ")+")", "boolean"
	if b.trigger {
		returns = "trigger"
	}
	b.done()
	body := fmt.Sprintf("#variable_conflict use_column\n<<%s>>\nDECLARE\n%sBEGIN\n%sEND", label, b.declare.String(), b.code.String())
	hash := sha256.Sum256([]byte(m.Rule.Name + kind + arguments + body))
	name := functionPrefix(m.Rule.Name) + kind + " " + hex.EncodeToString(hash[:4])

	f := &Function{Migration: m.Rule.Name, Name: label + "." + Ident(name), Probes: b.probes}
	f.Signature = f.Name + arguments
	rights, access := "", "GRANT EXECUTE ON FUNCTION %s TO PUBLIC;"
	if b.definer {
		rights, access = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp ", "REVOKE ALL ON FUNCTION %s FROM PUBLIC;"
	}
	f.Create = fmt.Sprintf("CREATE FUNCTION %s RETURNS %s LANGUAGE plpgsql %sAS %s;\n"+access, f.Signature, returns, rights, Literal(body), f.Signature)
	return f, nil
}

func functionPrefix(migration string) string {
	return migration[:min(len(migration), functionNameBytes)] + " "
}

// RaisedBy returns where, in the context of an error or a notice, a function of
// that migration begins to be mentioned, with the statement inside it; -1 where
// it is not.
func RaisedBy(migration, context string) int {
	at := strings.Index(context, label+`."`+functionPrefix(migration))
	if at < 0 {
		return -1
	}
	if statement := strings.LastIndex(context[:at], `SQL statement "`); statement >= 0 {
		return statement
	}
	return strings.LastIndexByte(context[:at], '\n') + 1
}

// WritesBack reports whether the function that the context of an error mentions
// was writing the old shape.
func WritesBack(migration, context string) bool {
	return strings.Contains(context, label+`."`+functionPrefix(migration)+"back ")
}

// rowArguments lists the columns of the old table that a function by row needs:
// the key, then what up reads, then what down says, which the law compares with.
func (m *Migration) rowArguments() []string {
	var columns []string
	for _, k := range m.Key {
		columns = append(columns, k.Name)
	}
	read := m.up[0].cols
	if m.lossy() {
		read = append(read[:len(read):len(read)], m.Rule.Old.Columns...)
	}
	for _, c := range read {
		if !has(columns, c) {
			columns = append(columns, c)
		}
	}
	return columns
}

// call is the expression that calls a function by row for the row of that name,
// already quoted. It is false.
func (m *Migration) call(f *Function, row string) string {
	return f.Name + "(" + list(m.rowArguments(), func(_ int, c string) string { return row + "." + Ident(c) }) + ")"
}

// variable declares a variable, where it is not yet.
func (b *block) variable(name, typ string) {
	if line := fmt.Sprintf("\t%s %s;\n", name, typeName(typ)); !strings.Contains(b.declare.String(), line) {
		b.declare.WriteString(line)
	}
}

// line adds a line of PL/pgSQL.
func (b *block) line(format string, args ...any) { fmt.Fprintf(&b.code, "\t"+format+"\n", args...) }

// done returns from the function.
func (b *block) done() {
	switch {
	case b.trigger:
		b.line("RETURN NULL;")
	case b.soils:
		b.line("RETURN %s.soiled;", label)
	default:
		b.line("RETURN false;")
	}
}

// statement adds an SQL statement; into, if not empty, lists the variables that
// take its one row.
func (b *block) statement(s syncText, into string, text func(s syncText) string) {
	if into != "" {
		into = " INTO " + into
	}
	b.byKeys(s, func(s syncText) { b.line("%s%s;", b.qualified(text(s)), into) }, text)
}

// byKeys adds code around a text; where that is about the keys in k0.., a second
// time for one key. Postgres keeps the plan of that, but plans for an array anew
// each time, since it cannot tell how long arrays will be; and most statements
// write one row.
func (b *block) byKeys(s syncText, code func(s syncText), text func(s syncText) string) {
	one := s
	one.one = true
	if s.byRow || text(one) == text(s) {
		code(s)
	} else {
		b.when(fmt.Sprintf("cardinality(%s.k0) = 1", label))
		code(one)
		b.probe(one, text)
		b.line("ELSE")
		code(s)
		b.line("END IF;")
	}
	b.probe(s, text)
}

// serializationFailure is a SQLSTATE: the transaction may be tried again.
const serializationFailure = "40001"

// when begins what happens only where the condition holds.
func (b *block) when(condition string) {
	b.line("IF %s THEN", b.expression(condition))
}

// raise adds an error that is raised where the condition holds.
func (b *block) raise(s syncText, condition func(s syncText) string, code, message, hint string) {
	b.whenKeys(s, condition, func() {
		b.line("\tRAISE EXCEPTION USING ERRCODE = %s, MESSAGE = %s, HINT = %s;", Literal(code), Literal(message), Literal(hint))
	})
}

// whenKeys adds what happens only where a condition holds that is a statement of
// its own.
func (b *block) whenKeys(s syncText, condition func(s syncText) string, then func()) {
	b.byKeys(s, func(s syncText) {
		b.when(condition(s))
		then()
		b.line("END IF;")
	}, func(s syncText) string { return "SELECT " + condition(s) })
}

func (b *block) probe(s syncText, text func(s syncText) string) {
	s.probe = true
	b.probes = append(b.probes, b.qualified(text(s)))
}

func (b *block) qualified(sql string) string { return b.told(qualify(sql)) }

// expression is qualified for an expression, or for all that stands behind SELECT.
func (b *block) expression(text string) string { return b.told(qualifyExpr(text)) }

// told notes the first error.
func (b *block) told(out string, err error) string {
	if err != nil && b.err == nil {
		b.err = err
	}
	return out
}
