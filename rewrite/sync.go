package rewrite

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rules"
)

// Sync is a statement that runs behind an application's statement, in the same
// transaction, and makes the new shape follow the old rows it has touched.
//
// Why a later statement: the application's statement holds the row locks of
// the keys it touched until the transaction ends, and a later statement at
// READ COMMITTED takes a snapshot after those locks were granted. So it sees
// whatever the previous holder of the lock committed. A single statement that
// does both works on a snapshot older than the lock and loses that.
type Sync struct {
	Migration string
	// Name is what the statement is prepared under on a server connection. It
	// is different for every epoch.
	Name string
	// SQL is one statement without parameters.
	SQL string
	// Fixed is the variant for transactions whose snapshot is older than their
	// statements (REPEATABLE READ, SERIALIZABLE). It is right at every isolation
	// level, and costs more. nil where there is no difference.
	Fixed *Sync
}

// FixedSnapshot is what the error message of a sync contains that finds itself
// in a transaction for which its Fixed variant is needed.
const FixedSnapshot = "pgjanus: the transaction has a fixed snapshot"

// StaleSnapshot is what the error message of a sync contains when its
// transaction's snapshot is older than a backfill of the key's range: the
// transaction cannot see the new shape as it is and must be retried (40001).
const StaleSnapshot = "pgjanus: snapshot older than the backfill of this key"

// DeletedMeanwhile is what the error message of a sync contains when its
// transaction inserted a key that another has deleted since its snapshot: it
// must be retried (40001).
const DeletedMeanwhile = "pgjanus: snapshot older than the deletion of this key"

// Variant says what a sync may rely on. All variants are equal in effect where
// they may be used; each does no more than it must.
type Variant struct {
	// Fresh: this transaction has inserted the keys, so they have no new shape
	// yet. Only for kind rows.
	Fresh bool
	// One: the statement touched one row at most.
	One bool
	// Fixed: the transaction may have a snapshot that is older than its
	// statements. A variant that is not Fixed, of kind rows, raises FixedSnapshot
	// in such a transaction.
	Fixed bool
}

// Variants lists all that there can be.
func Variants() []Variant {
	all := make([]Variant, 8)
	for i := range all {
		all[i] = Variant{Fresh: i&1 != 0, One: i&2 != 0, Fixed: i&4 != 0}
	}
	return all
}

// String is the variant's part of a sync's name.
func (v Variant) String() string {
	name := "sync"
	if v.Fresh {
		name = "fresh"
	}
	if v.One {
		name += "_one"
	}
	if v.Fixed {
		name += "_fixed"
	}
	return name
}

// syncText builds the SQL of one variant.
type syncText struct {
	*Migration
	Variant
}

// buildSyncs fills m.syncs.
func (m *Migration) buildSyncs() error {
	m.syncs = map[Variant]string{}
	for _, v := range Variants() {
		text := syncText{m, v}
		var sql string
		switch {
		case m.Rule.Kind == rules.Rows && v.Fresh:
			sql = text.rowsFresh()
		case m.Rule.Kind == rules.Rows:
			sql = text.rowsSync()
		case v.Fresh || v.Fixed:
			continue // an UPDATE of the row itself: Postgres minds the snapshot
		default:
			sql = text.columnsSync()
		}
		var err error
		if m.syncs[v], err = qualify(sql); err != nil {
			return err
		}
	}
	return nil
}

// columnsSync updates the new columns of the touched rows that disagree.
func (s syncText) columnsSync() string {
	keys, where := s.touched()
	if keys != "" {
		keys = " FROM " + keys
	}
	set := list(s.UpColumns(), func(i int, c string) string { return Ident(c) + " = (" + s.UpSQL(i, "old") + ")" })
	return s.statement(fmt.Sprintf("UPDATE %s old SET %s%s WHERE %s AND %s", QName(s.Rule.Old.Table), set, keys, where, s.disagree("old")))
}

// statement puts the CTE of the keys and others in front of a statement.
func (s syncText) statement(sql string, ctes ...string) string {
	if ctes = append(s.keys(), ctes...); len(ctes) == 0 {
		return sql
	}
	return "WITH " + strings.Join(ctes, ", ") + " " + sql
}

