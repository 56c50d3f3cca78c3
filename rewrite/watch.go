package rewrite

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rules"
)

// A watch notices a write that leaves drift behind and that pgjanus has not
// dealt with: it came from another client, or from a function, a trigger or a
// cascade. With guard: log it says so in Postgres's log, with guard: reject the
// statement fails. It is a statement-level trigger, and what tells the writes of
// pgjanus from others is what is there at the end of the statement:
//
//   - A key whose columns are what they were before is not looked at: it may
//     disagree because no backfill has been there yet.
//   - A key that is in the settings (keys.go) will be synced by the statement
//     behind. Keys are there from the RETURNING list to that sync alone.
//   - What a function of pgjanus has written is in the middle of being synced;
//     the call stack shows the function.
//   - Else both shapes of the key have to agree. Whoever wrote the old row holds
//     its lock, so what is seen here stays until the transaction ends.
//
// Who writes the new table holds no such lock, and what he sees is not what will
// be: there, agreement excuses a change of the parent alone, which is how ON
// UPDATE CASCADE looks. ON DELETE CASCADE leaves no parent behind.
//
// The functions work with the rights of the role of control: what is logged or
// rejected must not depend on what the writer may read.

// watchTriggers says what is watched on the table of the old and of the new shape.
var watchTriggers = map[bool][]struct{ event, tables string }{
	false: {
		{"INSERT", "REFERENCING NEW TABLE AS written "},
		{"UPDATE", "REFERENCING OLD TABLE AS before NEW TABLE AS written "},
	},
	true: {
		{"INSERT", "REFERENCING NEW TABLE AS written "},
		{"UPDATE", "REFERENCING OLD TABLE AS before NEW TABLE AS written "},
		{"DELETE", "REFERENCING OLD TABLE AS before "},
		{"TRUNCATE", ""},
	},
}

// watches returns the triggers of guard: log and guard: reject. By their names
// they fire behind those of guard: sync, which may still be there.
func (m *Migration) watches() []Trigger {
	var all []Trigger
	add := func(f *Function, isNew bool, tables ...rules.Table) {
		if f == nil {
			return
		}
		for _, t := range watchTriggers[isNew] {
			name := label + " " + functionPrefix(m.Rule.Name) + "watch " + strings.ToLower(t.event)
			for _, table := range tables {
				all = append(all, Trigger{
					Name: name, Table: table, Function: f,
					Create: fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s %sFOR EACH STATEMENT EXECUTE FUNCTION %s", Ident(name), t.event, QName(table), t.tables, f.Signature),
				})
			}
		}
	}
	add(m.syncs.watch, false, m.oldTables()...)
	add(m.syncs.watchNew, true, m.Rule.New.Table)
	return all
}

// SeenSequence is the quoted name of the sequence that has, in microseconds
// since 1970, when a write past pgjanus was last seen. A sequence takes no lock
// that writers would queue for, and keeps what a rejected statement has set.
func SeenSequence(migration string) string { return "pgjanus." + Ident("seen "+migration) }

// watchOld is the function of the triggers on the old table.
func (b *block) watchOld(s syncText) {
	b.watching(s)
	for i, k := range s.Key {
		b.variable(fmt.Sprintf("k%d", i), k.Type+"[]")
	}
	keys := list(s.Key, func(_ int, k KeyColumn) string { return "array_agg(w." + Ident(k.Name) + ")" })
	into := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("%s.k%d", label, i) })
	b.when("TG_OP = 'INSERT'")
	b.line("\t%s INTO %s;", b.qualified(fmt.Sprintf("SELECT %s FROM written w WHERE NOT %s", keys, s.recorded("w", s.keyName))), into)
	b.line("ELSE")
	b.line("\t%s INTO %s;", b.qualified(fmt.Sprintf("SELECT %s FROM written w LEFT JOIN before b ON %s WHERE (b.%s IS NULL OR %s) AND NOT %s",
		keys, equated("b", "w", s.keyNames()), Ident(s.Key[0].Name), changed("b", "w", s.mapped()), s.recorded("w", s.keyName))), into)
	b.line("END IF;")
	b.line("IF %s.k0 IS NULL THEN", label)
	b.done()
	b.line("END IF;")
	b.unlessSyncing(s)
	if s.Rule.Kind == rules.Rows {
		b.fixedSnapshot(s, syncText.deletedMeanwhile, "")
	}
	b.compare(s, label+".found, "+label+".key", "pg_catalog.cardinality("+label+".k0)", syncText.disagreeing)
	b.alarmed(s, s.Rule.Old.Table)
	if s.Rule.Kind == rules.Rows {
		b.fixedSnapshot(s, syncText.stale, "TG_OP = 'UPDATE'")
	}
}

