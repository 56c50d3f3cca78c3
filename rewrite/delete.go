package rewrite

import pg_query "github.com/pganalyze/pg_query_go/v5"

// delete of the old table needs nothing behind it: new columns go with their row,
// and new rows by ON DELETE CASCADE, without which a migration is not accepted.
func (w *planning) delete(n *pg_query.DeleteStmt, from, to int) (*write, error) {
	rel, err := w.target(n.Relation)
	if rel == nil || err != nil || len(rel.new) == 0 {
		return nil, err
	}
	return w.deleteNew(rel, n, from, to)
}
