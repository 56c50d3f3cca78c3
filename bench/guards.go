package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// guardCost is the table of what the guard of a migration costs, and
// on_fanout_error: dirty, against neither.
const guardCost = "guard"

// extras are what the rules of the migrations of a database of its own say more,
// by the name of the variant.
var extras = []struct{ name, rule string }{
	{"log", "guard: log"},
	{"reject", "guard: reject"},
	{"sync", "guard: sync"},
	{"dirty", "on_fanout_error: dirty"},
}

// none is the variant without any of them.
const none = "none"

// extraRoute is the route through the pgjanus whose rules have that, and
// extraDB its database.
func extraRoute(name string) string { return pgjanus + " " + name }
func extraDB(name string) string    { return rulesDB + "_" + name }

func guardGroups(has map[string]bool) []*group {
	if !has[pgjanus] {
		return nil
	}
	var out []*group
	for _, work := range []string{"insert", "update", "status"} {
		g := &group{Table: guardCost, Work: work, Protocol: "prepared", Clients: 4}
		g.Variants = append(g.Variants, &variant{Name: none, Route: pgjanus, Database: rulesDB, Script: work + ".sql"})
		for _, e := range extras {
			g.Variants = append(g.Variants, &variant{Name: e.name, Route: extraRoute(e.name), Database: extraDB(e.name), Script: work + ".sql"})
		}
		out = append(out, g)
	}
	return out
}

// openExtras starts a pgjanus of its own for each.
func (s *stage) openExtras(ctx context.Context) error {
	for _, e := range extras {
		rules, err := rulesWith(e.rule)
		if err != nil {
			return err
		}
		if err := s.createDatabase(ctx, extraDB(e.name)); err != nil {
			return err
		}
		j, err := runJanus(ctx, s.dir, filepath.Join(s.dir, e.name), s.server.DSN(extraDB(e.name)), s.server.Port(), rules)
		if err != nil {
			return err
		}
		s.extras[extraRoute(e.name)], s.ports[extraRoute(e.name)] = j, j.port
	}
	return nil
}

// rulesWith is the rules file, with one line more for each migration.
func rulesWith(line string) ([]byte, error) {
	text, err := sqlFiles.ReadFile("sql/rules.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the rules: %w", err)
	}
	return []byte(strings.ReplaceAll(string(text), "    kind:", "    "+line+"\n    kind:")), nil
}

func guardRows(groups []*group) [][]string {
	head := []string{"work", "protocol", none}
	for _, e := range extras {
		head = append(head, e.name)
	}
	for _, e := range extras {
		head = append(head, e.name+"/"+none)
	}
	rows := [][]string{head}
	for _, g := range groups {
		if g.Table != guardCost {
			continue
		}
		row := []string{g.Work, g.Protocol, rate(g.find(none))}
		for _, e := range extras {
			row = append(row, rate(g.find(e.name)))
		}
		for _, e := range extras {
			row = append(row, decimal(ratio(g.find(e.name), g.find(none)), 2))
		}
		rows = append(rows, row)
	}
	return rows
}