// watchNew is the function of the triggers on the new table.
func (b *block) watchNew(s syncText) {
	b.watching(s)
	b.when("TG_OP = 'TRUNCATE'")
	b.compare(s, label+".found", "1", func(s syncText) string {
		return fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s old WHERE EXISTS (%s) LIMIT 1) one", QName(s.Rule.Old.Table), s.UpSQL(0, "old"))
	})
	b.alarmed(s, s.Rule.New.Table)
	b.done()
	b.line("END IF;")
	b.unlessSyncing(s)
	parent := func(i int) string {
		for _, p := range s.Rule.New.Parents {
			if p.Old == s.Key[i].Name {
				return Ident(p.New)
			}
		}
		panic("BUG: no parent column for " + s.Key[i].Name)
	}
	family := func(row string) string {
		return s.onParents(row, func(i int) string { return "old." + Ident(s.Key[i].Name) })
	}
	there := func(row string) string {
		return fmt.Sprintf("EXISTS (SELECT FROM %s old WHERE %s)", QName(s.Rule.Old.Table), family(row))
	}
	shown := func(row string) string {
		return "min(concat_ws(', ', " + list(s.Key, func(i int, _ KeyColumn) string { return row + "." + parent(i) }) + "))"
	}
	count := func(row, from, where string) {
		b.line("\t%s INTO %s.found, %[2]s.key;", b.qualified(fmt.Sprintf("SELECT count(*), %s FROM %s WHERE %s AND NOT %s", shown(row), from, where, s.recorded(row, parent))), label)
	}
	b.when("TG_OP = 'INSERT'")
	count("w", "written w", "true")
	b.line("ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN")
	count("b", "before b", there("b"))
	b.line("ELSE")
	parents := make([]string, len(s.Rule.New.Parents))
	for i, p := range s.Rule.New.Parents {
		parents[i] = p.New
	}
	pk, same := Ident(s.New.Key[0]), equated("b", "w", s.New.Key)
	content := changed("b", "w", s.UpColumns())
	count("w", "written w LEFT JOIN before b ON "+same, fmt.Sprintf("(b.%s IS NULL OR %s)", pk, content))
	b.alarmed(s, s.Rule.New.Table)
	count("b", "before b", fmt.Sprintf("NOT EXISTS (SELECT FROM written w WHERE %s) AND %s", same, there("b")))
	b.alarmed(s, s.Rule.New.Table)
	keys := list(s.Key, func(i int, k KeyColumn) string {
		b.variable(fmt.Sprintf("k%d", i), k.Type+"[]")
		return fmt.Sprintf("array_agg(m.k%d)", i)
	})
	into := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("%s.k%d", label, i) })
	moved := func(row string) string {
		return fmt.Sprintf("SELECT %s FROM written w JOIN before b ON %s WHERE %s AND NOT %s",
			list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("%s.%s AS k%d", row, parent(i), i) }), same, changed("b", "w", parents), s.recorded(row, parent))
	}
	b.line("\t%s INTO %s;", b.qualified(fmt.Sprintf("SELECT %s FROM (%s UNION ALL %s) m", keys, moved("w"), moved("b"))), into)
	b.line("\tIF %s.k0 IS NULL THEN", label)
	b.done()
	b.line("\tEND IF;")
	b.compare(s, label+".found, "+label+".key", "pg_catalog.cardinality("+label+".k0)", syncText.disagreeing)
	b.line("END IF;")
	b.alarmed(s, s.Rule.New.Table)
}

