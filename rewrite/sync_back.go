package rewrite

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rules"
)

// The way back of kind rows: applications that know the new table write it, and
// the old columns of the old row become what down says of its new rows.
//
// The argument is that of every sync, with the roles turned round. Whoever
// writes either shape holds, before it reads what the other has become, the lock
// of the old row until its transaction ends; and it reads with a snapshot that
// is younger than the lock. Take N, who writes new rows of key k, and O, who
// writes the old row k:
//
//   - N writes, O holds the lock: N's function waits for it behind N's statement,
//     and sees the new rows as O's commit and N's statement left them.
//   - O writes, N holds the lock: O's own UPDATE waits, and its function sees N's
//     new rows and makes them what O has written.
//   - N and M write new rows of k: the second one's function waits for the first
//     one's commit, and sees the rows of both.
//   - Snapshots that do not move: locking a row that has a newer version raises
//     40001. So the function writes the old row even where nothing in it changes:
//     else two of N's kind, of which one's rows change nothing by themselves,
//     would not notice each other. Of the backfill, which only locks, the guard
//     knows.
//   - Deadlocks: N has its new rows before it asks for the old one, O has the old
//     one before it asks for new ones. So a statement of N's that writes rows which
//     are there locks their old rows first, in key order; see new_rows.go.
//
// Until the history has been filled there is no telling which new rows of a key
// are missing because nobody has filled them, and down would lose what they
// stand for. So before the first complete backfill such a write fails.

// BackSequence is the quoted name of a sequence that is drawn from by the first
// write of the new table that is carried back, or that its statement itself holds
// against the old one. Until then new rows are nothing but
// what up gave, the law of lossy maps excuses none, and syncs need not look: what
// down says costs about as much to find out as all else they do. Sequences do not
// wait for the transaction, so whoever can see such a row can see this.
func BackSequence(migration string) string { return "pgjanus." + Ident("back "+migration) }

// writtenBack is true once new rows have been written by those who know them.
func writtenBack(migration string) string {
	return "pg_catalog.pg_sequence_last_value(pg_catalog.to_regclass(" + Literal(BackSequence(migration)) + ")) IS NOT NULL"
}

// rowsBack makes the old columns of the keys in the settings what down says.
func (b *block) rowsBack(s syncText) {
	b.lockOld(s)
	b.demandFilled(s, fmt.Sprintf("%s cannot be written", s.New.Name))
	b.line("IF NOT (%s) THEN", writtenBack(s.Rule.Name))
	b.drawBack(s)
	b.line("END IF;")
	b.guard(s)
	b.demandOld(s)
	b.writeOld(s, syncText.rowsDown, syncText.rowsKept)
}

// rowsCheck fails where the keys in the settings disagree: for a statement that
// writes both shapes itself. It may have written new rows of keys whose old rows it
// has not, so those are locked here, and written where a lock would not be noticed.
func (b *block) rowsCheck(s syncText) {
	b.lockOld(s)
	b.guard(s)
	b.demandOld(s)
	b.raise(s, syncText.rowsKept, "23000", "what was written to "+s.Old.Name.String()+" contradicts what was written to "+s.New.Name.String(),
		"Write one of them, or both so that they agree.")
	b.line("IF NOT (%s) THEN", writtenBack(s.Rule.Name))
	b.whenKeys(s, syncText.moreThanUp, func() { b.drawBack(s) })
	b.line("END IF;")
	b.when(fixedSnapshot)
	b.writeOld(s, syncText.rowsDown, syncText.rowsKept)
	b.line("END IF;")
}

// lockOld takes the keys from the settings, locks their old rows, and counts those
// that are missing.
func (b *block) lockOld(s syncText) {
	b.takeKeys(s)
	b.demandParents(s)
	b.variable("missing", "bigint")
	b.statement(s, label+".missing", syncText.lockParents)
}

// demandOld fails for new rows whose old row is missing.
func (b *block) demandOld(s syncText) {
	b.line("IF %s.missing OPERATOR(pg_catalog.>) 0 THEN", label)
	b.raise(s, syncText.orphaned, "23503", fmt.Sprintf("a row of %s has no row in %s", s.New.Name, s.Old.Name), "Write the old row first.")
	b.line("END IF;")
}

// writeOld makes the old columns what down says, and where a trigger of the user for
// UPDATE has seen to it that some are not, fails.
func (b *block) writeOld(s syncText, down, kept func(s syncText) string) {
	b.keepLastval(s.triggered(onUpdate), func() {
		b.stirring(s, func() { b.statement(s, "", down) })
	})
	if s.triggered(onUpdate) {
		b.raise(s, kept, "27000", "a trigger of "+s.Old.Name.String()+" has kept the old shape from being written",
			"Let the trigger pass updates that change no column but "+quoted(s.Rule.Old.Columns)+".")
	}
}

// drawBack lets all syncs know that new rows may be more than what up gave.
func (b *block) drawBack(s syncText) {
	b.keepLastval(true, func() {
		b.line("PERFORM pg_catalog.nextval(%s::pg_catalog.regclass);", Literal(BackSequence(s.Rule.Name)))
	})
}

