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