// watching is the beginning of a watch: the keys that are recorded.
func (b *block) watching(s syncText) {
	b.trigger, b.definer = true, true
	b.variable("found", "bigint")
	b.variable("key", "text")
	b.variable("stack", "text")
	b.takeRecorded(s)
}

// takeRecorded copies the keys from the settings to variables r0.., which are empty
// where there are none.
func (b *block) takeRecorded(s syncText) {
	for i, k := range s.Key {
		b.variable(fmt.Sprintf("r%d", i), k.Type+"[] := '{}'")
	}
	b.when(fmt.Sprintf("length(current_setting(%s, true)) > 0", Literal(s.Key[0].Setting)))
	for i, k := range s.Key {
		b.line("\t%s.r%d := %s;", label, i, k.recorded())
	}
	b.line("END IF;")
}

// recorded is the condition that the key of a row is in the settings; column is
// the column of the row, quoted, that has key column i.
func (s syncText) recorded(row string, column func(i int) string) string {
	unnests := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("unnest(%s.r%d)", label, i) })
	names := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("k%d", i) })
	same := make([]string, len(s.Key))
	for i := range s.Key {
		same[i] = fmt.Sprintf("r.k%d = %s.%s", i, row, column(i))
	}
	return fmt.Sprintf("EXISTS (SELECT FROM ROWS FROM (%s) r(%s) WHERE %s)", unnests, names, strings.Join(same, " AND "))
}

// unlessSyncing returns where a function of pgjanus has made the statement that
// fired the trigger, itself: a trigger of the user is one level deeper. Names of
// functions stand in the stack as they are, in whatever language.
func (b *block) unlessSyncing(s syncText) {
	b.line("GET DIAGNOSTICS %s.stack = PG_CONTEXT;", label)
	b.when(fmt.Sprintf("pg_trigger_depth() = 1 AND strpos(substr(%s.stack, nullif(strpos(%[1]s.stack, chr(10)), 0)), %s) > 0",
		label, Literal(label+`."`+functionPrefix(s.Rule.Name))))
	b.done()
	b.line("END IF;")
}

// compare is a statement that evaluates up. What up fails for has no new shape: a
// watch that only logs says so, and does not fail. all is how many keys there are.
func (b *block) compare(s syncText, into, all string, text func(s syncText) string) {
	if s.Rule.Guard != rules.LogGuard {
		b.statement(s, into, text)
		return
	}
	b.line("BEGIN")
	b.statement(s, into, text)
	b.line("EXCEPTION WHEN OTHERS THEN")
	b.when(grave)
	b.line("\tRAISE;")
	b.line("END IF;")
	b.line("%s.found := %s;", label, all)
	b.line("END;")
}

// fixedSnapshot deals with what cannot be told under a snapshot that does not
// move: where the condition holds, what is there may not be what is seen.
func (b *block) fixedSnapshot(s syncText, condition func(s syncText) string, only string) {
	if only != "" {
		only = " AND " + only
	}
	b.when(fixedSnapshot + only)
	if s.Rule.Guard == rules.RejectGuard {
		b.raise(s, condition, serializationFailure, "could not serialize access due to concurrent update",
			fmt.Sprintf("The new shape that migration %q had of this key was written after the transaction's snapshot was taken. Retry the transaction.", s.Rule.Name))
	} else {
		b.whenKeys(s, condition, func() {
			b.log("'pgjanus: migration \"%s\": whether what was written to %s has left drift cannot be told in this snapshot', "+Literal(s.Rule.Name)+", "+Literal(s.Rule.Old.Table.String()),
				fmt.Sprintf("pgjanus verify %s tells.", s.Rule.Name))
			b.done()
		})
	}
	b.line("END IF;")
}

