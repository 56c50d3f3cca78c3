package live

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pgjanus/pgjanus/rules"
)

const (
	sourceFile  = "rules file"
	sourceRetry = "retry"
	// lookTimeout bounds one look at the fingerprint, connecting included.
	lookTimeout = 5 * time.Second
)

// fileMayHaveChanged loads the file when its content is not what was tried
// last. It returns how soon to look again because someone is writing it, or 0.
func (l *Live) fileMayHaveChanged(ctx context.Context) (again time.Duration) {
	data, err := os.ReadFile(l.opt.RulesFile)
	sum := sha256.Sum256(data)
	l.steady(sum) // that it was there is noted in any case
	if err == nil && sum == l.tried {
		return 0
	}
	if err != nil && l.pending {
		return 0 // already known to be missing
	}
	l.strictness = AsSet
	if _, err := l.load(ctx, sourceFile); errors.Is(err, errBeingWritten) {
		return settle
	}
	return 0
}

// tryAgain repeats a load that may succeed without the file being edited.
func (l *Live) tryAgain(ctx context.Context) {
	if l.running == nil || l.pending && l.link == nil {
		_, _ = l.load(ctx, sourceRetry)
		return
	}
	if l.link == nil {
		l.followCatalog(ctx)
	}
}

// followCatalog compiles the rules in force anew when the catalog is not the
// one they were compiled against. This is also what notices that the control
// connection is lost, or back.
func (l *Live) followCatalog(ctx context.Context) {
	if l.running == nil {
		return // tryAgain is at it
	}
	if l.pending {
		_, _ = l.load(ctx, sourceRetry) // what is wrong may be wrong in the catalog
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	changed := false
	err := l.withLink(ctx, func(link *link) error {
		seen, err := link.fingerprint(ctx, l.running.compiled.tables)
		if err != nil {
			return fmt.Errorf("looking at the catalog: %w", err)
		}
		changed = seen != l.running.compiled.fingerprint
		if !changed {
			return nil
		}
		return l.recompile(ctx, link)
	})
	switch {
	case errors.Is(ctx.Err(), context.Canceled) || l.link == nil:
		// the end, or a lost connection, which withLink has noted
	case err != nil:
		l.stale = staleLines(err)
		l.reject(sourceRetry, catalogRejected, l.stale)
	case changed:
		l.accept("catalog", &Report{Epoch: l.running.epoch, Changes: []string{l.catalogChange()}})
	default:
		l.stale = nil
		delete(l.told, catalogRejected)
	}
	l.publish()
}

// catalogChange says what a changed catalog is to what was written before it was noticed.
func (l *Live) catalogChange() string {
	if !AnyActive(l.running.set) {
		return "catalog changed"
	}
	return fmt.Sprintf("catalog changed: statements of the last %s may have gone by the former definition, and pgjanus verify tells whether they left drift", l.opt.CatalogPoll)
}

// recompile puts the same rules in force against the catalog of now. What syncs do
// depends on it, so other functions may be needed, and triggers on new partitions.
// No phase is recorded: another process may have gone on to the next.
func (l *Live) recompile(ctx context.Context, link *link) error {
	set := l.running.set
	compiled, err := link.compile(ctx, set, l.nextEpoch())
	if err == nil && AnyActive(set) {
		err = link.equip(ctx, compiled.planner)
	}
	if err != nil {
		return err
	}
	l.force(set, compiled)
	return nil
}

func staleLines(err error) []string {
	if ps := rules.AsProblems(err); ps != nil {
		return problemLines("", ps)
	}
	return []string{"the catalog changed: " + err.Error()}
}
