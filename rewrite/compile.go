package rewrite

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Request is what Compile needs to know of the database for a set of rules.
func Request(set *rules.Set) catalog.Request {
	var req catalog.Request
	seen := map[catalog.Name]bool{}
	table := func(t rules.Table) {
		if name := catalogName(t); !seen[name] {
			seen[name] = true
			req.Tables = append(req.Tables, name)
		}
	}
	for i := range set.Migrations {
		m := &set.Migrations[i]
		table(m.Old.Table)
		table(m.New.Table)
		req.Exprs = append(req.Exprs, exprRequests(m)...)
		if m.Active() {
			req.Grants = append(req.Grants, catalog.GrantRequest{
				Old: catalogName(m.Old.Table), New: catalogName(m.New.Table), Columns: m.New.Columns,
			})
		}
	}
	return req
}

func exprRequests(m *rules.Migration) []catalog.ExprRequest {
	up, down := catalog.ScalarOverOld, catalog.ScalarOverNewRow
	if m.Kind == rules.Rows {
		up, down = catalog.QueryOverOld, catalog.ScalarOverNewSet
	}
	var reqs []catalog.ExprRequest
	for _, e := range m.Up {
		reqs = append(reqs, catalog.ExprRequest{ID: upID(m, e), Kind: up, Table: catalogName(m.Old.Table), SQL: e.SQL})
	}
	for _, e := range m.Down {
		reqs = append(reqs, catalog.ExprRequest{ID: downID(m, e.Column), Kind: down, Table: catalogName(m.New.Table), SQL: e.SQL})
	}
	return reqs
}

func upID(m *rules.Migration, e rules.Expr) string {
	if e.Column == "" {
		return m.Name + "/up"
	}
	return m.Name + "/up/" + e.Column
}

func downID(m *rules.Migration, column string) string { return m.Name + "/down/" + column }

// Compile checks a set of rules against the catalog and makes a Planner. The
// error is rules.Problems: everything that is wrong, at once.
func Compile(set *rules.Set, snap *catalog.Snapshot, epoch uint64) (*Planner, error) {
	p := &Planner{
		epoch: epoch, set: set, snapshot: snap,
		relations: map[catalog.Name]*relation{}, byName: map[string][]*relation{},
		cache: cache{plans: map[string]*Plan{}}, shapes: shapes{plans: map[string]*shaped{}},
	}
	var problems rules.Problems
	for i := range set.Migrations {
		c := &check{file: set.File, rule: &set.Migrations[i], snap: snap}
		m := c.migration()
		problems = append(problems, c.problems...)
		p.warnings = append(p.warnings, c.warnings...)
		if m == nil || len(c.problems) > 0 {
			continue
		}
		p.active = p.active || m.Rule.Active()
		p.migrations = append(p.migrations, m)
		p.relate(m)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if err := p.buildSyncs(); err != nil {
		return nil, err
	}
	p.focus()
	p.questions()
	names := make([]string, 0, len(p.byName))
	for name := range p.byName {
		names = append(names, name)
	}
	sort.Strings(names)
	p.aside = p.lookAside()
	p.foreign = !ascii([]byte(strings.Join(slices.Concat(names, p.columnNames(), p.aside.names()), "")))
	if p.lastval = p.keepsLastval(); p.lastval {
		names = append(names, "lastval")
	}
	for _, m := range p.migrations {
		if len(m.besides()) > 0 {
			names = append(names, "truncate")
			break
		}
	}
	p.mentions = newMentions(names, p.aside.words...)
	return p, nil
}

// buildSyncs makes the functions of the active migrations.
func (p *Planner) buildSyncs() error {
	p.findSiblings()
	for _, m := range p.migrations {
		if !m.Rule.Active() {
			continue
		}
		if err := m.buildSyncs(); err != nil {
			return fmt.Errorf("migration %s: %w", m.Rule.Name, err)
		}
	}
	return nil
}

// columnNames lists the columns of which plans must know that a statement names them.
func (p *Planner) columnNames() []string {
	var names []string
	for _, m := range p.migrations {
		names = append(append(append(names, m.Rule.Old.Key...), m.Rule.Old.Columns...), m.Rule.New.Columns...)
		for _, parent := range m.Rule.New.Parents {
			names = append(names, parent.New)
		}
		if m.Rule.Kind == rules.Rows {
			names = append(names, m.RowColumns()...)
		}
	}
	return names
}

// relate registers the relations through which a migration can be written.
func (p *Planner) relate(m *Migration) {
	old := p.relation(m.Old.Name)
	if m.Rule.Active() {
		old.old = append(old.old, m)
	}
	p.hide(m, old)
	p.relatives(m.Old, old)
	if m.Rule.Kind == rules.Rows && m.New != nil {
		rel := p.relation(m.New.Name)
		if m.Rule.Active() {
			rel.new = append(rel.new, m)
		}
		p.relatives(m.New, rel)
	}
}

// Values of relation.via that more than messages depend on.
const (
	viaView      = "a view over"
	viaPartition = "a partition of"
)

func (p *Planner) relatives(t *catalog.Table, base *relation) {
	child := "an inheritance child of"
	if t.Kind == 'p' {
		child = viaPartition
	}
	for via, names := range map[string][]catalog.Name{viaView: t.Views, child: t.Children, "an inheritance parent of": t.Parents} {
		for _, name := range names {
			rel := p.relation(name)
			if len(rel.old)+len(rel.new) == 0 && rel != base {
				rel.of = append(rel.of, relative{via, base})
			}
		}
	}
}

func (p *Planner) relation(name catalog.Name) *relation {
	if rel := p.relations[name]; rel != nil {
		return rel
	}
	rel := &relation{name: name}
	p.relations[name] = rel
	p.byName[name.Name] = append(p.byName[name.Name], rel)
	return rel
}
