package rewrite

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Planner plans statements under one epoch: one set of rules over one catalog
// snapshot. It is immutable but for its cache, and safe for concurrent use.
type Planner struct {
	epoch      uint64
	set        *rules.Set
	snapshot   *catalog.Snapshot
	migrations []*Migration
	relations  map[catalog.Name]*relation
	byName     map[string][]*relation // unqualified name -> the relations of that name
	mentions   mentions
	aside      aside
	warnings   []string
	active     bool
	lastval    bool // sessions may have marks: lastval() is pgjanus.lastval()
	hides      bool // some migration has new columns that are kept out of sight
	foreign    bool // some name of a migration is not ASCII
	syncsOnly  bool // statements compute nothing themselves: for a test that compares
	cache      cache
	forecasts  forecasts
	shapes     shapes
	named      namedPlans
	contested  *Question // about the names that several schemas have; nil without any
	everyName  *Question // about all names
}

// Epoch is the version of the rules this planner works under.
func (p *Planner) Epoch() uint64 { return p.epoch }

// Set returns the rules.
func (p *Planner) Set() *rules.Set { return p.set }

// Snapshot returns the catalog.
func (p *Planner) Snapshot() *catalog.Snapshot { return p.snapshot }

// Active reports whether any migration is beyond off.
func (p *Planner) Active() bool { return p.active }

// Migrations returns the compiled migrations in the order of the rules.
func (p *Planner) Migrations() []*Migration { return p.migrations }

// Warnings lists what is allowed but should be known, one sentence each.
func (p *Planner) Warnings() []string { return p.warnings }

// sortedRelations returns the relations in the order of their names.
func (p *Planner) sortedRelations() []*relation {
	all := make([]*relation, 0, len(p.relations))
	for _, rel := range p.relations {
		all = append(all, rel)
	}
	slices.SortFunc(all, func(a, b *relation) int {
		return cmp.Or(strings.Compare(a.name.Name, b.name.Name), strings.Compare(a.name.Schema, b.name.Schema))
	})
	return all
}

// Migration returns the migration of that name, or nil.
func (p *Planner) Migration(name string) *Migration {
	for _, m := range p.migrations {
		if m.Rule.Name == name {
			return m
		}
	}
	return nil
}

// Cached plans: texts longer than this are planned anew every time, and when
// the cache is full a random plan makes room.
const (
	cacheTextLimit = 16 << 10
	cachePlans     = 4096
)

// cache maps texts to plans.
type cache struct {
	mu    sync.RWMutex
	plans map[string]*Plan // guarded by mu
}

func (c *cache) get(text []byte) *Plan {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.plans[string(text)] // no allocation: the compiler knows this form
}

func (c *cache) put(p *Plan) {
	if len(p.Original) > cacheTextLimit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.plans) >= cachePlans {
		for text := range c.plans {
			delete(c.plans, text)
			break
		}
	}
	c.plans[p.Original] = p
}
