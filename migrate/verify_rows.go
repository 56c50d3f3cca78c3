package migrate

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// imageLength is how much of a row a reason shows, in characters.
const imageLength = 160

// rowsDrift compares, for the old rows that within selects, what up yields, in
// its order, with the new rows in the order of their primary key. Rows are
// compared by their images: equal is not enough, 1.0 is not 1.00. A key whose old
// columns are what down says of its new rows has no drift: those may hold more.
func (v *verifier) rowsDrift(within string) string {
	m := v.m
	columns := m.UpColumns()
	list := func(f func(i int, name string) string) string {
		parts := make([]string, len(columns))
		for i, name := range columns {
			parts[i] = f(i, name)
		}
		return strings.Join(parts, ", ")
	}
	key := v.keys.each(", ", func(i int, c rewrite.KeyColumn) string { return fmt.Sprintf("old.%s AS p%d", rewrite.Ident(c.Name), i) })
	oldKey := v.keys.each(", ", func(_ int, c rewrite.KeyColumn) string { return "old." + rewrite.Ident(c.Name) })
	plain := list(func(i int, _ string) string { return fmt.Sprintf("c%d", i) })
	cast := list(func(i int, name string) string {
		return fmt.Sprintf("u.c%d::%s AS c%d", i, rewrite.CastType(m.New.Column(name)), i)
	})
	stored := list(func(i int, name string) string { return fmt.Sprintf("t.%s AS c%d", rewrite.Ident(name), i) })
	primary := make([]string, len(m.New.Key))
	for i, name := range m.New.Key {
		primary[i] = "t." + rewrite.Ident(name)
	}
	same := v.keys.each(" AND ", func(i int, _ rewrite.KeyColumn) string { return fmt.Sprintf("w.p%d = h.p%d", i, i) })
	shown := "ARRAY[" + v.keys.each(", ", func(i int, _ rewrite.KeyColumn) string { return fmt.Sprintf("coalesce(w.p%d, h.p%d)::text", i, i) }) + "]"
	image := func(alias string) string {
		row := "ROW(" + list(func(i int, _ string) string { return fmt.Sprintf("%s.c%d", alias, i) }) + ")"
		return fmt.Sprintf("CASE WHEN %s.n IS NULL THEN 'nothing' ELSE pg_catalog.left(%s::text, %d) END", alias, row, imageLength)
	}
	lost := v.keys.each(", ", func(i int, _ rewrite.KeyColumn) string { return fmt.Sprintf("coalesce(w.p%d, h.p%d) AS p%d", i, i, i) })
	group := v.keys.each(", ", func(i int, _ rewrite.KeyColumn) string { return fmt.Sprintf("p%d", i) })
	return fmt.Sprintf(`
WITH o AS MATERIALIZED (SELECT old.* FROM %s old WHERE %s),
w AS (SELECT %s, x.* FROM o old, LATERAL (SELECT u.n, %s FROM (SELECT pg_catalog.row_number() OVER () AS n, q.* FROM (%s) q(%s)) u) x),
h AS (SELECT %s, pg_catalog.row_number() OVER (PARTITION BY %s ORDER BY %s) AS n, %s FROM o old JOIN %s t ON %s)
SELECT k, why FROM (
	SELECT k, %s, pg_catalog.format('row %%s: up gives %%s, the new table has %%s (%%s of its rows differ)',
		pg_catalog.min(n), (pg_catalog.array_agg(up ORDER BY n))[1], (pg_catalog.array_agg(there ORDER BY n))[1], pg_catalog.count(*)) AS why
	FROM (SELECT %s AS k, %s, coalesce(w.n, h.n) AS n, %s AS up, %s AS there FROM w FULL JOIN h ON %s AND w.n = h.n
		WHERE w.n IS NULL OR h.n IS NULL OR %s) d
	GROUP BY k, %s) g%s
ORDER BY k`,
		v.table, within,
		key, cast, m.UpSQL(0, "old"), plain,
		key, oldKey, strings.Join(primary, ", "), stored, rewrite.QName(m.Rule.New.Table), v.onParents("t", "old"),
		group, shown, lost, image("w"), image("h"), same, m.RowsDiffer("w", "h"), group, v.excused())
}

// excused leaves out the drifting keys g whose old columns down gives back.
func (v *verifier) excused() string {
	old := v.m.Rule.Old.Columns
	conditions := make([]string, len(old))
	for i, name := range old {
		down := v.m.DownSQL(i, "new")
		if down == "" {
			return ""
		}
		same := v.m.DownSameness(i)
		down = fmt.Sprintf("WITH new AS (SELECT t.* FROM %s t WHERE %s) (%s)", rewrite.QName(v.m.Rule.New.Table), v.onParents("t", "old"), down)
		conditions[i] = same.Same(same.Value(down), "old."+rewrite.Ident(name))
	}
	same := v.keys.each(" AND ", func(i int, c rewrite.KeyColumn) string {
		return fmt.Sprintf("old.%s = g.p%d", rewrite.Ident(c.Name), i)
	})
	return fmt.Sprintf(" WHERE NOT EXISTS (SELECT FROM o old WHERE %s AND %s)", same, strings.Join(conditions, " AND "))
}

// orphans finds new rows that belong to no old row, by their parent columns;
// one that is null belongs to none.
func (v *verifier) orphans() string {
	parents := make([]string, len(v.m.Rule.New.Parents))
	for i, c := range v.m.Key {
		for _, p := range v.m.Rule.New.Parents {
			if p.Old == c.Name {
				parents[i] = "coalesce(t." + rewrite.Ident(p.New) + "::text, 'NULL')"
			}
		}
	}
	return fmt.Sprintf(`SELECT ARRAY[%s], pg_catalog.format('%%s new rows have no old row', pg_catalog.count(*))
FROM %s t WHERE NOT EXISTS (SELECT FROM %s old WHERE %s) GROUP BY %[1]s`,
		strings.Join(parents, ", "), rewrite.QName(v.m.Rule.New.Table), v.table, v.onParents("t", "old"))
}

func (v *verifier) onParents(newRow, oldRow string) string {
	parts := make([]string, 0, len(v.m.Rule.New.Parents))
	for _, p := range v.m.Rule.New.Parents {
		parts = append(parts, fmt.Sprintf("%s.%s = %s.%s", newRow, rewrite.Ident(p.New), oldRow, rewrite.Ident(p.Old)))
	}
	return strings.Join(parts, " AND ")
}
