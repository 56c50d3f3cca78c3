package rewrite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgjanus/pgjanus/rules"
)

// rowsSync compares, key by key, the rows that up yields (d) with the rows that
// are there (c), and touches only what differs.
//
// Rows are paired by place: the n-th row that up yields with the n-th row by
// primary key, so that ORDER BY the primary key always gives up's order. Where
// rows went away and those that are left are, in order, all there, they are
// paired by content instead, so that each keeps its primary key.
func (s syncText) rowsSync() string {
	m := s.Migration
	cols := m.UpColumns()
	n := len(cols)
	c := func(alias string) string {
		return list(cols, func(i int, _ string) string { return fmt.Sprintf("%s.c%d", alias, i) })
	}
	defs := list(cols, func(i int, name string) string { return fmt.Sprintf("c%d %s", i, CastType(m.New.Column(name))) })
	key := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("p%d", i) })

	from, where := s.oldRows()
	o := fmt.Sprintf("o AS MATERIALIZED (SELECT %s, (SELECT array_agg(ROW(%s)) FROM (%s) u) AS da FROM %s WHERE %s AND %s)",
		list(m.Key, func(i int, k KeyColumn) string { return fmt.Sprintf("old.%s AS p%d", Ident(k.Name), i) }),
		m.castUp("u"), m.UpSQL(0, "old"), from, where, s.guard())

	d := fmt.Sprintf("SELECT %s, u.n, %s FROM o, ROWS FROM (unnest(o.da) AS (%s)) WITH ORDINALITY u(%s, n)",
		key, c("u"), defs, list(cols, func(i int, _ string) string { return fmt.Sprintf("c%d", i) }))

	current := fmt.Sprintf("SELECT %s, %s, %s, %s AS n FROM o, %s t WHERE %s WINDOW w AS (PARTITION BY %s ORDER BY %s ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
		key,
		list(m.New.Key, func(i int, k string) string { return fmt.Sprintf("t.%s AS pk%d", Ident(k), i) }),
		list(cols, func(i int, name string) string { return fmt.Sprintf("t.%s AS c%d", Ident(name), i) }),
		m.place(), QName(m.Rule.New.Table), m.onParents("t", func(i int) string { return fmt.Sprintf("o.p%d", i) }),
		key, list(m.New.Key, func(_ int, k string) string { return "t." + Ident(k) }))

	same := make([]string, 0, len(m.Key)+1)
	for i := range m.Key {
		same = append(same, fmt.Sprintf("c.p%d = d.p%d", i, i))
	}
	j := fmt.Sprintf("j AS MATERIALIZED (SELECT %s, d.n, %s, %s, ROW(%s)::record *<> ROW(%s)::record AS diff FROM (%s) d FULL JOIN (%s) c ON %s AND c.n = d.n)",
		list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("d.p%d", i) }), c("d"),
		list(m.New.Key, func(i int, _ string) string { return fmt.Sprintf("c.pk%d", i) }),
		c("c"), c("d"), d, current, strings.Join(same, " AND "))

	target := make([]string, len(m.New.Key))
	for i, k := range m.New.Key {
		target[i] = fmt.Sprintf("t.%s = j.pk%d", Ident(k), i)
	}
	onTarget := strings.Join(target, " AND ")
	set := list(cols, func(i int, name string) string { return fmt.Sprintf("%s = j.c%d", Ident(name), i) })
	del := fmt.Sprintf("del AS (DELETE FROM %s t USING j WHERE %s AND j.n IS NULL)", QName(m.Rule.New.Table), onTarget)
	upd := fmt.Sprintf("upd AS (UPDATE %s t SET %s FROM j WHERE %s AND j.diff AND j.n IS NOT NULL)", QName(m.Rule.New.Table), set, onTarget)
	ins := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM j WHERE j.pk0 IS NULL ORDER BY %s, j.n",
		QName(m.Rule.New.Table), m.insertColumns(), m.parentsThen(func(i int) string { return fmt.Sprintf("j.p%d", i) }, n, "j"),
		list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("j.p%d", i) }))
	return s.statement(ins, o, j, del, upd)
}

