package test

import (
	"fmt"
	"math/rand"
	"strings"
)

// newShape are the statements of an application that knows the new shape. They have
// no counterpart without the migration, so that what is said of them is that
// both shapes agree.
func newShape(w *world) []template {
	switch {
	case !w.down:
		return nil
	case w.children != "":
		return newRows
	}
	return newColumn
}

// richer is a value of the new column, which may say more than an old one.
func (b *draft) richer() *draft {
	switch b.w.kind.oid {
	case oidBool:
		return b.arg(textValue(pick(b.r, "on", "off", "paused", "paused", "wrong")))
	case oidInt4:
		return b.arg(intValue(b.r.Intn(9) - 4))
	}
	return b.arg(textValue(word(b.r)))
}

var newColumn = []template{
	{name: "new: update", tableOnly: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.column, " = ").richer().sql(" WHERE ").where("", b.k())
	}},
	{name: "new: update with an expression", tableOnly: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " t SET n = t.n + 1, ", b.w.column, " = (SELECT max(o.", b.w.column, ") FROM ", b.w.table, " o WHERE o.k > t.k) WHERE ").where("t", b.k())
	}},
	{name: "new: update of both", tableOnly: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET ", b.w.column, " = ").richer().sql(", ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
	}},
	{name: "new: update of the key", tableOnly: true, make: func(b *draft) {
		b.sql("UPDATE ", b.w.table, " SET k = ").arg(intValue(b.k())).sql(", ", b.w.column, " = ").richer().sql(" WHERE ").where("", b.k())
	}},
	{name: "new: insert", tableOnly: true, make: func(b *draft) {
		k := b.k()
		b.sql(fmt.Sprintf("INSERT INTO %s (g, k, %s) VALUES (%d, %d, ", b.w.table, b.w.column, group(k), k)).richer().sql(")")
	}},
	{name: "new: upsert", tableOnly: true, make: func(b *draft) {
		k := b.k()
		b.sql(fmt.Sprintf("INSERT INTO %s (g, k, %s) VALUES (%d, %d, ", b.w.table, b.w.column, group(k), k)).richer().sql(")").conflict().
			sql("DO UPDATE SET ", b.w.column, " = excluded.", b.w.column)
	}},
	{name: "new: insert of both", tableOnly: true, make: func(b *draft) {
		k := b.k()
		b.sql(fmt.Sprintf("INSERT INTO %s (g, k, %s, %s) VALUES (%d, %d, ", b.w.table, b.w.value, b.w.column, group(k), k)).value().sql(", ").richer().sql(") ON CONFLICT DO NOTHING")
	}},
	{name: "new: write in with", tableOnly: true, make: func(b *draft) {
		b.sql("WITH w AS (UPDATE ", b.w.table, " SET ", b.w.column, " = ").richer().sql(" WHERE ").where("", b.k())
		b.sql(" RETURNING k) UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE k NOT IN (SELECT k FROM w) AND ").where("", b.k())
	}},
}

// parent is a list of the parent columns, or of values for them.
func (b *draft) parent(k int) (columns, values string) {
	if len(b.w.key) > 1 {
		return "og, ok", fmt.Sprintf("%d, %d", group(k), k)
	}
	return "ok", fmt.Sprint(k)
}

// family is a condition that holds for the new rows of one key.
func (b *draft) family(alias string) string {
	columns, values := b.parent(b.k())
	return fmt.Sprintf("(%s%s) = (%s)", alias, strings.ReplaceAll(columns, ", ", ", "+alias), values)
}

var newRows = []template{
	{name: "new rows: insert", make: func(b *draft) {
		columns, values := b.parent(b.k())
		b.sql("INSERT INTO ", b.w.children, " (", columns, ", sku, qty) VALUES (", values, ", ").arg(textValue(word(b.r))).sql(", ").arg(intValue(b.r.Intn(4))).sql(")")
	}},
	{name: "new rows: update", make: func(b *draft) {
		b.sql("UPDATE ", b.w.children, " c SET ", pick(b.r, "qty = c.qty + 1", "sku = c.sku || 'x'", "qty = c.qty", "sku = ''"), " WHERE ", b.family("c."))
	}},
	{name: "new rows: update of another parent", make: func(b *draft) {
		columns, values := b.parent(b.k())
		b.sql("UPDATE ", b.w.children, " SET (", columns, ") = ROW (", values, ") WHERE ", b.family(""), " AND qty = 1")
	}},
	{name: "new rows: delete", make: func(b *draft) {
		b.sql("DELETE FROM ", b.w.children, " WHERE ", b.family(""), pick(b.r, "", " AND qty IS NULL", " AND sku > 'b'"))
	}},
	{name: "new rows: insert a query", make: func(b *draft) {
		columns, values := b.parent(b.k())
		b.sql("INSERT INTO ", b.w.children, " (", columns, ", sku, qty) SELECT ", values, ", sku, qty FROM ", b.w.children, " WHERE ", b.family(""))
	}},
	{name: "new rows: both tables", make: func(b *draft) {
		b.sql("WITH w AS (DELETE FROM ", b.w.children, " WHERE ", b.family(""), " RETURNING sku) UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").where("", b.k())
	}},
	{name: "new rows: and n", make: func(b *draft) {
		b.sql("WITH w AS (UPDATE ", b.w.children, " SET qty = 2 WHERE ", b.family(""), " RETURNING sku) UPDATE ", b.w.table, " SET n = (SELECT count(*) FROM w) WHERE ").where("", b.k())
	}},
}

// second adds a migration of column s to the world.
func (w *world) second(r *rand.Rand, head, rule, table string) {
	up := pick(r, "upper(old.s)", "coalesce(old.s, '-')")
	w.expand += fmt.Sprintf("; ALTER TABLE %s ADD COLUMN shouted text", table)
	w.rules += strings.Replace(strings.TrimPrefix(head, "migrations:\n"), "name: m", "name: m2", 1) +
		fmt.Sprintf("    kind: columns\n    old: {table: %s, key: [%s], columns: [s]}\n    new: {table: %[1]s, columns: [shouted]}\n    up: {shouted: %[3]q}\n", rule, strings.Join(w.key, ", "), up)
}