// demandFilled fails where the new shape of a key may be behind: there is a history
// that is not filled, or the key is dirty, whatever the rules now say of keys whose
// new shape cannot be written. Whoever writes the old shape alone, since the
// migration is off again, waits for the locks that are held here, or has had them
// before and is seen.
func (b *block) demandFilled(s syncText, cannot string) {
	b.raise(s, syncText.unfilled, "55000", cannot+" yet: the history is not filled",
		fmt.Sprintf("Run pgjanus backfill %s; or write %s of %s.", s.Rule.Name, quoted(s.Rule.Old.Columns), s.Old.Name))
	hint := fmt.Sprintf("Write %s of %s so that it is accepted.", quoted(s.Rule.Old.Columns), s.Old.Name)
	if !s.tolerant() {
		hint = fmt.Sprintf("Write %s of %s, and run pgjanus backfill %s --restart.", quoted(s.Rule.Old.Columns), s.Old.Name, s.Rule.Name)
	}
	b.raise(s, syncText.soiled, "55000", cannot+": for this key the new shape is behind the old one, which it did not accept", hint)
}

// demandParents fails for a new row that belongs to no old one.
func (b *block) demandParents(s syncText) {
	b.raise(s, syncText.parentless, "23502", fmt.Sprintf("a row of %s without %s has no place in the old shape", s.New.Name, parentColumns(s.Rule.New.Parents, true)),
		fmt.Sprintf("Give it, or set migration %q to off.", s.Rule.Name))
}

// unfilled is true until a backfill has gone through once since the migration
// was off or defined otherwise.
func (s syncText) unfilled() string {
	return fmt.Sprintf("NOT EXISTS (SELECT FROM pgjanus.migration f WHERE f.name = %s AND f.whole = f.generation)", Literal(s.Rule.Name))
}

// soiled is true where the new shape of one of the keys is known to be behind:
// down would lose what the old one has. A key is recorded as the old row spells it,
// and a new row may spell it otherwise: 1 for 1.0, or in another case.
func (s syncText) soiled() string {
	from, where := s.oldRows()
	key := list(s.Key, func(_ int, k KeyColumn) string { return k.Text("old." + Ident(k.Name)) })
	return fmt.Sprintf("EXISTS (SELECT FROM %s WHERE %s AND pgjanus.soiled(%s, ARRAY[%s]))", from, where, Literal(s.Rule.Name), key)
}

// parentless is true where a new row was written whose parent columns are null.
func (s syncText) parentless() string {
	nulls := make([]string, len(s.Key))
	for i := range s.Key {
		nulls[i] = fmt.Sprintf("array_position(%s, NULL) IS NOT NULL", s.keyArray(i))
	}
	return strings.Join(nulls, " OR ")
}

// lockParents locks the old rows, in key order, and counts those that are missing.
func (s syncText) lockParents() string {
	from, where := s.oldRows()
	order := list(s.Key, func(_ int, k KeyColumn) string { return "old." + Ident(k.Name) })
	distinct := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("u.k%d", i) })
	return fmt.Sprintf("SELECT (SELECT count(*) FROM (SELECT DISTINCT %s FROM %s) d) - count(*) FROM (SELECT FROM %s WHERE %s ORDER BY %s FOR NO KEY UPDATE OF old) l",
		distinct, s.keyRows("u"), from, where, order)
}

// orphaned is true where there are new rows of a key, and no old row.
func (s syncText) orphaned() string {
	return fmt.Sprintf("EXISTS (SELECT FROM %s, %s t WHERE %s AND NOT EXISTS (SELECT FROM %s old WHERE %s))", s.keyRows("u"), QName(s.Rule.New.Table),
		s.onParents("t", func(i int) string { return fmt.Sprintf("u.k%d", i) }), QName(s.Rule.Old.Table), s.onParents("t", oldKey(s.Migration)))
}

// rowsDown writes the old rows. An old column stays what it is where up already
// gives the new rows: the mirror of the law of lossy maps.
func (s syncText) rowsDown() string {
	keys, where := s.touched()
	if keys != "" {
		keys = " FROM " + keys
	}
	set := list(s.Rule.Old.Columns, func(i int, c string) string {
		down := besides(s.Old.Column(c), s.downOf(i, oldKey(s.Migration)), s.down[i].value)
		return fmt.Sprintf("%s = CASE WHEN %s THEN %s ELSE old.%[1]s END", Ident(c), s.upDiffers(s.UpSQL(0, "old"), oldKey(s.Migration)), down)
	})
	return fmt.Sprintf("UPDATE %s old SET %s%s WHERE %s", QName(s.Rule.Old.Table), set, keys, where)
}

// rowsKept is the condition under which one of the keys still disagrees.
func (s syncText) rowsKept() string {
	if s.byRow {
		return s.rowsDisagree(s.upRows(), s.keyArgument, s.argument)
	}
	from, where := s.oldRows()
	return fmt.Sprintf("EXISTS (SELECT FROM %s WHERE %s AND %s)", from, where, s.rowsDrift("old"))
}

