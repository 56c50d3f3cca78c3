package migrate

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// page reads the next keys in key order. It locks nothing: what happens to a
// row between here and its lock is seen when it is locked, and a key that
// appears behind our back was written by a dual write.
func (f *filler) page(ctx context.Context) ([]key, error) {
	f.opts.hook("page", f.conn)
	where, args := "", []any{}
	if f.cursor != nil {
		where, args = "WHERE "+f.keys.compare("o", ">", 1), []any{[]string(f.cursor)}
	}
	rows, err := f.conn.Query(ctx, fmt.Sprintf("SELECT %s FROM %s o %s ORDER BY %s LIMIT %d",
		f.keys.array("o"), f.table, where, f.keys.order("o"), f.opts.Batch), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[key])
}

// batch fills one page of keys. The order of its steps is what the guard of a
// sync relies on (rewrite/sync.go), against a transaction at REPEATABLE READ or
// SERIALIZABLE whose snapshot is older than what was filled here:
//
//  1. the range is announced, committed;
//  2. the sequence counts the batch, which every snapshot sees at once;
//  3. only then rows are locked and filled, so a transaction that locks a row
//     of the range after we did finds the batch counted;
//  4. the cursor moves when all of the range is filled, so a snapshot that sees
//     it there sees all that was filled.
//
// A kill between any two of them leaves a state that the next call goes on
// from, with another number: someone may have settled this one meanwhile.
func (f *filler) batch(ctx context.Context, page []key) error {
	last := page[len(page)-1]
	what := fmt.Sprintf("filling keys %s to %s", page[0], last)
	f.number++
	f.open = true
	err := f.insist(ctx, what, func(ctx context.Context) error {
		f.opts.hook("announce", f.conn)
		if err := f.record(ctx, `ahead_key = $3, ahead_batch = $4`, []string(last), f.number); err != nil {
			return err
		}
		f.opts.hook("count", f.conn)
		return count(ctx, f.conn, f.name, f.number)
	})
	if err != nil {
		return err
	}
	if err := f.fillAll(ctx, what, page); err != nil {
		return err
	}
	filled := f.filled + int64(len(page))
	err = f.insist(ctx, what, func(ctx context.Context) error {
		f.opts.hook("advance", f.conn)
		return f.record(ctx, `cursor_key = $3, batch = $4, filled = $5`, []string(last), f.number, filled)
	})
	if err != nil {
		return err
	}
	f.cursor, f.filled, f.open = last, filled, false
	f.batches++
	return nil
}

// fillAll fills keys until each has been filled once or is gone. Rows that
// someone else has locked are left out at first, and then waited for one at a
// time: a transaction that waits holds nothing that another could wait for.
func (f *filler) fillAll(ctx context.Context, what string, left []key) error {
	for {
		var locked []key
		err := f.insist(ctx, what, func(ctx context.Context) (err error) {
			locked, err = f.fill(ctx, left, "SKIP LOCKED", batchLockTimeout)
			return err
		})
		if err != nil {
			return err
		}
		if left = without(left, locked); len(left) == 0 {
			return nil
		}
		if left, err = f.existing(ctx, left); err != nil || len(left) == 0 {
			return err
		}
		err = f.insist(ctx, fmt.Sprintf("filling key %s", left[0]), func(ctx context.Context) error {
			_, err := f.fill(ctx, left[:1], "", rowLockTimeout)
			return err
		})
		if err != nil {
			return err
		}
		if left = left[1:]; len(left) == 0 {
			return nil
		}
	}
}

const (
	// batchLockTimeout bounds how long a batch, which holds rows of the old
	// table, waits for anything else, such as rows of the new one.
	batchLockTimeout = "2s"
	// rowLockTimeout bounds how long writers queue behind our wait for a row.
	rowLockTimeout = "1s"
)

// fill locks the rows of keys and runs sync for those it got, in a transaction
// of its own. Locking and sync are two statements: the second one's snapshot is
// taken when the locks are held. FOR NO KEY UPDATE does not hold up inserts
// of rows that refer to these.
func (f *filler) fill(ctx context.Context, keys []key, wait, lockTimeout string) (locked []key, err error) {
	err = pgx.BeginTxFunc(ctx, f.conn, writing, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+lockTimeout+"'"); err != nil {
			return err
		}
		f.opts.hook("lock", f.conn)
		from, where := f.keys.among(f.table, "o")
		locked, err = f.collect(ctx, tx, fmt.Sprintf("SELECT %s FROM %s WHERE %s FOR NO KEY UPDATE OF o %s", f.keys.array("o"), from, where, wait), keys)
		if err != nil {
			return fmt.Errorf("locking the rows: %w", err)
		}
		if len(locked) == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, f.keys.settings(), f.keys.arguments(locked)...); err != nil {
			return fmt.Errorf("handing the keys to sync: %w", err)
		}
		if f.indexed {
			if _, err := tx.Exec(ctx, byIndex); err != nil {
				return err
			}
		}
		f.opts.hook("sync", f.conn)
		if _, err := tx.Exec(ctx, f.m.SyncSQL()); err != nil {
			return fmt.Errorf("running sync: %w", err)
		}
		f.opts.hook("commit", f.conn)
		return nil
	})
	return locked, err
}

// existing returns those of keys that there are rows of. The others were
// deleted, or moved to another key by a statement that was a dual write.
func (f *filler) existing(ctx context.Context, keys []key) ([]key, error) {
	from, where := f.keys.among(f.table, "o")
	there, err := f.collect(ctx, f.conn, fmt.Sprintf("SELECT %s FROM %s WHERE %s", f.keys.array("o"), from, where), keys)
	if err != nil {
		return nil, fmt.Errorf("looking for rows that were locked: %w", err)
	}
	return there, nil
}

func (f *filler) collect(ctx context.Context, q queryer, sql string, keys []key) ([]key, error) {
	rows, err := q.Query(ctx, sql, f.keys.arguments(keys)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[key])
}

// without returns the members of keys that are not in gone, in order.
func without(keys, gone []key) []key {
	out := make(map[string]bool, len(gone))
	for _, k := range gone {
		out[fmt.Sprintf("%q", []string(k))] = true
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k key) bool { return out[fmt.Sprintf("%q", []string(k))] })
}
