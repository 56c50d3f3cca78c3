package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	rollbackTimeout = 5 * time.Second
	// lockTimeout bounds how long a look may queue behind somebody's DDL.
	lockTimeout = 5 * time.Second
)

// printing are the settings under which Postgres prints names and values so
// that they read the same in every session; pg_dump uses the same ones.
var printing = [...][2]string{
	{"search_path", ""},
	{"quote_all_identifiers", "off"},
	{"datestyle", "ISO, YMD"},
	{"intervalstyle", "postgres"},
	{"timezone", "UTC"},
	{"extra_float_digits", "3"},
	{"bytea_output", "hex"},
}

// errBusy says that the caller's connection is inside a transaction, which
// could not be left as found.
var errBusy = errors.New("the connection is inside a transaction; give an idle one")

// rolledBack runs fn in a transaction that is always rolled back, which also
// undoes every setting made in it.
func rolledBack(ctx context.Context, conn *pgx.Conn, opts pgx.TxOptions, fn func(pgx.Tx) error) (err error) {
	if conn.PgConn().TxStatus() != 'I' {
		return errBusy
	}
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if e := tx.Rollback(end); e != nil && err == nil {
			err = fmt.Errorf("rolling back: %w", e)
		}
	}()
	return fn(tx)
}

// setLocal sets each pair until the end of the (sub)transaction.
func setLocal(ctx context.Context, tx pgx.Tx, pairs ...[2]string) error {
	var calls []string
	var args []any
	for i, p := range pairs {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config($%d, $%d, true)", 2*i+1, 2*i+2))
		args = append(args, p[0], p[1])
	}
	if _, err := tx.Exec(ctx, "SELECT "+strings.Join(calls, ", "), args...); err != nil {
		return fmt.Errorf("setting up the transaction: %w", err)
	}
	return nil
}

func lockTimeoutSetting() [2]string {
	return [2]string{"lock_timeout", fmt.Sprint(lockTimeout.Milliseconds())}
}
