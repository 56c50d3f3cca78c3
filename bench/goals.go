package main

import "math"

// goal is a ratio that pgjanus wants to reach.
type goal struct {
	Name string  `json:"name"`
	Want float64 `json:"want"`
	Got  float64 `json:"got"`
	Met  bool    `json:"met"`
}

// goals judges the groups that goals are set for; those that were not measured
// are left out.
func goals(groups []*group) []goal {
	var out []goal
	add := func(g *group, over string, want float64) {
		if got := ratio(g.find(pgjanus), g.find(over)); !math.IsNaN(got) {
			out = append(out, goal{Name: g.name() + ": pgjanus over " + over, Want: want, Got: got, Met: got >= want})
		}
	}
	for _, g := range groups {
		switch {
		case g.Protocol != "prepared":
		case g.Table == passThrough && g.Clients == 16:
			add(g, pgbouncer, 0.75)
		case g.Table == dualWrite && g.Work != "status":
			// The application needs one statement for both columns of users: it
			// writes both for nothing there.
			add(g, byTrigger, 0.85)
			add(g, byApp, 1.4)
		}
	}
	return out
}
