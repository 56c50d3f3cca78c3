package test

import (
	"fmt"
	"math/rand"
	"strings"
)

// draft is one statement while it is made up.
type draft struct {
	w      *world
	r      *rand.Rand
	lo     int  // the first of the keys that belong to the session
	params bool // constants become parameters
	text   strings.Builder
	args   []value
}

// keys is how many keys a session plays with.
const keys = 12

func (b *draft) sql(parts ...string) *draft {
	for _, p := range parts {
		b.text.WriteString(p)
	}
	return b
}

func (b *draft) arg(v value) *draft {
	if !b.params || b.r.Intn(4) == 0 {
		return b.sql(v.literal)
	}
	b.args = append(b.args, v)
	return b.sql(fmt.Sprintf("$%d", len(b.args)))
}

func (b *draft) k() int { return b.lo + b.r.Intn(keys) }

func (b *draft) value() *draft { return b.arg(b.w.kind.random(b.r)) }

// note is a value of column s: no two sessions have the same.
func (b *draft) note() *draft {
	return b.arg(textValue(fmt.Sprint(b.lo) + word(b.r)))
}

// mine confines a statement to the session's keys.
func (b *draft) mine(alias string) *draft {
	return b.sql(fmt.Sprintf("%sk BETWEEN %d AND %d", alias, b.lo, b.lo+keys-1))
}

// row is a list of values for g, k, n and the value.
func (b *draft) row() *draft {
	k := b.k()
	return b.sql("(").arg(intValue(group(k))).sql(", ").arg(intValue(k)).sql(", ").arg(intValue(b.r.Intn(10))).sql(", ").value().sql(")")
}

func (b *draft) insert() *draft {
	return b.sql("INSERT INTO ", b.w.table, pick(b.r, "", " AS t"), " (g, k, n, ", b.w.value, ") ")
}

func (b *draft) rows() *draft {
	b.sql("VALUES ").row()
	for range b.r.Intn(3) {
		b.sql(", ").row()
	}
	return b
}

// changed is an expression over the value of the row.
func (b *draft) changed(alias string) *draft {
	v := alias + b.w.value
	switch b.w.kind.oid {
	case oidBool:
		return b.sql(pick(b.r, "NOT "+v, v+" AND "+alias+"n > 3", "coalesce("+v+", "+alias+"n = 1)", v))
	case oidInt4:
		return b.sql(pick(b.r, v+" + 1", "-"+v, "coalesce("+v+", 0)", alias+"n", "abs("+v+")"))
	case oidText:
		return b.sql(pick(b.r, v+" || 'x'", "left("+v+", 3)", alias+"s", "coalesce("+v+", 'y')"))
	}
	return b.sql(pick(b.r, v+" || '[]'", v+` || '[{"sku": "new", "qty": 3}]'`, v+" - 0", "coalesce("+v+" -> 1, '[]') || '[]'", v))
}

func (b *draft) returning(alias string) *draft {
	return b.sql(pick(b.r, "", "", " RETURNING *", " RETURNING "+alias+"k", " RETURNING k + 1, "+b.w.value, " RETURNING "+alias+"*, "+alias+"n AS \"N\"", " RETURNING count_of("+alias+"n)"))
}

// conflict is the target of ON CONFLICT.
func (b *draft) conflict() *draft {
	return b.sql(" ON CONFLICT (", strings.Join(b.w.key, ", "), ") ")
}

// template is a kind of statement. Those that write what migrates must have
// been rewritten, or left to the guard, at least once in a run.
type template struct {
	name   string
	writes bool
	only   func(w *world) bool // nil for any
	simple bool                // several statements, or one that only a Query may have
	make   func(b *draft)
	copy   func(b *draft) string // data for COPY FROM
	// tableOnly: through a view or a partition it is something else.
	tableOnly bool
	since     int // first version of Postgres that has it
}

func guardedOnly(w *world) bool { return w.guarded }

