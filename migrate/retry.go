package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

const lockNotAvailable = "55P03"

// run fills until all is filled. When the connection is lost it makes another
// one and goes on from the checkpoint, as another process would.
func (f *filler) run(ctx context.Context) error {
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		before := f.batches
		err := f.connect(ctx)
		if err == nil {
			err = f.session(ctx)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("stopped; the next backfill goes on after key %s: %w", f.cursor, ctx.Err())
		case !f.lost(err):
			return err
		}
		if f.batches > before {
			backoff = firstBackoff
		}
		f.tell(Progress{Stage: Filling, Trouble: err.Error()})
		if err := sleep(ctx, backoff); err != nil {
			return fmt.Errorf("stopped; the next backfill goes on after key %s: %w", f.cursor, err)
		}
	}
}

// lost reports whether a failure means that the connection, or a new one, may
// work again later.
func (f *filler) lost(err error) bool {
	var busy *BusyError
	if f.pid == 0 || errors.As(err, &busy) {
		return false // there never was one
	}
	switch code(err) {
	case "57P01", "57P02", "57P03", // shutting down, crashed, starting
		"25P03", "53300", // idle for too long, too many clients
		"08000", "08001", "08003", "08004", "08006":
		return true
	case "":
		return f.conn == nil || f.conn.IsClosed()
	}
	return false
}

// insist repeats one transaction for as long as it loses against another.
// what says in errors what was being done.
func (f *filler) insist(ctx context.Context, what string, step func(context.Context) error) error {
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		err := step(ctx)
		switch code(err) {
		case "40001", "40P01":
			f.tell(Progress{Stage: Filling, Trouble: err.Error()})
		case lockNotAvailable:
			f.tell(Progress{Stage: Filling, WaitingFor: []string{"a lock, " + what}})
		default:
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		}
		if err := sleep(ctx, backoff); err != nil {
			return err
		}
	}
}
