package usage

import (
	"slices"
	"sync/atomic"
)

// Client is who sends a statement.
type Client struct {
	Application string // application_name
	User        string
}

// entryClients is how many clients a statement tells apart; those that come
// later are counted together.
const entryClients = 16

// tally counts the executions of one statement by one client.
type tally struct {
	client *Client
	n      atomic.Uint64
	last   atomic.Int64
}

func (t *tally) add(at int64) {
	t.n.Add(1)
	t.last.Store(at)
}

func newEntry(k key, at int64, metric counter) *entry {
	e := &entry{key: k, first: at, metric: metric}
	e.tallies.Store(&[]*tally{})
	return e
}

func (e *entry) count(by *Client, epoch uint64, at int64) {
	if e.epoch.Load() < epoch {
		e.epoch.Store(epoch)
	}
	if e.metric != nil {
		e.metric.Inc()
	}
	e.tally(by).add(at)
}

// tally returns the client's own, or the one of the others.
func (e *entry) tally(by *Client) *tally {
	if t := find(*e.tallies.Load(), by); t != nil {
		return t
	}
	e.growing.Lock()
	defer e.growing.Unlock()
	now := *e.tallies.Load()
	if t := find(now, by); t != nil {
		return t
	}
	if len(now) >= entryClients {
		return &e.others
	}
	t := &tally{client: by}
	grown := append(slices.Clone(now), t)
	e.tallies.Store(&grown)
	return t
}

func find(tallies []*tally, by *Client) *tally {
	for _, t := range tallies {
		if t.client == by || *t.client == *by {
			return t
		}
	}
	return nil
}

// last is when the statement was seen last.
func (e *entry) last() int64 {
	at := max(e.first, e.others.last.Load())
	for _, t := range *e.tallies.Load() {
		at = max(at, t.last.Load())
	}
	return at
}

func (e *entry) total() uint64 {
	n := e.others.n.Load()
	for _, t := range *e.tallies.Load() {
		n += t.n.Load()
	}
	return n
}

// refused reports whether the statement was refused, or would be.
func (e *entry) refused() bool { return e.key.outcome == refuse }
