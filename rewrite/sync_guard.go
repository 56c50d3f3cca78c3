package rewrite

import "fmt"

// fixedSnapshot is the condition that the transaction's snapshot does not move.
const fixedSnapshot = "current_setting('transaction_isolation') !~~ 'read %'"

// guard adds what a sync of kind rows has to make sure of in a transaction
// whose snapshot does not move (REPEATABLE READ, SERIALIZABLE). Against another
// writer of the row Postgres raises 40001 by itself. Two things it does not notice.
func (b *block) guard(s syncText) {
	b.when(fixedSnapshot)
	b.raise(s, syncText.stale, serializationFailure, "could not serialize access due to concurrent update",
		fmt.Sprintf("The backfill of migration %q filled this key after the transaction's snapshot was taken. Retry the transaction.", s.Rule.Name))
	b.raise(s, syncText.deletedMeanwhile, serializationFailure, "could not serialize access due to concurrent delete", "The transaction might succeed if retried.")
	b.line("END IF;")
}

// stale is true where the range of one of the keys was backfilled after the
// snapshot. The backfill announces, in the table, the range of the batch it is
// about to do, counts batches in a sequence (which no snapshot hides), and moves
// the cursor when a batch is complete; see migrate/batch.go.
func (s syncText) stale() string {
	m, name := s.Migration, s.Rule.Name
	key := list(m.Key, func(i int, k KeyColumn) string { return fmt.Sprintf("u.k%d", i) })
	bound := func(column string) string {
		return list(m.Key, func(i int, k KeyColumn) string { return fmt.Sprintf("(f.%s[%d])::%s", column, i+1, k.Type) })
	}
	return fmt.Sprintf(`EXISTS (SELECT FROM pgjanus.migration f, %s n, %s`+
		` WHERE f.name = %s AND ((n.last_value >> 32) <> (f.batch >> 32)`+
		` OR ((f.cursor_key IS NULL OR ROW(%s) > ROW(%s)) AND ((ROW(%s) <= ROW(%s) AND n.last_value > f.batch) OR n.last_value > f.ahead_batch))))`,
		FillSequence(name), s.keyRows("u"), Literal(name),
		key, bound("cursor_key"), key, bound("ahead_key"))
}

// deletedMeanwhile is true where the snapshot shows two old rows of one key: the
// one that the transaction has inserted, and an earlier one that someone else
// deleted after the snapshot was taken. Nothing else notices: the new rows of
// the deleted one are seen but need not be touched, and the check of the foreign
// key is content with the first row of the key that it meets.
func (s syncText) deletedMeanwhile() string {
	from, where := s.oldRows()
	key := list(s.Key, func(_ int, k KeyColumn) string { return "old." + Ident(k.Name) })
	return fmt.Sprintf("EXISTS (SELECT FROM %s WHERE %s GROUP BY %s HAVING count(*) > 1)", from, where, key)
}

// FillSequence is the quoted name of the sequence that counts the backfill
// batches of a migration: run<<32 + batch.
func FillSequence(migration string) string { return "pgjanus." + Ident("fill "+migration) }
