package rewrite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// rowsByKeys makes the new rows of the keys in the settings what up yields.
func (b *block) rowsByKeys(s syncText) {
	b.takeKeys(s)
	b.rowsOfKeys(s)
}

// rowsOfKeys makes the new rows of the keys in k0.. what up yields.
func (b *block) rowsOfKeys(s syncText) {
	b.keepLastval(s.draws(), func() { b.forward(s, func() { b.rows(s) }) })
}

func (b *block) rows(s syncText) {
	b.guard(s)
	if s.lossy() {
		b.line("IF %s THEN", writtenBack(s.Rule.Name))
		b.inPlace(s, syncText.rowsPairedByLaw, syncText.rowsPairedByLaw)
		b.line("ELSE")
	}
	b.inPlace(s, syncText.rowsPaired, syncText.rowsPaired)
	if s.lossy() {
		b.line("END IF;")
	}
	b.demandRows(s)
}

// inPlace runs a statement, and then one that pairs rows where the first says that
// a row which it has inserted stands before one that was there, be it one of another
// key: the sequence may lag behind a primary key that an application has given itself,
// and have numbers cached by session.
func (b *block) inPlace(s syncText, text, paired func(s syncText) string) {
	b.variable("late", "boolean")
	b.statement(s, label+".late", text)
	b.line("IF %s.late THEN", label)
	b.statement(s, label+".late", paired)
	b.line("END IF;")
}

// demandRows fails where a trigger of the user has seen to it that new rows are
// not what up yields.
func (b *block) demandRows(s syncText) {
	if len(s.New.Triggers) > 0 {
		b.raise(s, syncText.rowsKept, "27000", "a trigger of "+s.New.Name.String()+" has kept the new shape from being written", "Let the trigger leave rows as they are written.")
	}
}

// rowsByRow is rowsByKeys for one old row, which is in the arguments. Where no
// row has to go, rows are paired by place, and the costly plan that can do
// everything is not needed: most of the cost of a statement that touches a few
// rows is in setting up the nodes of its plan.
func (b *block) rowsByRow(s syncText) {
	b.guard(s)
	var have, into []string
	for i, k := range s.New.Key {
		b.variable(fmt.Sprintf("pk%d", i), s.New.Column(k).Type+"[]")
		into = append(into, fmt.Sprintf("%s.pk%d", label, i))
		have = append(have, fmt.Sprintf("ARRAY(SELECT t.%s FROM %s t WHERE %s ORDER BY %s)", Ident(k), QName(s.Rule.New.Table),
			s.onParents("t", s.keyArgument), list(s.New.Key, func(_ int, k string) string { return "t." + Ident(k) })))
	}
	b.variable("want", "bigint")
	if s.lossy() {
		b.variable("holds", "boolean")
		b.line("IF %s THEN", writtenBack(s.Rule.Name))
		b.statement(s, label+".holds", func(s syncText) string { return "SELECT " + s.downHolds(s.keyArgument, s.argument) })
		b.line("IF %s.holds THEN", label)
		b.done()
		b.line("END IF;")
		b.line("END IF;")
	}
	b.statement(s, strings.Join(append(into, label+".want"), ", "), func(s syncText) string {
		return fmt.Sprintf("SELECT %s, %s", strings.Join(have, ", "), s.count())
	})
	b.line("IF %s.want OPERATOR(pg_catalog.<) pg_catalog.cardinality(%[1]s.pk0) THEN", label)
	b.keepLastval(s.draws(), func() { b.inPlace(s, syncText.rowsPaired, syncText.rowsPaired) })
	b.demandRows(s)
	b.done()
	b.line("END IF;")
	b.line("IF pg_catalog.cardinality(%s.pk0) OPERATOR(pg_catalog.>) 0 THEN", label)
	b.keepLastval(s.newTriggered(), func() { b.statement(s, "", syncText.rowsUpdate) })
	b.line("END IF;")
	b.line("IF %s.want OPERATOR(pg_catalog.>) pg_catalog.cardinality(%[1]s.pk0) THEN", label)
	b.keepLastval(s.draws(), func() { b.inPlace(s, syncText.rowsAppend, syncText.rowsPaired) })
	b.line("END IF;")
	b.demandRows(s)
}

// rowsFresh inserts the new rows of one old row, which is in the arguments and
// has none. It needs no guard: it looks at nothing that is in the database.
func (b *block) rowsFresh(s syncText) {
	b.keepLastval(s.draws(), func() { b.statement(s, "", syncText.rowsInsert) })
	b.demandRows(s)
}

