package live

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/rules"
)

// loadTimeout bounds one load, connecting included.
const loadTimeout = 20 * time.Second

// load brings the rules file into force and logs the outcome. With an error
// what was in force stays.
func (l *Live) load(ctx context.Context, source string) (*Report, error) {
	if source != sourceRetry {
		l.redialAt = time.Time{} // someone is waiting
	}
	report, err := l.attempt(ctx, source)
	if ctx.Err() != nil {
		return nil, ErrStopped
	}
	if errors.Is(err, errBeingWritten) {
		return nil, err // it will be looked at again
	}
	l.problems = problemLines(l.opt.RulesFile, err)
	l.pending = err != nil
	l.publish()
	switch {
	case err != nil:
		l.reject(source, rulesRejected, l.problems)
	case len(report.Changes) == 0:
		delete(l.told, rulesRejected)
		l.opt.Metrics.count(unchanged)
		l.opt.Log.Info("rules loaded: no change", zap.String("source", source), zap.Uint64("epoch", report.Epoch))
	default:
		l.accept(source, report)
	}
	return report, err
}

// attempt reads, checks, records and puts in force.
func (l *Live) attempt(ctx context.Context, source string) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	set, err := l.read(source)
	if err != nil {
		return nil, err
	}
	var report *Report
	err = l.withLink(ctx, func(link *link) error {
		report, err = l.apply(ctx, link, set)
		return err
	})
	return report, err
}

// errBeingWritten says that the rules file had another content a moment ago.
// Editors and cp fill a file bit by bit.
var errBeingWritten = errors.New("the rules file is being written")

// read parses the rules file and remembers what was in it. Nobody but a
// request has said that the file is complete.
func (l *Live) read(source string) (*rules.Set, error) {
	data, err := os.ReadFile(l.opt.RulesFile)
	sum := sha256.Sum256(data)
	if (source == sourceFile || source == sourceRetry) && !l.steady(sum) {
		return nil, errBeingWritten
	}
	l.tried = sum
	if err != nil {
		return rules.Load(l.opt.RulesFile) // which says why, and the way out
	}
	return rules.Parse(l.opt.RulesFile, data)
}

// steady reports whether the rules file has had this content for a while. Its
// time of modification would not tell: it may be read after the content was.
func (l *Live) steady(sum [sha256.Size]byte) bool {
	if sum != l.found {
		l.found, l.foundAt = sum, time.Now()
		return false
	}
	return time.Since(l.foundAt) >= settle
}

// apply puts set in force over link. Phases are recorded in the database
// before any session works under them.
func (l *Live) apply(ctx context.Context, link *link, set *rules.Set) (*Report, error) {
	recorded, err := link.phases(ctx)
	if err != nil {
		return nil, err
	}
	prev := RecordedSet(l.opt.RulesFile, recorded)
	var changes []rules.Change
	if l.running != nil {
		prev = l.running.set
		changes = rules.Diff(prev, set)
		if same, err := l.unchanged(ctx, link, changes); err != nil || same {
			if err == nil && (l.unsure || AnyActive(set)) {
				err = l.mend(ctx, link)
			}
			return &Report{Epoch: l.running.epoch}, err
		}
	} else {
		changes = rules.Diff(&rules.Set{File: set.File}, set)
	}
	if err := rules.Transition(prev, set).Err(); err != nil {
		return nil, err
	}
	warnings, err := l.flips(set)
	if err != nil {
		return nil, err
	}
	compiled, err := link.compile(ctx, set, l.nextEpoch())
	if err != nil {
		return nil, err
	}
	if len(recorded) > 0 || AnyActive(set) {
		if compiled, err = l.install(ctx, link, set, compiled); err != nil {
			return nil, err
		}
		if err := l.enact(ctx, link, compiled); err != nil {
			return nil, err
		}
	}
	l.force(set, compiled)
	return &Report{Epoch: l.running.epoch, Changes: changeLines(changes), Warnings: warnings}, nil
}

// install makes what the database must have before phases are recorded. The first
// time makes relations that the catalog counts.
func (l *Live) install(ctx context.Context, link *link, set *rules.Set, c *compiled) (*compiled, error) {
	if err := link.install(ctx); err != nil {
		return nil, err
	}
	seen, err := link.fingerprint(ctx, c.tables)
	if err == nil && seen != c.fingerprint {
		return link.compile(ctx, set, l.nextEpoch())
	}
	return c, err
}

// enact records the phases in the database, and makes what sessions need that work
// under them. A failure leaves what was there; but whether it was one, where the
// connection is lost, nobody knows, so the next load does it again.
func (l *Live) enact(ctx context.Context, link *link, c *compiled) error {
	l.unsure = true
	if err := link.enact(ctx, c.planner); err != nil {
		return err
	}
	l.unsure = false
	return nil
}

// mend enacts what is in force once more, which tells writers that a backfill that
// was killed is over, and makes what was taken out of the schema pgjanus.
func (l *Live) mend(ctx context.Context, link *link) error {
	if err := link.install(ctx); err != nil {
		return err
	}
	return l.enact(ctx, link, l.running.compiled)
}

// unchanged says that neither the rules nor the catalog differ from what is
// in force.
func (l *Live) unchanged(ctx context.Context, link *link, changes []rules.Change) (bool, error) {
	if len(changes) > 0 {
		return false, nil
	}
	seen, err := link.fingerprint(ctx, l.running.compiled.tables)
	return seen == l.running.compiled.fingerprint, err
}

func (l *Live) nextEpoch() uint64 {
	if l.running == nil {
		return 1
	}
	return l.running.epoch + 1
}

// force hands the planner to the proxy.
func (l *Live) force(set *rules.Set, c *compiled) {
	epoch := l.nextEpoch()
	known := l.running != nil && slices.Equal(l.running.compiled.warnings, c.warnings)
	l.running = &running{
		set:      set,
		epoch:    epoch,
		since:    sinceEpochs(l.running, set, epoch),
		loadedAt: l.opt.now(),
		compiled: c,
	}
	l.stale = nil
	delete(l.told, catalogRejected)
	l.opt.Metrics.phases(set)
	l.opt.Use(c.planner)
	if len(c.warnings) > 0 && !known {
		l.opt.Log.Warn("rules to be careful with", zap.Strings("warnings", c.warnings), zap.Uint64("epoch", epoch))
	}
}

// RecordedSet is the set that a database says was last in force: names and
// phases only, in the same order each time, as problems follow it.
func RecordedSet(file string, phases map[string]rules.Phase) *rules.Set {
	set := &rules.Set{File: file}
	for _, name := range slices.Sorted(maps.Keys(phases)) {
		set.Migrations = append(set.Migrations, rules.Migration{Name: name, Phase: phases[name]})
	}
	return set
}

// AnyActive reports whether some migration of set is not off.
func AnyActive(set *rules.Set) bool {
	for i := range set.Migrations {
		if set.Migrations[i].Active() {
			return true
		}
	}
	return false
}

func changeLines(changes []rules.Change) []string {
	lines := make([]string, 0, len(changes)+1)
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	if len(lines) == 0 {
		lines = append(lines, "catalog changed")
	}
	return lines
}
