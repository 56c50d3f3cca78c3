package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// openTransactions lists the transactions of this database by their virtual
// id, as CREATE INDEX CONCURRENTLY does: that has also those that have not
// written yet and so have no transaction id. They may still be under the rules
// of before.
const openTransactions = `
SELECT l.virtualxid, pg_catalog.format('pid %s (%s, %s, for %s s)', a.pid, coalesce(nullif(a.application_name, ''), 'no application name'),
	coalesce(a.state, 'state not visible'), coalesce(round(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))::text, '?'))
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
	AND a.datname = pg_catalog.current_database() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
ORDER BY a.xact_start NULLS LAST`

const preparedTransactions = `
SELECT transaction::text, pg_catalog.format('prepared transaction %L (of %s, for %s s)', gid, owner,
	round(extract(epoch FROM pg_catalog.clock_timestamp() - prepared)))
FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY prepared`

// horizon polls at most this seldom.
const horizonPoll = time.Second

// awaitHorizon returns when every transaction that was open when it was called
// has ended. It takes no lock and holds up no one. waiting is told whom it
// waits for, whenever that is looked at.
//
// Prepared transactions are looked at last: one that was open at first may have
// been prepared meanwhile.
func awaitHorizon(ctx context.Context, conn *pgx.Conn, waiting func(whom []string)) error {
	for _, query := range []string{openTransactions, preparedTransactions} {
		if err := awaitGone(ctx, conn, query, waiting); err != nil {
			return fmt.Errorf("waiting for older transactions: %w", err)
		}
	}
	return nil
}

// awaitGone polls until none of the ids that query yields at first is left.
func awaitGone(ctx context.Context, conn *pgx.Conn, query string, waiting func(whom []string)) error {
	var first map[string]bool
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, horizonPoll) {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		var id, who string
		seen := map[string]bool{}
		var whom []string
		_, err = pgx.ForEachRow(rows, []any{&id, &who}, func() error {
			if first == nil || first[id] {
				seen[id] = true
				whom = append(whom, who)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(seen) == 0 {
			return nil
		}
		first = seen
		waiting(whom)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}