// rowsInsert inserts what up yields for the row in the arguments.
func (s syncText) rowsInsert() string {
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM (%s) u(%s)", QName(s.Rule.New.Table), s.insertColumns(),
		s.parentsThen(s.keyArgument, func(_ int, name string) string { return "u." + Ident(name) }), s.upRows(), s.upNames())
}

// upRows is the query of up over the row in the arguments.
func (s syncText) upRows() string { return s.up[0].render(s.argument) }

// upNames are the columns that up yields; in a query over arguments they have no names.
func (m *Migration) upNames() string {
	return list(m.UpColumns(), func(_ int, name string) string { return Ident(name) })
}

func (s syncText) keyArgument(i int) string { return s.argument(s.Key[i].Name) }

// count is how many rows up yields for the row in the arguments.
func (s syncText) count() string {
	typed := s
	typed.probe = true // then arguments have their types
	if _, ok := elements(typed.upRows()); ok {
		e, _ := elements(s.upRows())
		return e.count
	}
	return "(SELECT count(*) FROM (" + s.upRows() + ") u)"
}

// desired is a query of what up yields for the row in the arguments, numbered.
func (s syncText) desired() string {
	n, rows, names := "row_number() OVER ()", s.upRows(), s.upNames()
	if e, _ := elements(rows); e.numbered != "" {
		n, rows, names = "u."+numberColumn, e.numbered, names+", "+numberColumn
	}
	return fmt.Sprintf("SELECT %s, %s AS n FROM (%s) u(%s)", list(s.UpColumns(), func(i int, name string) string {
		return fmt.Sprintf("(u.%s)::%s AS c%d", Ident(name), CastType(s.New.Column(name)), i)
	}), n, rows, names)
}

// rowsUpdate updates the rows that have a place among the desired ones. That their
// numbers are in range is not said for what it does: Postgres takes a function for one
// of 100 rows, and a condition with two bounds for one that leaves next to none. With
// 100 it would rather scan a table of some thousand rows.
func (s syncText) rowsUpdate() string {
	cols := s.UpColumns()
	target := make([]string, len(s.New.Key))
	for i, k := range s.New.Key {
		target[i] = fmt.Sprintf("t.%s = (%s)[d.n]", Ident(k), s.there(i))
	}
	return fmt.Sprintf("UPDATE %s t SET %s FROM (%s) d WHERE d.n >= 1 AND d.n <= cardinality(%s) AND %s AND (%s)", QName(s.Rule.New.Table),
		list(cols, func(i int, name string) string { return fmt.Sprintf("%s = d.c%d", Ident(name), i) }),
		s.desired(), s.there(0), strings.Join(target, " AND "), s.differs())
}

// there is the array of column i of the primary keys that the key has.
func (s syncText) there(i int) string {
	return s.variable(fmt.Sprintf("pk%d", i), s.New.Column(s.New.Key[i]).Type+"[]")
}

// differs is true where a column of t has another image than that of d. Where
// equal values look alike, comparing values does it, and costs less.
func (s syncText) differs() string {
	var conditions, theirs, ours []string
	for i, name := range s.UpColumns() {
		t, d := "t."+Ident(name), fmt.Sprintf("d.c%d", i)
		switch column := s.New.Column(name); {
		case column.Sameness == catalog.ByValue:
			if column.Collation != 0 {
				t += ` COLLATE "C"`
			}
			conditions = append(conditions, fmt.Sprintf("(((%s = %s) IS NOT TRUE) AND (%s IS NOT NULL OR %s IS NOT NULL))", t, d, t, d))
		case column.Sameness == catalog.ByParts:
			conditions = append(conditions, Sameness{column: column}.Differ(t, d))
		default:
			theirs, ours = append(theirs, t), append(ours, d)
		}
	}
	if len(theirs) > 0 {
		conditions = append(conditions, fmt.Sprintf("ROW(%s)::record *<> ROW(%s)::record", strings.Join(theirs, ", "), strings.Join(ours, ", ")))
	}
	return strings.Join(conditions, " OR ")
}

