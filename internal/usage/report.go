package usage

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Report is what a Table has of one migration, or of all. Fields are only ever
// added.
type Report struct {
	// Since is when counting began.
	Since time.Time `json:"since"`
	// WindowSeconds is how long a refused statement counts as seen lately.
	WindowSeconds int64 `json:"window_seconds"`
	// Limit is the most statements that are remembered, of all migrations;
	// Evicted is how many have made room for others.
	Limit   int    `json:"limit"`
	Evicted uint64 `json:"evicted"`
	// Refused has what was seen within the window and is refused, or would be.
	Refused    []Refused   `json:"refused"`
	Statements []Statement `json:"statements"`
}

// Statement is one normalised statement, to one migration.
type Statement struct {
	// ID is the same in every process for what is the same but for the counts.
	ID        string `json:"id"`
	Migration string `json:"migration"`
	Kind      string `json:"kind"`
	// Outcome is pass, rewrite, refuse or unknown. Where Forecast, it is what
	// dualwrite would do: the migration was off.
	Outcome  string `json:"outcome"`
	Forecast bool   `json:"forecast"`
	Reason   string `json:"reason"` // of refuse and unknown, else empty
	Text     string `json:"text"`
	// Count is how often it was executed; 0 means that it was only prepared.
	Count     uint64    `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Epoch is the last version of the rules under which it was seen.
	Epoch   uint64  `json:"epoch"`
	Clients []Usage `json:"clients"`
	// OtherClients counts the executions by clients beyond those in Clients.
	OtherClients uint64 `json:"other_clients"`
}

// Usage is what one client did with a statement.
type Usage struct {
	Application string    `json:"application"`
	User        string    `json:"user"`
	Count       uint64    `json:"count"`
	LastSeen    time.Time `json:"last_seen"`
}

// Refused is a kind of statement that is refused, or would be, for a reason.
type Refused struct {
	Migration string    `json:"migration"`
	Kind      string    `json:"kind"`
	Reason    string    `json:"reason"`
	Count     uint64    `json:"count"`
	LastSeen  time.Time `json:"last_seen"`
}

// Report tells what was seen of a migration; "" means of all. Refused ones come
// first, then the unknown ones, each the most recent first.
func (t *Table) Report(migration string) Report {
	if t == nil {
		return Report{Refused: []Refused{}, Statements: []Statement{}}
	}
	t.settle()
	r := Report{
		Since: t.since, WindowSeconds: int64(t.opt.Window.Seconds()), Limit: t.opt.Entries,
		Refused: []Refused{}, Statements: []Statement{},
	}
	current, missing := t.snapshot(migration, &r.Evicted)
	for _, e := range current {
		r.Statements = append(r.Statements, e.statement())
	}
	slices.SortFunc(r.Statements, func(a, b Statement) int {
		return cmp.Or(cmp.Compare(rank(a.Outcome), rank(b.Outcome)), b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.ID, b.ID))
	})
	r.Refused = t.refused(r.Statements, missing)
	return r
}

// Refused tells what was seen of a migration within the window that is refused,
// or would be.
func (t *Table) Refused(migration string) []Refused { return t.Report(migration).Refused }

// snapshot returns the entries of a migration that are still true: what a later
// epoch says of the same statement takes the place of what an earlier one said.
func (t *Table) snapshot(migration string, evicted *uint64) (current []*entry, missing map[string]lost) {
	type subject struct {
		migration, kind, text string
		forecast              bool
	}
	subjectOf := func(e *entry) subject { return subject{e.key.migration, e.key.kind, e.key.text, e.key.forecast} }
	t.mu.Lock()
	defer t.mu.Unlock()
	newest := map[subject]uint64{}
	for _, e := range t.entries {
		newest[subjectOf(e)] = max(newest[subjectOf(e)], e.epoch.Load())
	}
	for _, e := range t.entries {
		if (migration == "" || migration == e.key.migration) && e.epoch.Load() >= newest[subjectOf(e)] {
			current = append(current, e)
		}
	}
	missing = map[string]lost{}
	for name, l := range t.lost {
		if migration == "" || migration == name {
			missing[name] = l
		}
	}
	*evicted = t.evicted
	return current, missing
}

// refused groups what was seen within the window, the most recent first.
func (t *Table) refused(statements []Statement, missing map[string]lost) []Refused {
	type group struct{ migration, kind, reason string }
	begin := t.opt.now().Add(-t.opt.Window)
	groups := map[group]*Refused{}
	add := func(r Refused) {
		if r.LastSeen.Before(begin) {
			return
		}
		g := group{r.Migration, r.Kind, r.Reason}
		if groups[g] == nil {
			groups[g] = &Refused{Migration: r.Migration, Kind: r.Kind, Reason: r.Reason}
		}
		groups[g].Count += r.Count
		if groups[g].LastSeen.Before(r.LastSeen) {
			groups[g].LastSeen = r.LastSeen
		}
	}
	for _, s := range statements {
		if s.Outcome == refuse {
			add(Refused{s.Migration, s.Kind, s.Reason, s.Count, s.LastSeen})
		}
	}
	for name, l := range missing {
		add(Refused{name, "other", "of more statements than are remembered, some were refused, or would be", l.count, at(l.last)})
	}
	all := make([]Refused, 0, len(groups))
	for _, r := range groups {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Refused) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Migration, b.Migration), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

const refuse = "refuse"

// rank orders outcomes by how much they matter before a flip.
func rank(outcome string) int {
	return slices.Index([]string{refuse, "unknown", "rewrite", "pass"}, outcome)
}

func at(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

func (e *entry) statement() Statement {
	s := Statement{
		ID: e.key.id(), Migration: e.key.migration, Kind: e.key.kind, Outcome: e.key.outcome, Forecast: e.key.forecast,
		Reason: e.key.reason, Text: e.key.text, FirstSeen: at(e.first), LastSeen: at(e.last()), Epoch: e.epoch.Load(),
		Clients: []Usage{}, OtherClients: e.others.n.Load(),
	}
	s.Count = s.OtherClients
	for _, t := range *e.tallies.Load() {
		s.Clients = append(s.Clients, Usage{t.client.Application, t.client.User, t.n.Load(), at(t.last.Load())})
		s.Count += s.Clients[len(s.Clients)-1].Count
	}
	slices.SortStableFunc(s.Clients, func(a, b Usage) int { return cmp.Compare(b.Count, a.Count) })
	return s
}

// id is a digest of the key.
func (k key) id() string {
	h := sha256.New()
	forecast := "is"
	if k.forecast {
		forecast = "would be"
	}
	for _, part := range []string{k.migration, k.kind, k.outcome, k.reason, k.text, forecast} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
