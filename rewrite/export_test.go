package rewrite

// PlanAnew plans a text without looking at any cache.
func (p *Planner) PlanAnew(text string) *Plan { return p.plan(text, p.Mentions([]byte(text)), Env{}) }

// Shown returns, for each relation that is a lens, what it calls the columns of
// its migrating table.
func (p *Planner) Shown() map[string]map[string]string {
	all := map[string]map[string]string{}
	for name, rel := range p.relations {
		if rel.shown != nil {
			all[name.String()] = p.lens(name, 0).names
		}
	}
	return all
}

// SyncsOnly is p, but for what statements compute themselves: that is left to syncs.
func (p *Planner) SyncsOnly() *Planner {
	return &Planner{
		epoch: p.epoch, set: p.set, snapshot: p.snapshot, migrations: p.migrations, relations: p.relations, byName: p.byName, mentions: p.mentions,
		active: p.active, lastval: p.lastval, hides: p.hides, syncsOnly: true,
		cache: cache{plans: map[string]*Plan{}}, shapes: shapes{plans: map[string]*shaped{}},
	}
}

// Elements returns how many rows an elementwise query has, and what gives them
// with their numbers as one more column.
func Elements(query string) (count, numbered string) {
	e, _ := elements(query)
	return e.count, e.numbered
}
