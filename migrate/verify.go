package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// Verify compares both shapes in one snapshot, in a read-only transaction on
// conn, which must be idle. It goes through all rows however many drift. For
// rows its SQL is its own: what it shared with sync it could not find wrong. For
// columns the condition is that of sync (rewrite/strands.go).
func Verify(ctx context.Context, conn *pgx.Conn, opts VerifyOptions) (*VerifyResult, error) {
	start := time.Now()
	m, err := active(opts.Planner, opts.Migration)
	if err != nil {
		return nil, err
	}
	v := newVerifier(m, opts)
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	if err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error { return v.run(ctx, tx) }); err != nil {
		return nil, fmt.Errorf("verifying %s: %w", opts.Migration, err)
	}
	v.result.Duration = time.Since(start)
	return &v.result, nil
}

// verifier is one comparison.
type verifier struct {
	opts   VerifyOptions
	m      *rewrite.Migration
	table  string // quoted
	keys   keySQL
	dirty  bool // some keys are recorded as dirty
	result VerifyResult
	track  tracker
}

func newVerifier(m *rewrite.Migration, opts VerifyOptions) *verifier {
	if opts.Limit <= 0 {
		opts.Limit = DefaultDriftKeys
	}
	if opts.page <= 0 {
		opts.page = verifyPage
	}
	if opts.Progress == nil {
		opts.Progress = func(VerifyProgress) {}
	}
	return &verifier{
		opts: opts, m: m, table: rewrite.QName(m.Rule.Old.Table),
		result: VerifyResult{Migration: m.Rule.Name, Keys: []DriftKey{}},
		track:  tracker{start: time.Now()},
	}
}

// verifySettings: nothing may hide rows, end the transaction, or print keys in
// a form that does not read back.
const verifySettings = `SET LOCAL datestyle = 'ISO'; SET LOCAL statement_timeout = 0; SET LOCAL row_security = off; SET LOCAL jit = off;
	SET LOCAL idle_in_transaction_session_timeout = 0`

func (v *verifier) run(ctx context.Context, tx pgx.Tx) (err error) {
	if _, err := tx.Exec(ctx, verifySettings); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.pg_current_snapshot()::text`).Scan(&v.result.Snapshot); err != nil {
		return fmt.Errorf("taking the snapshot: %w", err)
	}
	if err := tx.QueryRow(ctx, fmt.Sprintf(estimateRows, v.table), v.m.Old.OID).Scan(&v.track.estimate); err != nil {
		return fmt.Errorf("estimating the size of %s: %w", v.table, err)
	}
	if v.keys, err = newKeySQL(ctx, tx, v.m); err != nil {
		return err
	}
	byKey, err := indexed(ctx, tx, v.m)
	if err != nil {
		return err
	}
	if byKey {
		if _, err := tx.Exec(ctx, byIndex); err != nil {
			return err
		}
	}
	dirty, err := dirtyKeys(ctx, tx, v.m.Rule.Name)
	if err != nil {
		return err
	}
	if v.dirty = dirty > 0; v.dirty {
		if err := v.collect(ctx, tx, v.soiled()); err != nil {
			return fmt.Errorf("reading dirty keys: %w", err)
		}
	}
	for after := key(nil); ; {
		to, rows, err := v.bound(ctx, tx, after)
		if err != nil {
			return fmt.Errorf("reading keys after %s: %w", after, err)
		}
		if rows == 0 {
			break
		}
		sql, args := v.page(after, to)
		if err := v.collect(ctx, tx, sql, args...); err != nil {
			return fmt.Errorf("comparing keys after %s up to %s: %w", after, to, err)
		}
		v.result.Compared += rows
		v.tell()
		after = to
	}
	if v.m.Rule.Kind == rules.Columns {
		return nil
	}
	if _, err := tx.Exec(ctx, asEver); err != nil {
		return err
	}
	if err := v.collect(ctx, tx, v.orphans()); err != nil {
		return fmt.Errorf("looking for new rows without an old one: %w", err)
	}
	v.tell()
	return nil
}

// bound returns the last key of the next page, and how many rows that has.
func (v *verifier) bound(ctx context.Context, tx pgx.Tx, after key) (to key, rows int64, err error) {
	where, args := "", []any{pgx.QueryExecModeExec}
	if after != nil {
		where, args = "WHERE "+v.keys.compare("old", ">", 1), append(args, []string(after))
	}
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT k, n FROM (SELECT %s AS k, pg_catalog.row_number() OVER (ORDER BY %[2]s) AS n FROM %[3]s old %[4]s
		ORDER BY %[2]s LIMIT %[5]d) p ORDER BY n DESC LIMIT 1`,
		v.keys.array("old"), v.keys.order("old"), v.table, where, v.opts.page), args...).Scan((*[]string)(&to), &rows)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	return to, rows, err
}

// page is the comparison of the old rows behind after, up to to.
func (v *verifier) page(after, to key) (sql string, args []any) {
	within, args := v.keys.compare("old", "<=", 1), []any{pgx.QueryExecModeExec, []string(to)}
	if after != nil {
		within, args = within+" AND "+v.keys.compare("old", ">", 2), append(args, []string(after))
	}
	if v.dirty {
		within += " AND " + v.clean("old")
	}
	if v.m.Rule.Kind == rules.Columns {
		return v.columnsDrift(within), args
	}
	return v.rowsDrift(within), args
}

// collect counts the drifting keys that a query yields and keeps the first.
func (v *verifier) collect(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var k []string
	var reason string
	_, err = pgx.ForEachRow(rows, []any{&k, &reason}, func() error {
		v.result.Drift++
		if len(v.result.Keys) < v.opts.Limit {
			v.result.Keys = append(v.result.Keys, DriftKey{Key: append([]string(nil), k...), Reason: reason})
		}
		return nil
	})
	return err
}

func (v *verifier) tell() {
	p := VerifyProgress{Compared: v.result.Compared, Estimate: v.track.estimate, Drift: v.result.Drift}
	p.Rate, p.ETA = v.track.rate(p.Compared)
	v.opts.Progress(p)
}
