package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// fillLock is the key of the advisory lock that whoever fills migration $1
// holds. It lives as long as the session, so a killed backfill gives it up, and
// only after its transaction is gone.
const fillLock = `pg_catalog.hashtextextended('pgjanus fill ' || $1::text, 0)`

const fillLockHolder = `
SELECT l.pid FROM pg_catalog.pg_locks l, (SELECT ` + fillLock + ` AS key) k
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
	AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
	AND l.classid::bigint = (k.key >> 32) & 4294967295 AND l.objid::bigint = k.key & 4294967295`

// BusyError says that another session fills the migration.
type BusyError struct {
	Migration string
	PID       uint32
}

// Error names the session to look for in pg_stat_activity.
func (e *BusyError) Error() string {
	return fmt.Sprintf("a backfill of %s is running already, in the session with pid %d: wait for it, or stop it", e.Migration, e.PID)
}

// lockPatience is how long to wait for the lock where its holder is about to
// give it up: Enact, which takes it for a moment.
const lockPatience = time.Second

// takeFillLock takes the lock for as long as conn lives. Where the session with
// pid own, which was lost, still holds it, it waits for that to end.
func takeFillLock(ctx context.Context, conn *pgx.Conn, migration string, own uint32) error {
	for deadline := time.Now().Add(lockPatience); ; {
		var got bool
		if err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_try_advisory_lock(`+fillLock+`)`, migration).Scan(&got); err != nil {
			return fmt.Errorf("taking the lock of the backfill: %w", err)
		}
		if got {
			return nil
		}
		var holder uint32
		err := conn.QueryRow(ctx, fillLockHolder, migration).Scan(&holder)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("looking for the other backfill: %w", err)
		}
		if err == nil && holder != own && time.Now().After(deadline) {
			return &BusyError{migration, holder}
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep returns early, with ctx's error, when that ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