// rowsAppend inserts the desired rows that have no place among those there are,
// and is true where one stands before the last of those.
func (s syncText) rowsAppend() string {
	pk := Ident(s.New.Key[0])
	there := s.there(0)
	return fmt.Sprintf("WITH ins AS (INSERT INTO %s AS t (%s) SELECT %s FROM (%s) d WHERE d.n > cardinality(%s) ORDER BY d.n RETURNING t.%s)"+
		" SELECT coalesce(min(ins.%[6]s) < (%[5]s)[cardinality(%[5]s)], false) FROM ins", QName(s.Rule.New.Table), s.insertColumns(),
		s.parentsThen(s.keyArgument, func(i int, _ string) string { return fmt.Sprintf("d.c%d", i) }), s.desired(), there, pk)
}

// rowsPaired compares, key by key, the rows that up yields (d) with the rows that
// are there (c), and touches only what differs.
//
// Rows are paired by place: the n-th row that up yields with the n-th row by
// primary key, so that ORDER BY the primary key always gives up's order. Where
// rows went away and those that are left are, in order, all there, they are
// paired by content instead, so that each keeps its primary key.
func (s syncText) rowsPaired() string { return s.paired("") }

// rowsPairedByLaw leaves out the keys whose old columns down gives back.
func (s syncText) rowsPairedByLaw() string {
	return s.paired(" AND NOT (" + s.downHolds(oldKey(s.Migration), func(c string) string { return "old." + Ident(c) }) + ")")
}

func (s syncText) paired(condition string) string {
	m := s.Migration
	cols := m.UpColumns()
	c := func(alias string) string {
		return list(cols, func(i int, _ string) string { return fmt.Sprintf("%s.c%d", alias, i) })
	}
	defs := list(cols, func(i int, name string) string { return fmt.Sprintf("c%d %s", i, CastType(m.New.Column(name))) })
	key := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("o.p%d", i) })

	keys := list(m.Key, func(i int, k KeyColumn) string { return fmt.Sprintf("old.%s AS p%d", Ident(k.Name), i) })
	up, from := m.UpSQL(0, "old"), ""
	if s.byRow {
		keys = list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("%s AS p%d", s.keyArgument(i), i) })
		up = s.upRows()
	} else {
		relations, where := s.oldRows()
		from = " FROM " + relations + " WHERE " + where + condition
	}
	o := fmt.Sprintf("o AS MATERIALIZED (SELECT %s, (SELECT array_agg(ROW(%s)) FROM (%s) u(%s)) AS da%s)", keys, m.castUp("u"), up, m.upNames(), from)

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
	j := fmt.Sprintf("j AS MATERIALIZED (SELECT %s, d.n, %s, %s, %s AS diff FROM (%s) d FULL JOIN (%s) c ON %s AND c.n = d.n)",
		list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("d.p%d", i) }), c("d"),
		list(m.New.Key, func(i int, _ string) string { return fmt.Sprintf("c.pk%d", i) }),
		m.RowsDiffer("c", "d"), d, current, strings.Join(same, " AND "))

	target := make([]string, len(m.New.Key))
	for i, k := range m.New.Key {
		target[i] = fmt.Sprintf("t.%s = j.pk%d", Ident(k), i)
	}
	onTarget := strings.Join(target, " AND ")
	set := list(cols, func(i int, name string) string { return fmt.Sprintf("%s = j.c%d", Ident(name), i) })
	return fmt.Sprintf("WITH %s, %s, del AS (DELETE FROM %s t USING j WHERE %s AND j.n IS NULL)"+
		", upd AS (UPDATE %[3]s t SET %[5]s FROM j WHERE %[4]s AND j.diff AND j.n IS NOT NULL)"+
		", ins AS (INSERT INTO %[3]s AS t (%[6]s) SELECT %[7]s FROM j WHERE j.pk0 IS NULL ORDER BY %[8]s, j.n RETURNING t.%[9]s)"+
		" SELECT coalesce((SELECT min(ins.%[9]s) FROM ins) < (SELECT max(j.pk0) FROM j), false)",
		o, j, QName(m.Rule.New.Table), onTarget, set, m.insertColumns(),
		m.parentsThen(func(i int) string { return fmt.Sprintf("j.p%d", i) }, func(i int, _ string) string { return fmt.Sprintf("j.c%d", i) }),
		list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("j.p%d", i) }), Ident(m.New.Key[0]))
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

// parentsThen lists values for insertColumns.
func (m *Migration) parentsThen(key func(i int) string, column func(i int, name string) string) string {
	return list(m.Rule.New.Parents, func(_ int, p rules.Parent) string { return key(m.keyIndex(p.Old)) }) + ", " + list(m.UpColumns(), column)
}
