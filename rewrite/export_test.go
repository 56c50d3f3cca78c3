package rewrite

// PlanAnew plans a text without looking at any cache.
func (p *Planner) PlanAnew(text string) *Plan { return p.plan(text, Env{}) }

// SyncsOnly is p, but for what statements compute themselves: that is left to syncs.
func (p *Planner) SyncsOnly() *Planner {
	return &Planner{
		epoch: p.epoch, set: p.set, snapshot: p.snapshot, migrations: p.migrations, relations: p.relations, byName: p.byName, mentions: p.mentions,
		active: p.active, lastval: p.lastval, hides: p.hides, syncsOnly: true,
		cache: cache{plans: map[string]*Plan{}}, shapes: shapes{plans: map[string]*shaped{}},
	}
}
