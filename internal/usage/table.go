package usage

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/rewrite"
)

// Options say what a Table remembers.
type Options struct {
	// Entries is the most statements that are remembered; default 2000.
	Entries int
	// Window is how long a refused statement counts as seen lately; default 1 h.
	Window  time.Duration
	Log     *zap.Logger // default: none
	Metrics *Metrics    // default: none

	now func() time.Time
}

// Table has the statements that were seen, the least recent of which make room.
// A nil *Table remembers nothing.
type Table struct {
	opt   Options
	since time.Time
	queue queue

	mu      sync.Mutex // guards what follows
	entries map[key]*entry
	evicted uint64
	lost    map[string]lost // by migration
}

// lost is what is left of refused statements that had to make room.
type lost struct {
	count uint64
	last  int64
}

// New returns an empty Table.
func New(opt Options) *Table {
	if opt.Entries <= 0 {
		opt.Entries = 2000
	}
	if opt.Window <= 0 {
		opt.Window = time.Hour
	}
	if opt.Log == nil {
		opt.Log = zap.NewNop()
	}
	if opt.now == nil {
		opt.now = time.Now
	}
	return &Table{
		opt: opt, since: opt.now().UTC(), queue: queue{wake: make(chan struct{}, 1)},
		entries: map[key]*entry{}, lost: map[string]lost{},
	}
}

// How says what a client did with a text.
type How int

const (
	// Prepared means: it may execute it later. The statement is listed, and not counted.
	Prepared How = iota
	// Executed means: it asked for it to be executed.
	Executed
)

// note is what the Note of a plan holds, once its text is known.
type note struct{ entries []*entry }

// Saw takes notice of a text that planner planned and that by did something
// with. by is kept and must not change.
func (t *Table) Saw(planner *rewrite.Planner, plan *rewrite.Plan, by *Client, how How) {
	if t == nil || plan.Original == "" {
		return // no migration is mentioned
	}
	n, known := plan.Note().Load().(*note)
	switch {
	case !known:
		t.learn(job{planner: planner, plan: plan, by: by, how: how, at: t.opt.now().UnixNano()})
	case how == Executed && len(n.entries) > 0:
		t.count(n, plan, by, planner.Epoch(), t.opt.now().UnixNano())
	}
}

func (t *Table) count(n *note, plan *rewrite.Plan, by *Client, epoch uint64, at int64) {
	for _, e := range n.entries {
		if e.gone.Load() {
			n = t.readmit(n, plan, at)
			break
		}
	}
	for _, e := range n.entries {
		e.count(by, epoch, at)
	}
}

// readmit makes anew the entries that had made room.
func (t *Table) readmit(n *note, plan *rewrite.Plan, at int64) *note {
	keys := make([]key, len(n.entries))
	for i, e := range n.entries {
		keys[i] = e.key
	}
	anew := t.admit(keys, at)
	plan.Note().Store(anew)
	return anew
}

// admit returns the entries of keys.
func (t *Table) admit(keys []key, at int64) *note {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &note{entries: make([]*entry, len(keys))}
	for i, k := range keys {
		e := t.entries[k]
		if e == nil {
			if len(t.entries) >= t.opt.Entries {
				t.makeRoom()
			}
			e = newEntry(k, at, t.opt.Metrics.forecast(k))
			t.entries[k] = e
		}
		n.entries[i] = e
	}
	return n
}

// makeRoom takes out the sixteenth that was seen least recently; refused
// statements only when there is nothing else.
func (t *Table) makeRoom() {
	all := make([]*entry, 0, len(t.entries))
	last := make(map[*entry]int64, len(t.entries))
	for _, e := range t.entries {
		all, last[e] = append(all, e), e.last()
	}
	slices.SortFunc(all, func(a, b *entry) int {
		if a.refused() != b.refused() {
			if b.refused() {
				return -1
			}
			return 1
		}
		return int(min(1, max(-1, last[a]-last[b])))
	})
	for _, e := range all[:max(1, len(all)/16)] {
		e.gone.Store(true)
		delete(t.entries, e.key)
		t.evicted++
		t.opt.Metrics.evict()
		if e.refused() {
			was := t.lost[e.key.migration]
			t.lost[e.key.migration] = lost{was.count + e.total(), max(was.last, last[e])}
		}
	}
}

// key is what makes a statement one.
type key struct {
	migration, kind, outcome, reason, text string
	forecast                               bool
}

func keyOf(touch rewrite.Touch) key {
	return key{touch.Migration, touch.Kind, touch.Outcome, touch.Reason, touch.Text, touch.Forecast}
}

// entry is one statement, to one migration.
type entry struct {
	key     key
	first   int64 // Unix time in nanoseconds, as all below
	gone    atomic.Bool
	epoch   atomic.Uint64 // the last under which it was seen
	tallies atomic.Pointer[[]*tally]
	others  tally
	metric  counter

	growing sync.Mutex // held to replace tallies
}