// matchLimit is up to how many rows of a key are paired by content.
const matchLimit = 256

// place is the number of the desired row that a current row t of key o is
// paired with: its own number by primary key, unless rows went away and those
// that are left are all there, in order; then that of the row with its content.
func (m *Migration) place() string {
	if !m.comparable() {
		return "row_number() OVER w"
	}
	match := fmt.Sprintf("array_position(o.da, ROW(%s))", list(m.UpColumns(), func(_ int, name string) string { return "t." + Ident(name) }))
	numbers := make([]string, matchLimit)
	for i := range numbers {
		numbers[i] = strconv.Itoa(i + 1)
	}
	return fmt.Sprintf("CASE WHEN cardinality(o.da) <= %d AND count(*) OVER w > cardinality(o.da)"+
		" AND array_remove(array_agg(%s) OVER w, NULL) = ('{%s}'::int[])[1:cardinality(o.da)] THEN %s ELSE row_number() OVER w END",
		matchLimit, "CASE WHEN cardinality(o.da) <= "+strconv.Itoa(matchLimit)+" THEN "+match+" END", strings.Join(numbers, ","), match)
}

// rowsFresh inserts the new rows of keys that have none.
func (s syncText) rowsFresh() string {
	m := s.Migration
	from, where := s.oldRows()
	values := []string{list(m.Rule.New.Parents, func(_ int, p rules.Parent) string { return "old." + Ident(p.Old) })}
	for _, c := range m.UpColumns() {
		values = append(values, "u."+Ident(c))
	}
	condition := where + " AND " + s.guard()
	if s.One {
		// The key may be that of an earlier statement of the transaction.
		condition += fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s t WHERE %s)", QName(m.Rule.New.Table),
			m.onParents("t", func(i int) string { return "old." + Ident(m.Key[i].Name) }))
	}
	return s.statement(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s, LATERAL (%s) u WHERE %s",
		QName(m.Rule.New.Table), m.insertColumns(), strings.Join(values, ", "), from, m.UpSQL(0, "old"), condition))
}

// castUp lists up's columns, read from alias, as the new table's types.
func (m *Migration) castUp(alias string) string {
	return list(m.UpColumns(), func(_ int, name string) string {
		return fmt.Sprintf("(%s.%s)::%s", alias, Ident(name), CastType(m.New.Column(name)))
	})
}

// comparable reports whether every up column has an equality operator.
func (m *Migration) comparable() bool {
	for _, name := range m.UpColumns() {
		if !m.New.Column(name).Equality {
			return false
		}
	}
	return true
}

// onParents equates the parent columns of new rows named alias with key columns.
func (m *Migration) onParents(alias string, key func(i int) string) string {
	parts := make([]string, 0, len(m.Rule.New.Parents))
	for _, p := range m.Rule.New.Parents {
		parts = append(parts, fmt.Sprintf("%s.%s = %s", alias, Ident(p.New), key(m.keyIndex(p.Old))))
	}
	return strings.Join(parts, " AND ")
}

func (m *Migration) keyIndex(column string) int {
	for i, k := range m.Key {
		if k.Name == column {
			return i
		}
	}
	panic("BUG: parent of a column that is not in the key: " + column)
}

func (m *Migration) insertColumns() string {
	names := make([]string, 0, len(m.Rule.New.Parents)+len(m.Rule.Up))
	for _, p := range m.Rule.New.Parents {
		names = append(names, Ident(p.New))
	}
	for _, c := range m.UpColumns() {
		names = append(names, Ident(c))
	}
	return strings.Join(names, ", ")
}

func (m *Migration) parentsThen(key func(i int) string, columns int, alias string) string {
	values := make([]string, 0, len(m.Rule.New.Parents)+columns)
	for _, p := range m.Rule.New.Parents {
		values = append(values, key(m.keyIndex(p.Old)))
	}
	for i := range columns {
		values = append(values, fmt.Sprintf("%s.c%d", alias, i))
	}
	return strings.Join(values, ", ")
}
