package rewrite

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// A name without a schema stands for the first relation of that name in the
// session's search_path, with its temporary ones in front. Settings are not
// followed: they change in too many ways (SET LOCAL, functions, ROLLBACK TO,
// defaults of roles). Where more than one relation can be meant, the plan of a
// text has a Question, and is made anew with the answer (docs/adr/0014).

// Question asks a server which relations of migrations the unqualified names of
// a session stand for at that moment. It can be asked whatever the session's
// role and settings are; it fails only where any statement would.
type Question struct {
	// Name is what it is prepared under; SQL yields one row with one text, which
	// is Env.Names.
	Name, SQL string
	at        map[*relation]int
}

// newQuestion asks about those relations, of which there is at least one.
func newQuestion(name string, relations []*relation) *Question {
	q := &Question{Name: name, at: map[*relation]int{}}
	// to_regclass fails for a schema that the role may not use, whose relations
	// no unqualified name stands for.
	const standsFor = "CASE WHEN pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace(%s)::pg_catalog.oid, 'USAGE')" +
		" THEN pg_catalog.to_regclass(%s)::pg_catalog.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%s)::pg_catalog.oid END"
	parts := list(relations, func(i int, rel *relation) string {
		q.at[rel] = i
		name, schema, whole := Ident(rel.name.Name), asciiLiteral(Ident(rel.name.Schema)), asciiLiteral(rel.name.SQL())
		part := "CASE WHEN " + fmt.Sprintf(standsFor, schema, asciiLiteral(name), whole) + " THEN 't'"
		if rel.temporary() {
			part += " WHEN " + fmt.Sprintf(standsFor, schema, asciiLiteral(ofSession+"."+name), whole) + " THEN 'p'"
		}
		return part + " ELSE 'f' END"
	})
	q.SQL = "SELECT pg_catalog.concat(" + parts + ")"
	return q
}

// Ours is the answer of a session in which every name stands for a relation of
// a migration.
func (q *Question) Ours() string { return strings.Repeat("t", len(q.at)) }

// says reports whether, by an answer, a name stands for rel: one without a schema, or
// with that of temporary relations, which may come late in search_path.
func (q *Question) says(answer string, rel *relation, schema string) bool {
	i, known := q.at[rel]
	return known && i < len(answer) && (answer[i] == 't' || answer[i] == 'p' && schema == ofSession)
}

// asciiLiteral is Literal in ASCII, which means the same in every client encoding.
func asciiLiteral(s string) string {
	if ascii([]byte(s)) {
		return Literal(s)
	}
	var b strings.Builder
	b.WriteString(" E'")
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x80:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	return b.String() + "'"
}

// questions makes the planner's questions: about the names that several schemas
// have, and, for sessions that have relations which the catalog does not show,
// about all of them. Either is nil where there is nothing to ask.
func (p *Planner) questions() {
	var some, all []*relation
	for _, rel := range p.sortedRelations() {
		all = append(all, rel)
		if p.hasNamesakes(rel.name.Name) {
			some = append(some, rel)
		}
	}
	if len(some) > 0 {
		p.contested = newQuestion(fmt.Sprintf("pgjanus_%d names", p.epoch), some)
	}
	if len(all) > 0 {
		p.everyName = newQuestion(fmt.Sprintf("pgjanus_%d all names", p.epoch), all)
	}
}

// question is what a session of that kind has to be asked, or nil.
func (p *Planner) question(env Env) *Question {
	if env.Shadowed {
		return p.everyName
	}
	return p.contested
}

// Contests reports whether there are texts whose plans depend on what names
// stand for in a session.
func (p *Planner) Contests(env Env) bool { return p.question(env) != nil }

// naming is what is known, while a text is planned, of what its names stand for.
type naming struct {
	asked *pg_query.RangeVar // a name of which it was not known
	// mixed: the text may be one to rewrite or refuse for another answer though it
	// passes where every name stands for a relation of a migration.
	mixed       bool
	ours, apart bool // some name stands for one, or for none though it might
	// shifted is an earlier statement of the text that may change what names
	// stand for; late refuses one that depends on it.
	shifted string
	late    *Refusal
}