// rowsDrift is rowsDisagree for the old row named alias.
func (m *Migration) rowsDrift(alias string) string {
	column := func(c string) string { return Ident(alias) + "." + Ident(c) }
	return m.rowsDisagree(m.UpSQL(0, alias), func(i int) string { return column(m.Key[i].Name) }, column)
}

// drifts is the condition that the shapes of the old row named alias disagree.
func (m *Migration) drifts(alias string) string {
	if m.Rule.Kind == rules.Rows {
		return m.rowsDrift(alias)
	}
	return m.Disagree(alias)
}

// moreThanUp is the condition that the new rows of one of the keys are not what up
// gives.
func (s syncText) moreThanUp() string {
	from, where := s.oldRows()
	return fmt.Sprintf("EXISTS (SELECT FROM %s WHERE %s AND %s)", from, where, s.upDiffers(s.UpSQL(0, "old"), oldKey(s.Migration)))
}

// rowsDisagree is the condition under which an old row and its new rows drift:
// neither does up give the one nor down the other.
func (m *Migration) rowsDisagree(up string, key func(i int) string, value func(column string) string) string {
	differ := m.upDiffers(up, key)
	if !m.lossy() {
		return differ
	}
	return differ + " AND NOT (" + m.downHolds(key, value) + ")"
}

// oldKey names the key columns of a row named old.
func oldKey(m *Migration) func(i int) string {
	return func(i int) string { return "old." + Ident(m.Key[i].Name) }
}

// downOf is the query of down for old column i over the new rows of a key.
func (m *Migration) downOf(i int, key func(i int) string) string {
	return fmt.Sprintf("WITH new AS (SELECT t.* FROM %s t WHERE %s) (%s)", QName(m.Rule.New.Table), m.onParents("t", key), m.down[i].row("new"))
}

// downHolds is the condition that every old column, which value gives, is what
// down says of the new rows of the key: then nothing of them is to be changed,
// since they may hold more than the old column can.
func (m *Migration) downHolds(key func(i int) string, value func(column string) string) string {
	same := make([]string, len(m.down))
	for i, c := range m.Rule.Old.Columns {
		law := m.DownSameness(i)
		same[i] = law.Same(law.Value(m.downOf(i, key)), "("+value(c)+")")
	}
	return strings.Join(same, " AND ")
}

// upDiffers is the condition that the new rows of a key are not, one by one in
// the order of their primary key, what up yields.
func (m *Migration) upDiffers(up string, key func(i int) string) string {
	columns := m.UpColumns()
	yielded := list(columns, func(i int, c string) string {
		return fmt.Sprintf("(u.%s)::%s AS c%d", Ident(c), CastType(m.New.Column(c)), i)
	})
	there := list(columns, func(i int, c string) string { return fmt.Sprintf("t.%s AS c%d", Ident(c), i) })
	order := list(m.New.Key, func(_ int, k string) string { return "t." + Ident(k) })
	return fmt.Sprintf("EXISTS (SELECT FROM (SELECT row_number() OVER () AS n, %s FROM (%s) u) d"+
		" FULL JOIN (SELECT row_number() OVER (ORDER BY %s) AS n, %s FROM %s t WHERE %s) c ON c.n = d.n WHERE c.n IS NULL OR d.n IS NULL OR %s)",
		yielded, up, order, there, QName(m.Rule.New.Table), m.onParents("t", key), m.RowsDiffer("c", "d"))
}

// ParentRecord is Record for a row of the new table: it appends the key of the
// old row that the new one belongs to. Where that is null, orphan says whether
// it is recorded, as NULL, or left out.
func (m *Migration) ParentRecord(row string, orphan bool) string {
	parents := make([]string, len(m.Key))
	for _, p := range m.Rule.New.Parents {
		parents[m.keyIndex(p.Old)] = row + "." + Ident(p.New)
	}
	elements := make([]string, len(m.Key))
	for i, k := range m.Key {
		elements[i] = "coalesce((" + k.element(parents[i]) + ")::pg_catalog.text, 'NULL')"
	}
	record := m.recorded(elements)
	if orphan {
		return record
	}
	given := make([]string, len(parents))
	for i, p := range parents {
		given[i] = p + " IS NOT NULL"
	}
	return "CASE WHEN " + strings.Join(given, " AND ") + " THEN " + record + " ELSE false END"
}

// downReads reports whether the old shape depends on one of the columns of the
// new table.
func (m *Migration) downReads(columns []string) bool {
	for _, c := range columns {
		if has(m.downColumns, c) || has(m.New.Key, c) || has(m.UpColumns(), c) || m.parentOf(c) {
			return true
		}
	}
	return false
}

// parentOf reports whether a column of the new table refers to the key.
func (m *Migration) parentOf(column string) bool {
	for _, p := range m.Rule.New.Parents {
		if p.New == column {
			return true
		}
	}
	return false
}
