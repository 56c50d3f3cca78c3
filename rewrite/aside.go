package rewrite

import (
	"fmt"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// aside knows the statements that name no relation of a migration, and concern one
// all the same: those that alter the type of a column, a function that up or down
// calls, or the schema of a relation, and those that keep triggers from being fired.
type aside struct {
	words     []string                // one of which such a statement has
	ddl       []string                // those of them that are about types and functions
	types     map[catalog.Name]string // types that values of a migrating column, or its table, are made of, with their migration
	functions map[catalog.Name]string // functions of the user that up and down call, with their migration
	certain   mentions                // what else such a statement says, or what may put it together
}

func (p *Planner) lookAside() aside {
	a := aside{types: map[catalog.Name]string{}, functions: map[catalog.Name]string{}}
	if !p.active {
		return a
	}
	a.ddl = []string{"alter"}
	for _, m := range p.migrations {
		if m.Rule.Active() {
			m.eachColumn(func(c *catalog.Column) {
				for _, t := range c.Types {
					a.types[t] = m.Rule.Name
				}
			})
			for _, table := range []*catalog.Table{m.Old, m.New} {
				if table.Of != nil {
					a.types[*table.Of] = m.Rule.Name
				}
			}
			for _, r := range exprRequests(m.Rule) {
				for _, f := range p.snapshot.Exprs[r.ID].Functions {
					a.functions[f] = m.Rule.Name
				}
			}
		}
	}
	if len(a.functions) > 0 {
		a.ddl = append(a.ddl, "function", "routine", "aggregate")
	}
	a.words = slices.Clone(a.ddl)
	certain := a.names()
	if p.relyingOnTriggers() != "" {
		sets := []string{replicationRole, "set_config", "pg_settings"}
		a.words, certain = append(a.words, sets...), append(certain, sets...)
	}
	a.certain = newMentions(certain)
	return a
}

// names lists the types and functions without their schemas, sorted.
func (a *aside) names() []string {
	var names []string
	for t := range a.types {
		names = append(names, t.Name)
	}
	for f := range a.functions {
		names = append(names, f.Name)
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
	if err := w.setsReplicationRole(text); err != nil {
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
		default:
			err = w.redefines(n.RenameStmt.RenameType, stmt, n.RenameStmt.Object)
		}
	case *pg_query.Node_CreateFunctionStmt:
		if n.CreateFunctionStmt.Replace {
			err = w.redefined(names(n.CreateFunctionStmt.Funcname), stmt)
		}
	case *pg_query.Node_DefineStmt: // CREATE AGGREGATE
		if n.DefineStmt.Replace {
			err = w.redefined(names(n.DefineStmt.Defnames), stmt)
		}
	case *pg_query.Node_AlterFunctionStmt:
		err = w.redefined(names(n.AlterFunctionStmt.Func.GetObjname()), stmt)
	case *pg_query.Node_AlterObjectSchemaStmt:
		err = w.redefines(n.AlterObjectSchemaStmt.ObjectType, stmt, n.AlterObjectSchemaStmt.Object)
	case *pg_query.Node_DropStmt:
		err = w.redefines(n.DropStmt.RemoveType, stmt, n.DropStmt.Objects...)
	case *pg_query.Node_DoStmt:
		if m := newMentions(w.Planner.aside.names(), w.Planner.aside.ddl...); m.in([]byte(text))&MentionsMigration == MentionsMigration {
			err = &Refusal{
				Reason: "a DO block that may alter the type of a migrating column, or a function that up or down calls, is not handled, because what it executes cannot be seen",
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
// a column another default.
func (w *planning) alters(name []string, stmt *pg_query.Node) error {
	return meant(w.Planner.aside.types, name, statementName(stmt)+" may change what is in columns of the type %s, and not the other shape")
}

// redefines is redefined for all of the objects that are functions.
func (w *planning) redefines(kind pg_query.ObjectType, stmt *pg_query.Node, objects ...*pg_query.Node) error {
	switch kind {
	case pg_query.ObjectType_OBJECT_FUNCTION, pg_query.ObjectType_OBJECT_ROUTINE, pg_query.ObjectType_OBJECT_AGGREGATE:
	default:
		return nil
	}
	for _, o := range objects {
		if err := w.redefined(names(o.GetObjectWithArgs().GetObjname()), stmt); err != nil {
			return err
		}
	}
	return nil
}

// redefined refuses what makes up or down mean something else. What the function
// calls itself is not known.
func (w *planning) redefined(name []string, stmt *pg_query.Node) error {
	return meant(w.Planner.aside.functions, name, statementName(stmt)+" may change what %s gives, which up or down calls, and rows that are stored would not follow")
}

// meant refuses a statement about one of the objects; without a schema a name may
// be that of any.
func meant(objects map[catalog.Name]string, name []string, reason string) error {
	for o, migration := range objects {
		if o.Name == name[len(name)-1] && (len(name) == 1 || o.Schema == name[len(name)-2]) {
			return &Refusal{
				Migration: migration, Offset: -1, Reason: fmt.Sprintf(reason, o),
				Hint: "set the migration to off first, or run it directly on Postgres, and pgjanus backfill --restart afterwards",
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