// find returns the relation that rv stands for, of those that want accepts, or
// nil. Where that is not known it is the first that it might stand for.
func (w *planning) find(rv *pg_query.RangeVar, want func(*relation) bool) *relation {
	if rv == nil {
		return nil
	}
	found := w.mayBe(rv, want)
	if len(found) == 0 {
		return nil
	}
	q := w.question(w.env)
	ours := w.names.ours
	w.names.ours = true
	if rv.Schemaname != "" && rv.Schemaname != ofSession || !w.isContested(rv.Relname) {
		return found[0]
	}
	if w.later && !w.active {
		w.names.ours = ours
		return nil
	}
	if w.later {
		w.names.late = &Refusal{
			Migration: found[0].migration(), Offset: int(rv.Location),
			Reason: fmt.Sprintf("what %q stands for may be something else when the prepared statement is executed", rv.Relname),
			Hint:   fmt.Sprintf("write the schema, as in %s", found[0].name),
		}
		return found[0]
	}
	if w.names.shifted != "" && w.names.late == nil {
		w.names.late = &Refusal{
			Migration: found[0].migration(), Offset: int(rv.Location),
			Reason: fmt.Sprintf("what %q stands for may be changed by %s earlier in the same text", rv.Relname, w.names.shifted),
			Hint:   fmt.Sprintf("send the statements one by one, or write the schema, as in %s", found[0].name),
		}
	}
	if w.env.Names == "" || q == nil {
		if w.names.asked == nil {
			w.names.asked = rv
		}
		w.names.mixed = w.names.mixed || len(found) > 1
		return found[0]
	}
	for _, rel := range found {
		if q.says(w.env.Names, rel, rv.Schemaname) {
			return rel
		}
	}
	w.names.ours, w.names.apart = ours, true
	return nil
}

// mayBe lists the relations that rv may stand for in some session.
func (p *Planner) mayBe(rv *pg_query.RangeVar, want func(*relation) bool) []*relation {
	var found []*relation
	for _, rel := range p.byName[rv.GetRelname()] {
		switch rv.GetSchemaname() {
		case "", rel.name.Schema:
		case ofSession:
			if !rel.temporary() {
				continue
			}
		default:
			continue
		}
		if want(rel) {
			found = append(found, rel)
		}
	}
	return found
}

// isContested reports whether a name may stand for something else than the
// relation of a migration.
func (w *planning) isContested(name string) bool {
	return w.env.Shadowed || w.plan.Shadows || w.hasNamesakes(name)
}

// hasNamesakes reports whether the catalog shows that a name stands for something
// else in some sessions: several schemas have it, or a temporary view, of which only
// its own session can speak by it.
func (p *Planner) hasNamesakes(name string) bool {
	return len(p.snapshot.Namesakes[name]) > 1 || slices.ContainsFunc(p.byName[name], (*relation).temporary)
}

// ofSession is what every session may call the schema of its own temporary relations.
const ofSession = "pg_temp"

// temporary reports whether the relation is one of a session.
func (r *relation) temporary() bool { return strings.HasPrefix(r.name.Schema, ofSession+"_") }

// ask is the plan of a text that depends on what its names stand for. Who does
// not ask refuses it.
func (w *planning) ask(kind string) *Plan {
	rv := w.names.asked
	rel := w.mayBe(rv, func(*relation) bool { return true })[0]
	plan := w.refuse(w.text, &Refusal{
		Migration: rel.migration(), Offset: int(rv.Location),
		Reason: fmt.Sprintf("%q is ambiguous: what it stands for depends on search_path and temporary tables", rv.Relname),
		Hint:   fmt.Sprintf("write the schema, as in %s", rel.name),
	})
	plan.Ask, plan.Shadows, plan.Statements[0].Kind = w.question(w.env), w.plan.Shadows, kind
	return plan
}

// namedPlans are the plans for sessions whose names are not simply those of the
// catalog.
type namedPlans struct {
	mu   sync.Mutex
	made map[string]*plans
}

type plans struct {
	cache  cache
	shapes shapes
}

// namings is how many answers have plans kept for them; when it is full a random
// one makes room.
const namings = 16

// kept returns where the plans for such a session are kept.
func (p *Planner) kept(env Env) (*cache, *shapes) {
	if !env.Shadowed && env.Names == "" {
		return &p.cache, &p.shapes
	}
	key := env.Names
	if env.Shadowed {
		key = "shadowed " + key
	}
	n := &p.named
	n.mu.Lock()
	defer n.mu.Unlock()
	if found := n.made[key]; found != nil {
		return &found.cache, &found.shapes
	}
	if n.made == nil {
		n.made = map[string]*plans{}
	}
	if len(n.made) >= namings {
		for other := range n.made {
			delete(n.made, other)
			break
		}
	}
	made := &plans{cache: cache{plans: map[string]*Plan{}}, shapes: shapes{plans: map[string]*shaped{}}}
	n.made[key] = made
	return &made.cache, &made.shapes
}