// copiesIn: COPY shows its keys before a BEFORE ROW INSERT trigger.
func copiesIn(w *world) bool { return w.guarded || w.trigger != "before" }

var templates = []template{
	{name: "insert", writes: true, make: func(b *draft) { b.insert().rows().returning("") }},
	{name: "insert without the value", writes: true, make: func(b *draft) {
		b.sql("INSERT INTO ", b.w.table, " (g, k) VALUES (").arg(intValue(1)).sql(", ").arg(intValue(b.k())).sql(")").returning("")
	}},
	{name: "insert default", writes: true, make: func(b *draft) {
		b.insert().sql("VALUES (1, ").arg(intValue(b.k())).sql(", DEFAULT, DEFAULT)").returning("")
	}},
	{name: "insert by position", writes: true, make: func(b *draft) {
		b.sql("INSERT INTO ", b.w.table, " VALUES (1, ").arg(intValue(b.k())).sql(", 2, ").note().sql(", ").value().sql(")").returning("")
	}},
	{name: "insert select", writes: true, make: func(b *draft) {
		b.sql("INSERT INTO ", b.w.table, " (g, k, n, ", b.w.value, ") SELECT g, k + 1, n, ").changed("").sql(" FROM ", b.w.table, " WHERE ").mine("").
			sql(" AND k % 2 = 0 AND k + 1 < ", fmt.Sprint(b.lo+keys)).conflict().sql("DO NOTHING").returning("")
	}},
	{name: "insert with", writes: true, make: func(b *draft) {
		b.sql("WITH x AS (SELECT ").arg(intValue(b.k())).sql("::int AS k) INSERT INTO ", b.w.table, " (k, ", b.w.value, ") SELECT x.k, ").arg(b.w.kind.random(b.r)).
			sql("::", strings.Fields(b.w.kind.sqlType)[0], " FROM x").conflict().sql("DO NOTHING RETURNING k")
	}},
	{name: "do nothing", writes: true, make: func(b *draft) { b.insert().rows().sql(" ON CONFLICT DO NOTHING").returning("") }},
	{name: "upsert", writes: true, make: func(b *draft) {
		b.insert().sql("VALUES ").row().conflict().sql("DO UPDATE SET ", b.w.value, " = excluded.", b.w.value).returning("")
	}},
	{name: "upsert of another column", writes: true, make: func(b *draft) {
		b.insert().sql("VALUES ").row().conflict().sql("DO UPDATE SET n = excluded.n + 1").returning("")
	}},
	{name: "upsert where", writes: true, make: func(b *draft) {
		b.insert().rows().conflict().sql("DO UPDATE SET (n, ", b.w.value, ") = ROW (excluded.n, excluded.", b.w.value, ") WHERE excluded.n > 2").returning("")
	}},
	{name: "insert a query", writes: true, make: func(b *draft) {
		b.insert().sql("VALUES (1, ").arg(intValue(b.k())).sql(", 1, (SELECT max(", b.w.value, "::text)::", strings.Fields(b.w.kind.sqlType)[0], " FROM ", b.w.table, " WHERE ").mine("").sql(" AND ", b.w.value, " IS NOT NULL HAVING count(*) > 0))").returning("")
	}},
	{name: "update by key", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
		b.returning("")
	}},
	{name: "update with an expression", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " AS t SET ", b.w.value, " = ").changed("t.").sql(", n = t.n + 1 WHERE ").where("t", b.k())
		b.returning("t.")
	}},
	{name: "update of another column", make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET n = ").arg(intValue(b.r.Intn(10))).sql(", s = ").note().sql(" WHERE ").where("", b.k())
		b.returning("")
	}},
	{name: "update of many", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").changed("").sql(" WHERE ").mine("").sql(" AND n < ").arg(intValue(b.r.Intn(10))).returning("")
	}},
	{name: "update from", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " t SET ", b.w.value, " = o.", b.w.value, " FROM ", b.w.table, " o WHERE ").mine("t.").sql(" AND o.g = t.g AND o.k = t.k + 1 AND o.k < ", fmt.Sprint(b.lo+keys)).returning("t.")
	}},
	{name: "update from values", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET n = v.n, ", b.w.value, " = ").value().sql(" FROM (VALUES (").arg(intValue(b.k())).sql("::int, 5), (", fmt.Sprint(b.k()), ", 5)) AS v (key, n) WHERE k = v.key").returning("")
	}},
	{name: "update of a row", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET (", b.w.value, ", n) = (").value().sql(", 3) WHERE ").where("", b.k())
		b.returning("")
	}},
	{name: "update of a row from a query", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET (n, ", b.w.value, ") = (SELECT o.n, o.", b.w.value, " FROM ", b.w.table, " o WHERE ").where("o", b.k())
		b.sql(" LIMIT 1) WHERE ").where("", b.k())
	}},
	{name: "update default", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = DEFAULT WHERE ").where("", b.k())
		b.returning("")
	}},
	{name: "update of the key", writes: false, only: func(w *world) bool {
		return !strings.Contains(w.expand, "children") || strings.Contains(w.expand, "ON UPDATE CASCADE")
	}, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET k = ").arg(intValue(b.k())).sql(" WHERE ").where("", b.k())
		b.returning("")
	}},
	{name: "update of the whole row", writes: true, make: func(b *draft) {
		k := b.k()
		b.sql("UPDATE ", b.w.table, " SET g = ", fmt.Sprint(group(k)), ", k = ", fmt.Sprint(k), ", ", b.w.value, " = ").value().
			sql(fmt.Sprintf(" WHERE k = %d AND g = %d", k, group(k))).returning("")
	}},
	{name: "upsert of the whole row", writes: true, make: func(b *draft) {
		k := b.k()
		b.insert().sql(fmt.Sprintf("VALUES (%d, %d, 1, ", group(k), k)).value().sql(")").conflict().
			sql("DO UPDATE SET ", b.w.value, " = excluded.", b.w.value, ", ", strings.Join(b.w.key, " = excluded."+b.w.key[0]+", "), " = excluded.", b.w.key[len(b.w.key)-1]).returning("")
	}},
	{name: "update of what is there", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ", b.w.value, " WHERE ").mine("").returning("")
	}},
	{name: "update with a query", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " t SET ", b.w.value, " = (SELECT o.", b.w.value, " FROM ", b.w.table, " o WHERE o.k > t.k AND ").mine("o.").
			sql(" AND o.", b.w.value, " IS NOT NULL ORDER BY o.k, o.g LIMIT 1) WHERE ").where("t", b.k())
		b.sql(" AND EXISTS (SELECT 1 FROM ", b.w.table, " o WHERE o.k > t.k AND o.", b.w.value, " IS NOT NULL AND ").mine("o.").sql(")")
	}},
	{name: "update only", writes: true, make: func(b *draft) {
		b.sql("update only ", b.w.table, " set ", b.w.value, "=").value().sql(" where ").where("", b.k())
	}},
	{name: "cursor", writes: true, simple: true, make: func(b *draft) {
		b.sql("BEGIN; DECLARE c CURSOR FOR SELECT k FROM ", b.w.table, " WHERE ").where("", b.k())
		b.sql(" FOR UPDATE; FETCH 1 FROM c; UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE CURRENT OF c; CLOSE c; COMMIT")
	}},
	{name: "delete", make: func(b *draft) { b.sql("DELETE FROM ", b.w.table, " WHERE ").where("", b.k()); b.returning("") }},
	{name: "delete using", make: func(b *draft) {
		b.sql("DELETE FROM ", b.w.table, " t USING ", b.w.table, " o WHERE o.k = t.k AND o.n = 2 AND ").where("t", b.k())
		b.sql(pick(b.r, "", " RETURNING t.*"))
	}},
	{name: "write in with", writes: true, make: func(b *draft) {
		b.sql("WITH w AS (UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
		b.sql(pick(b.r, " RETURNING *", " RETURNING k, "+b.w.value, " RETURNING k AS x"), ") SELECT * FROM w")
	}},
	{name: "write in with, unread", writes: true, make: func(b *draft) {
		b.sql("WITH w AS (INSERT INTO ", b.w.table, " (k, ", b.w.value, ") VALUES (").arg(intValue(b.k())).sql(", ").value().sql(")").conflict().
			sql("DO UPDATE SET ", b.w.value, " = excluded.", b.w.value, ") SELECT 1 AS one")
	}},
	{name: "two writes in with", writes: true, make: func(b *draft) {
		k := b.k()
		b.sql("WITH a AS (UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", k)
		b.sql(" RETURNING k), b AS (DELETE FROM ", b.w.table, " WHERE k <> ", fmt.Sprint(k), " AND ").where("", b.k())
		b.sql(" RETURNING k) UPDATE ", b.w.table, " SET n = 1, ", b.w.value, " = ").changed("").sql(" WHERE k NOT IN (SELECT k FROM a UNION SELECT k FROM b) AND k <> ", fmt.Sprint(k), " AND ").mine("").sql(" AND n = 6 RETURNING k")
	}},
	{name: "delete and insert in with", writes: true, make: func(b *draft) {
		k := b.k()
		b.sql("WITH gone AS (DELETE FROM ", b.w.table, " WHERE ").where("", k)
		b.sql(" RETURNING g, k, n) INSERT INTO ", b.w.table, " (g, k, n, ", b.w.value, ") SELECT g, ", fmt.Sprint(b.k()), ", n, ").arg(b.w.kind.random(b.r)).
			sql("::", strings.Fields(b.w.kind.sqlType)[0], " FROM gone WHERE true").conflict().sql("DO NOTHING")
	}},
	{name: "select", make: func(b *draft) {
		b.sql("SELECT * FROM ", b.w.table, " WHERE ").mine("").sql(pick(b.r, "", " FOR UPDATE", " ORDER BY k"))
	}},
	{name: "select a row", make: func(b *draft) {
		b.sql("SELECT row_to_json(t), t.", b.w.value, " FROM ", b.w.table, " t WHERE ").mine("t.")
	}},
	{name: "join", make: func(b *draft) {
		b.sql("SELECT * FROM ", b.w.table, " a JOIN ", b.w.table, " b USING (k) WHERE ").sql(fmt.Sprintf("k BETWEEN %d AND %d", b.lo, b.lo+keys-1))
	}},
	{name: "aggregate", make: func(b *draft) {
		b.sql("SELECT count(*), count(t), min(t.n) FROM ", b.w.table, " t WHERE ").mine("t.").sql(" AND t.", b.w.value, " IS NOT NULL")
	}},
	{name: "copy out", simple: true, make: func(b *draft) {
		b.sql("COPY (SELECT * FROM ", b.w.table, " WHERE ").mine("").sql(" ORDER BY g, k) TO STDOUT", pick(b.r, "", " (FORMAT csv)", " (FORMAT binary)"))
	}},
	{name: "create table as", simple: true, make: func(b *draft) {
		b.sql("CREATE TEMP TABLE copied AS SELECT * FROM ", b.w.table, " WHERE ").mine("").sql("; TABLE copied; DROP TABLE copied")
	}},
	{name: "division by zero", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
		b.sql(" AND 1 / (n - 3) > 0")
	}},
	{name: "cast error", make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = CAST('{' AS ", pick(b.r, "jsonb", "boolean", "int"), ") WHERE ").where("", b.k())
	}},
	{name: "check violation", writes: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET n = 901, ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
	}},
	{name: "not null violation", writes: true, make: func(b *draft) {
		b.insert().sql("VALUES (NULL, ").arg(intValue(b.k())).sql(", 1, ").value().sql(")")
	}},
	{name: "unknown column", make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(", nothing = 1 WHERE ").where("", b.k())
	}},
	{name: "syntax error", make: func(b *draft) { b.sql("UPDATE ", b.w.table, " SET WHERE 'ü' AND k = 1") }},
	{name: "two statements", writes: true, simple: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
		b.sql("; SELECT 1; ").insert().sql("VALUES ").row().sql(pick(b.r, "", ";", " ON CONFLICT DO NOTHING; DELETE FROM "+b.w.table+" WHERE k = "+fmt.Sprint(b.k())))
	}},
	{name: "merge", since: 150000, tableOnly: true, writes: true, make: func(b *draft) {
		b.sql("MERGE INTO ", b.w.table, " t USING (VALUES (").arg(intValue(b.k())).sql("::int), (", fmt.Sprint(b.lo), ")) AS v (k) ON v.k = t.k WHEN MATCHED AND t.n = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET ", b.w.value, " = ").changed("t.").
			sql(" WHEN NOT MATCHED THEN INSERT (k, ", b.w.value, ") VALUES (v.k, ").value().sql(")")
	}},
	{name: "do", writes: true, only: guardedOnly, make: func(b *draft) {
		b.params = false
		b.sql("DO $do$ BEGIN UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
		b.sql("; END $do$")
	}},
	{name: "prepare", writes: true, simple: true, make: func(b *draft) {
		b.sql("PREPARE q AS UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
		b.sql(" RETURNING k; EXECUTE q; DEALLOCATE q")
	}},
	{name: "prepare a name", writes: true, simple: true, make: prepareName},
	{name: "execute a name", make: executeName},
	{name: "execute a name again", make: executeName},
	{name: "execute names", simple: true, make: func(b *draft) {
		executeName(b)
		b.sql("; ")
		executeName(b)
	}},
	{name: "deallocate", simple: true, make: func(b *draft) {
		b.sql(pick(b.r, "DEALLOCATE ", "DEALLOCATE ", "DEALLOCATE PREPARE ", "SELECT 1; DEALLOCATE ")).preparedName()
		if b.r.Intn(3) == 0 {
			b.sql("; ")
			prepareName(b)
		}
	}},
	{name: "deallocate all", simple: true, make: func(b *draft) { b.sql(pick(b.r, "DEALLOCATE ALL", "DISCARD ALL")) }},
	{name: "copy in", tableOnly: true, writes: true, only: copiesIn, make: func(b *draft) {
		b.params = false
		b.sql("COPY ", b.w.table, pick(b.r, " (g, k, n, s, "+b.w.value+")", ""), " FROM STDIN", pick(b.r, "", "", " WHERE n = 2 AND k % 2 = 0", " WHERE n IS NULL"))
	}, copy: func(b *draft) string {
		v := b.w.kind.random(b.r)
		text, rows := `\N`, 1
		if v.text != nil {
			text, rows = strings.ReplaceAll(string(v.text), `\`, `\\`), 1+b.r.Intn(3)
		}
		var data strings.Builder
		for range rows {
			k := b.k()
			fmt.Fprintf(&data, "%d\t%d\t2\t%d\t%s", group(k), k, b.lo, text)
			if strings.Contains(b.text.String(), "(g") {
				data.WriteString("\n")
				continue
			}
			data.WriteString(strings.Repeat("\tx", b.w.copied-5) + "\n")
		}
		return data.String()
	}},
	{name: "copy a write out", writes: true, simple: true, make: func(b *draft) {
		b.sql("COPY (UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(", n = 1 WHERE ").where("", b.k())
		b.sql(" RETURNING ", pick(b.r, "*", "k, n + 1 AS m"), ") TO STDOUT", pick(b.r, "", " (FORMAT csv, HEADER)"))
	}},
	{name: "create table as with", writes: true, simple: true, make: func(b *draft) {
		b.sql("CREATE TEMP TABLE copied AS WITH w AS (UPDATE ", b.w.table, " SET ", b.w.value, " = ").changed("").sql(" WHERE ").mine("").
			sql(" RETURNING *) SELECT * FROM w; SELECT count(*) FROM copied; DROP TABLE copied")
	}},
}
