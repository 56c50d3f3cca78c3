package main

import "fmt"

// Routes: the ways to reach Postgres.
const (
	direct    = "direct"
	pgbouncer = "pgbouncer"
	pgjanus   = "pgjanus"
)

// Variants of a dual write, each with a database of its own.
const (
	oldOnly     = "old shape only"
	byTrigger   = "trigger"
	byTriggerNo = "trigger, direct"
	byPgjanus   = "pgjanus"
	byApp       = "application writes both"
)

// Databases. The rules of pgjanus apply to rulesDB, and to no other.
const (
	rulesDB   = "bench"
	oldDB     = "bench_old"
	triggerDB = "bench_trigger"
	appDB     = "bench_app"
)

// Tables of the report.
const (
	passThrough = "pass"
	dualWrite   = "dual"
)

// group is one line of a table: one kind of work, done in turn by variants that
// are compared with one another.
type group struct {
	Table    string
	Work     string // a builtin of pgbench, or the stem of a script in sql/
	Protocol string // pgbench -M
	Clients  int
	Variants []*variant
}

// variant is one way to do the work of a group, and what came of it.
type variant struct {
	Name     string
	Route    string
	Database string
	Script   string // file in sql/; empty for a builtin of pgbench
	Samples  []sample
	Err      error // the first failure; the variant is not run again
}

func (g *group) name() string {
	return fmt.Sprintf("%s/%s/%s/%d", g.Table, g.Work, g.Protocol, g.Clients)
}

func (g *group) find(name string) *variant {
	for _, v := range g.Variants {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// plan lists what is measured over the routes there are. Without PgBouncer the
// rivals of pgjanus are reached directly, one hop fewer than fair; the report
// says so.
func plan(routes []string, quick bool) []*group {
	has := make(map[string]bool)
	for _, r := range routes {
		has[r] = true
	}
	return append(append(passGroups(routes, quick), dualGroups(has)...), guardGroups(has)...)
}

func passGroups(routes []string, quick bool) []*group {
	protocols, clients := []string{"simple", "extended", "prepared"}, []int{1, 16}
	if quick {
		protocols, clients = []string{"simple", "prepared"}, []int{16}
	}
	var out []*group
	for _, work := range []string{"select", "tpcb"} {
		for _, protocol := range protocols {
			for _, n := range clients {
				g := &group{Table: passThrough, Work: work, Protocol: protocol, Clients: n}
				for _, r := range routes {
					g.Variants = append(g.Variants, &variant{Name: r, Route: r, Database: rulesDB})
				}
				out = append(out, g)
			}
		}
	}
	return out
}

func dualGroups(has map[string]bool) []*group {
	hop := direct
	if has[pgbouncer] {
		hop = pgbouncer
	}
	var out []*group
	for _, work := range []string{"insert", "update", "status"} {
		for _, protocol := range []string{"prepared", "simple"} {
			g := &group{Table: dualWrite, Work: work, Protocol: protocol, Clients: 4}
			add := func(name, route, database, script string) {
				if has[route] {
					g.Variants = append(g.Variants, &variant{Name: name, Route: route, Database: database, Script: script})
				}
			}
			add(oldOnly, hop, oldDB, work+".sql")
			add(byTrigger, hop, triggerDB, work+".sql")
			add(byPgjanus, pgjanus, rulesDB, work+".sql")
			add(byApp, hop, appDB, work+"_both.sql")
			if hop != direct && protocol == "prepared" && work != "status" {
				add(byTriggerNo, direct, triggerDB, work+".sql")
			}
			out = append(out, g)
		}
	}
	return out
}
