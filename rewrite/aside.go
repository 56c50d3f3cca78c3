package rewrite

import (
	"fmt"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// aside knows the statements that name no relation of a migration, and concern one
// all the same: those that alter the type of a column, or the schema of a
// relation, and those that keep triggers from being fired.
type aside struct {
	words   []string                // one of which such a statement has
	types   map[catalog.Name]string // types that values of a migrating column are made of, with their migration
	certain mentions                // what else such a statement says, or what may put it together
}

func (p *Planner) lookAside() aside {
	a := aside{types: map[catalog.Name]string{}}
	if !p.active {
		return a
	}
	a.words = []string{"alter"}
	for _, m := range p.migrations {
		if m.Rule.Active() {
			m.eachColumn(func(c *catalog.Column) {
				for _, t := range c.Types {
					a.types[t] = m.Rule.Name
				}
			})
		}
	}
	certain := a.names()
	if p.relyingOnTriggers() != "" {
		a.words = append(a.words, replicationRole, "set_config", "pg_settings")
		certain = append(certain, a.words[1:]...)
	}
	a.certain = newMentions(certain)
	return a
}

// names lists the types without their schemas, sorted.
func (a *aside) names() []string {
	var names []string
	for t := range a.types {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// eachColumn visits the columns that up and down read and write.
func (m *Migration) eachColumn(visit func(*catalog.Column)) {
	read := func(t *catalog.Table, columns []string) {
		for _, name := range columns {
			if c := t.Column(name); c != nil {
				visit(c)
			}
		}
	}
	read(m.Old, m.Rule.Old.Key)
	read(m.Old, m.Rule.Old.Columns)
	if m.Rule.Kind == rules.Rows {
		read(m.New, m.RowColumns())
		return
	}
	read(m.New, m.Rule.New.Columns)
}

// mayConcern reports whether a text that cannot be parsed may concern a migration.
func (p *Planner) mayConcern(text []byte, mention Mention) bool {
	return mention&MentionsRelation != 0 || mention&MentionsAside != 0 && p.aside.certain.in(text)&MentionsRelation != 0
}

// aside refuses such a statement.
func (w *planning) aside(stmt *pg_query.Node, text string) error {
	if err := w.setsReplicationRole(stmt, text); err != nil {
		return err
	}
	var err error
	switch n := stmt.Node.(type) {
	case *pg_query.Node_AlterEnumStmt:
		if n.AlterEnumStmt.OldVal != "" {
			err = w.alters(names(n.AlterEnumStmt.TypeName), stmt)
		}
	case *pg_query.Node_AlterDomainStmt:
		if n.AlterDomainStmt.Subtype == domainDefault {
			err = w.alters(names(n.AlterDomainStmt.TypeName), stmt)
		}
	case *pg_query.Node_AlterTableStmt: // ALTER TYPE of a composite one, too
		err = w.alters(nameOf(n.AlterTableStmt.Relation), stmt)
	case *pg_query.Node_RenameStmt:
		switch n.RenameStmt.RenameType {
		case pg_query.ObjectType_OBJECT_ATTRIBUTE, pg_query.ObjectType_OBJECT_COLUMN:
			err = w.alters(nameOf(n.RenameStmt.Relation), stmt)
		case pg_query.ObjectType_OBJECT_SCHEMA:
			err = w.renamesSchema(n.RenameStmt.Subname)
		}
	case *pg_query.Node_DoStmt:
		if m := newMentions(w.Planner.aside.names(), "alter"); m.in([]byte(text))&MentionsMigration == MentionsMigration {
			err = &Refusal{
				Reason: "a DO block that may alter the type of a migrating column is not handled, because what it executes cannot be seen",
				Hint:   "send its statements one by one", Offset: w.stmt.at,
			}
		}
	}
	return err
}

// domainDefault is AlterDomainStmt.subtype of SET and DROP DEFAULT (parsenodes.h).
const domainDefault = "T"

func nameOf(rv *pg_query.RangeVar) []string {
	if rv.GetSchemaname() == "" {
		return []string{rv.GetRelname()}
	}
	return []string{rv.Schemaname, rv.Relname}
}

// alters refuses what gives values that are stored another text or other parts, or
// a column another default. Without a schema a name may be any type's.
func (w *planning) alters(name []string, stmt *pg_query.Node) error {
	for t, migration := range w.Planner.aside.types {
		if t.Name == name[len(name)-1] && (len(name) == 1 || t.Schema == name[len(name)-2]) {
			return &Refusal{
				Migration: migration, Offset: -1,
				Reason: fmt.Sprintf("%s may change what is in columns of the type %s, and not the other shape", statementName(stmt), t),
				Hint:   "set the migration to off first, or run it directly on Postgres, and pgjanus backfill --restart afterwards",
			}
		}
	}
	return nil
}

func (w *planning) renamesSchema(schema string) error {
	for _, rel := range w.sortedRelations() {
		if rel.active() && rel.name.Schema == schema {
			return &Refusal{
				Migration: rel.migration(), Offset: -1,
				Reason: fmt.Sprintf("schema %s has %s, which is called so while it is migrating", schema, rel.name),
				Hint:   "set the migration to off first",
			}
		}
	}
	return nil
}