// disagree is the condition under which a row of a columns migration drifts:
// no new column value is excused by the law (down(new) equals old) and some
// new value is not what up says. The row has both shapes and is named alias.
func (m *Migration) disagree(alias string) string {
	ups := make([]string, 0, len(m.up))
	for i, c := range m.UpColumns() {
		column := m.New.Column(c)
		ups = append(ups, fmt.Sprintf("%s.%s IS DISTINCT FROM (%s)::%s", alias, Ident(c), m.UpSQL(i, alias), CastType(column)))
	}
	condition := "(" + strings.Join(ups, " OR ") + ")"
	if !m.lossy() {
		return condition
	}
	downs := make([]string, 0, len(m.down))
	for i, c := range m.Rule.Old.Columns {
		downs = append(downs, fmt.Sprintf("(%s) IS DISTINCT FROM %s.%s", m.DownSQL(i, alias), alias, Ident(c)))
	}
	return "(" + strings.Join(downs, " OR ") + ") AND " + condition
}

// notStale returns an expression that is true, or raises StaleSnapshot where a
// transaction whose snapshot does not move finds that the range of one of its
// keys was backfilled after that snapshot. The backfill announces, in the
// table, the range of the batch it is about to do, counts batches in a
// sequence (which no snapshot hides), and moves the cursor when a batch is
// complete; see migrate/batch.go.
func (s syncText) notStale() string {
	m, name := s.Migration, s.Rule.Name
	key := list(m.Key, func(i int, k KeyColumn) string { return fmt.Sprintf("u.k%d", i) })
	bound := func(column string) string {
		return list(m.Key, func(i int, k KeyColumn) string { return fmt.Sprintf("(f.%s[%d])::%s", column, i+1, k.Type) })
	}
	unnests := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("unnest(k.k%d)", i) })
	names := list(m.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("k%d", i) })
	return fmt.Sprintf(`(SELECT count(concat(%s, f.name)::boolean) = 0 FROM pgjanus.migration f, %s n, k, ROWS FROM (%s) u(%s)`+
		` WHERE f.name = %s AND ((n.last_value >> 32) <> (f.batch >> 32)`+
		` OR ((f.cursor_key IS NULL OR ROW(%s) > ROW(%s)) AND ((ROW(%s) <= ROW(%s) AND n.last_value > f.batch) OR n.last_value > f.ahead_batch))))`,
		Literal(StaleSnapshot+": "), FillSequence(name), unnests, names, Literal(name),
		key, bound("cursor_key"), key, bound("ahead_key"))
}

// movingIsolation is the condition that each statement takes a new snapshot.
const movingIsolation = "current_setting('transaction_isolation') LIKE 'read %'"

// fixedSnapshot is a text that raises FixedSnapshot when it is cast.
func (s syncText) fixedSnapshot() string {
	return "concat(" + Literal(FixedSnapshot+": ") + ", current_setting('transaction_isolation'))"
}

// guard returns an expression that is true where the sync may run, and raises
// the reason where it may not.
func (s syncText) guard() string {
	var fixed string // the condition in a fixed snapshot
	switch {
	case s.direct():
		return "true" // the key does it
	case !s.Fixed:
		fixed = s.fixedSnapshot() + "::boolean"
	case s.Fresh:
		fixed = s.oneRowEach()
	default:
		fixed = s.notStale() + " AND " + s.oneRowEach()
	}
	return "CASE WHEN " + movingIsolation + " THEN true ELSE " + fixed + " END"
}

// oneRowEach returns an expression that is true, or raises DeletedMeanwhile
// where the snapshot shows two old rows of one key: the one that the
// transaction has inserted, and an earlier one that someone else deleted after
// the snapshot was taken. Up would be asked of both. Nothing else notices: the
// new rows of the deleted one are seen but need not be touched, and the check
// of the foreign key is content with the first row of the key that it meets.
func (s syncText) oneRowEach() string {
	from, where := s.oldRows()
	key := list(s.Key, func(_ int, k KeyColumn) string { return "old." + Ident(k.Name) })
	return fmt.Sprintf("(SELECT count(concat(%s, twice.rows)::boolean) = 0 FROM (SELECT count(*) AS rows FROM %s WHERE %s GROUP BY %s HAVING count(*) > 1) twice)",
		Literal(DeletedMeanwhile+": "), from, where, key)
}

// FillSequence is the quoted name of the sequence that counts the backfill
// batches of a migration: run<<32 + batch.
func FillSequence(migration string) string { return "pgjanus." + Ident("fill "+migration) }
