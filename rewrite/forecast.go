package rewrite

import (
	"sync"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Unknown is the outcome of a Touch that cannot be told yet.
const Unknown = "unknown"

// notYet begins the reason of what cannot be told before the expand step.
const notYet = "unknown until the new shape exists"

// forecasts are the planners that say what would become of a statement if a
// migration that is off went to dualwrite. Each is made when it is first asked.
type forecasts struct {
	mu   sync.Mutex // guards what follows
	made map[string]*forecast
	memo map[string][]Touch // see Planner.Touches
}

// forecast plans as if one migration were in dualwrite.
type forecast struct {
	// planner is nil where the rules do not fit the database even so.
	planner *Planner
	// strict is set where the new shape does not exist, or not as it must be.
	// Then planner supposes one with which most can be done, strict one with
	// which least can be: what they agree on is certain.
	strict *Planner
}

// forecast returns the forecast for a migration that is off.
func (p *Planner) forecast(name string) *forecast {
	p.forecasts.mu.Lock()
	defer p.forecasts.mu.Unlock()
	if f := p.forecasts.made[name]; f != nil {
		return f
	}
	if p.forecasts.made == nil {
		p.forecasts.made = map[string]*forecast{}
	}
	f := p.newForecast(name)
	p.forecasts.made[name] = f
	return f
}

func (p *Planner) newForecast(name string) *forecast {
	set := raised(p.set, name)
	if planner, err := Compile(set, p.snapshot, p.epoch); err == nil {
		return &forecast{planner: planner}
	}
	m := set.Find(name)
	m.Down = nil // it reads the new shape, and decides nothing about outcomes
	most, err := Compile(set, supposed(p.snapshot, m, true), p.epoch)
	if err != nil {
		return &forecast{}
	}
	least, err := Compile(set, supposed(p.snapshot, m, false), p.epoch)
	if err != nil {
		return &forecast{}
	}
	return &forecast{planner: most, strict: least}
}

// raised returns the rules with one migration in dualwrite.
func raised(set *rules.Set, name string) *rules.Set {
	up := &rules.Set{File: set.File, Migrations: append([]rules.Migration(nil), set.Migrations...)}
	up.Find(name).Phase = rules.Dualwrite
	return up
}

// supposed returns the catalog with a new shape for m as the rules want it;
// cascade says whether changes of the key would be carried over to new rows.
func supposed(snap *catalog.Snapshot, m *rules.Migration, cascade bool) *catalog.Snapshot {
	copied := *snap
	copied.Tables = make(map[catalog.Name]*catalog.Table, len(snap.Tables)+1)
	for name, t := range snap.Tables {
		copied.Tables[name] = t
	}
	name, old := catalogName(m.New.Table), snap.Tables[catalogName(m.Old.Table)]
	if m.Kind == rules.Columns {
		copied.Tables[name] = supposedColumns(snap, old, m)
	} else {
		copied.Tables[name] = supposedTable(snap, old, m, cascade)
	}
	return &copied
}

func supposedColumns(snap *catalog.Snapshot, old *catalog.Table, m *rules.Migration) *catalog.Table {
	t := *old
	t.Columns = nil
	for _, c := range old.Columns {
		if !has(m.New.Columns, c.Name) {
			t.Columns = append(t.Columns, c)
		}
	}
	for _, e := range m.Up {
		c := catalog.Column{Name: e.Column, Type: "text", Constant: true}
		if x := snap.Exprs[upID(m, e)]; len(x.Columns) == 1 {
			c.Type = x.Columns[0].Type
		}
		t.Columns = append(t.Columns, c)
	}
	return &t
}

func supposedTable(snap *catalog.Snapshot, old *catalog.Table, m *rules.Migration, cascade bool) *catalog.Table {
	const id = "pgjanus_id"
	t := &catalog.Table{
		Name: catalogName(m.New.Table), Kind: 'r', Key: []string{id},
		Columns: []catalog.Column{{Name: id, Type: "bigint", NotNull: true, Default: "nextval('')"}},
	}
	fk := catalog.ForeignKey{RefTable: old.Name, OnDelete: 'c', OnUpdate: 'a'}
	if cascade {
		fk.OnUpdate = 'c'
	}
	for _, parent := range m.New.Parents {
		c := catalog.Column{Name: parent.New, Type: "text"}
		if key := old.Column(parent.Old); key != nil {
			c.Type = key.Type
		}
		t.Columns = append(t.Columns, c)
		fk.Columns, fk.RefColumns = append(fk.Columns, parent.New), append(fk.RefColumns, parent.Old)
	}
	for _, e := range m.Up {
		for _, c := range snap.Exprs[upID(m, e)].Columns {
			t.Columns = append(t.Columns, catalog.Column{Name: c.Name, Type: c.Type, Constant: true})
		}
	}
	t.ForeignKeys = []catalog.ForeignKey{fk}
	return t
}

// judge says what dualwrite would do with a statement, of which it is known
// that it concerns the migration.
func (f *forecast) judge(m string, text string, tokens []token, raw *pg_query.RawStmt) verdict {
	if f.planner == nil {
		return verdict{outcome: Unknown, reason: notYet}
	}
	v := f.planner.judge(m, text, tokens, raw)
	if f.strict == nil {
		return v
	}
	least := f.strict.judge(m, text, tokens, raw)
	v.literal = v.literal || least.literal
	if v.outcome != least.outcome {
		v.outcome, v.reason = Unknown, notYet+": "+least.reason
	}
	return v
}
