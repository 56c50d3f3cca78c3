package rewrite

// PlanAnew plans a text without looking at any cache.
func (p *Planner) PlanAnew(text string) *Plan { return p.plan(text, p.Mentions([]byte(text)), Env{}) }
