package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fixedSnapshots reads Snapshot.FixedSnapshots: what the server starts sessions
// with, and what is set for roles and databases (pg_db_role_setting).
func fixedSnapshots(ctx context.Context, tx pgx.Tx) (fixed bool, err error) {
	err = tx.QueryRow(ctx, `
SELECT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'default_transaction_isolation' AND reset_val NOT LIKE 'read %')
    OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS s (setting)
                WHERE setting LIKE 'default_transaction_isolation=%' AND setting NOT LIKE 'default_transaction_isolation=read %')`).Scan(&fixed)
	if err != nil {
		return false, fmt.Errorf("reading the default isolation levels: %w", err)
	}
	return fixed, nil
}
