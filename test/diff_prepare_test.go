package test

import "fmt"

// What a session prepares by SQL, and executes in later steps: whether the name
// is there, and what it stands for, follows from the steps between.

func (b *draft) preparedName() *draft { return b.sql(pick(b.r, "q1", "Q2", "q3", `"Q 4"`)) }

// prepareName prepares a statement with one parameter, a number.
func prepareName(b *draft) {
	b.params = false
	b.sql("PREPARE ").preparedName().sql(pick(b.r, "", " (int)"), " AS ")
	switch b.r.Intn(8) {
	case 0:
		b.sql("INSERT INTO ", b.w.table, " (g, k, n, ", b.w.value, ") VALUES (1, ", fmt.Sprint(b.k()), ", $1, ").value().sql(")").conflict().
			sql(pick(b.r, "DO NOTHING", "DO UPDATE SET n = excluded.n + 1, "+b.w.value+" = excluded."+b.w.value)).returning("")
	case 1:
		b.sql("DELETE FROM ", b.w.table, " WHERE ").mine("").sql(" AND n = $1").returning("")
	case 2:
		b.sql("SELECT *, $1::int FROM ", b.w.table, " WHERE ").mine("")
	case 3:
		b.sql("WITH w AS (UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").mine("").sql(" AND n > $1 RETURNING k) SELECT count(*) FROM w")
	case 4:
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").changed("").sql(" WHERE ").mine("").sql(" AND n < $1").returning("")
	default:
		b.sql("UPDATE ", b.w.table, " SET ", b.w.value, " = ").value().sql(" WHERE ").mine("").sql(" AND n + 2 > $1").returning("")
	}
}

func executeName(b *draft) {
	b.params = false
	b.sql("EXECUTE ").preparedName().sql(" (", pick(b.r, "1", "2", "'3'", "4 + 1", "8"), ")")
}