// alarmed raises the alarm where rows were found.
func (b *block) alarmed(s syncText, table rules.Table) {
	b.when(label + ".found > 0")
	what := "concat(" + label + ".found, CASE WHEN " + label + ".found = 1 THEN ' row of ' ELSE ' rows of ' END, " + Literal(table.String()) +
		", ' written past pgjanus', ' (key ' || " + label + ".key || ')')"
	what = b.expression(what)
	b.line("\tPERFORM pg_catalog.setval(%s, %s);", Literal(SeenSequence(s.Rule.Name)),
		b.expression("(EXTRACT(epoch FROM clock_timestamp()) * 1000000)::bigint"))
	shape, reject := "new", " Or set guard: sync for the migration."
	log := fmt.Sprintf("pgjanus backfill %s --restart repairs drift; guard: sync keeps it from coming about.", s.Rule.Name)
	if table != s.Rule.Old.Table { // guard: sync is of no use there
		shape, reject = "old", ""
		log = fmt.Sprintf("pgjanus backfill %s --restart makes the new shape what the old one says.", s.Rule.Name)
	}
	if s.Rule.Guard == rules.RejectGuard {
		b.line("\tRAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = pg_catalog.format('pgjanus: migration \"%%s\": %%s, and the %s shape would not follow', %s, %s),", shape, Literal(s.Rule.Name), what)
		b.line("\t\tHINT = 'Send the statement itself through pgjanus: what functions, triggers and cascades write it does not see.%s';", reject)
	} else {
		b.log("'pgjanus: migration \"%s\": %s, and the "+shape+" shape does not follow', "+Literal(s.Rule.Name)+", "+what, log)
		b.done()
	}
	b.line("END IF;")
}

// log says something in Postgres's log, which no client is sent unless it asks
// for it (client_min_messages).
func (b *block) log(message, hint string) {
	b.line("\tRAISE LOG USING MESSAGE = pg_catalog.format(%s),", message)
	b.line("\t\tDETAIL = pg_catalog.format('Role %%s, application %%s.', session_user, pg_catalog.current_setting('application_name')), HINT = %s;", Literal(hint))
}

// disagreeing counts the touched old rows whose new shape is another, and shows
// the key of one.
func (s syncText) disagreeing() string {
	from, where := s.oldRows()
	if s.tolerant() { // what is dirty is known
		where += fmt.Sprintf(" AND NOT EXISTS (SELECT FROM pgjanus.dirty d WHERE d.migration = %s AND d.key = ARRAY[%s])", Literal(s.Rule.Name),
			list(s.Key, func(_ int, k KeyColumn) string { return k.Text("old." + Ident(k.Name)) }))
	}
	return fmt.Sprintf("SELECT count(*), min(concat_ws(', ', %s)) FROM %s WHERE %s AND (%s)",
		list(s.Key, func(_ int, k KeyColumn) string { return "old." + Ident(k.Name) }), from, where, s.drifts("old"))
}

func (s syncText) keyName(i int) string { return Ident(s.Key[i].Name) }

func (s syncText) keyNames() []string {
	names := make([]string, len(s.Key))
	for i, k := range s.Key {
		names[i] = k.Name
	}
	return names
}

// mapped lists the columns of the old table that make drift when they change:
// those that up reads, and for columns also those that it fills.
func (s syncText) mapped() []string {
	if s.Rule.Kind == rules.Columns {
		return append(append([]string(nil), s.Rule.Old.Columns...), s.Rule.New.Columns...)
	}
	return s.Rule.Old.Columns
}

func equated(a, b string, columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = fmt.Sprintf("%s.%s = %s.%[2]s", a, Ident(c), b)
	}
	return strings.Join(parts, " AND ")
}

// changed is the condition that a column has another image in row b than in a.
func changed(a, b string, columns []string) string {
	of := func(row string) string {
		return "ROW(" + list(columns, func(_ int, c string) string { return row + "." + Ident(c) }) + ")::record"
	}
	return of(a) + " *<> " + of(b)
}
