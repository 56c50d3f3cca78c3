package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/rules"
)

// Trigger is one of a migration's guard: a statement-level trigger on the old
// table or a partition of it. With the same name it always does the same but for its function.
type Trigger struct {
	Name     string // not quoted
	Table    rules.Table
	Function *Function
	Create   string
}

// guardEvents are those that a guard notices. Rows that are deleted take the new
// shape with them.
var guardEvents = []string{"INSERT", "UPDATE"}

// Triggers returns the triggers of the guard: none where there is none, and in
// phase off.
func (m *Migration) Triggers() []Trigger {
	if m.Rule.Guard != rules.SyncGuard {
		return m.watches()
	}
	return m.SyncTriggers()
}

// SyncTriggers returns the triggers that an active migration has with guard: sync.
// They stay when it has that no more, until it is off, and have to do then what
// up says then.
func (m *Migration) SyncTriggers() []Trigger {
	f := m.syncs.guard
	if f == nil {
		return nil
	}
	var all []Trigger
	for _, event := range guardEvents {
		name := label + " " + functionPrefix(m.Rule.Name) + strings.ToLower(event)
		for _, table := range m.oldTables() {
			all = append(all, Trigger{
				Name: name, Table: table, Function: f,
				Create: fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION %s",
					Ident(name), event, QName(table), f.Signature),
			})
		}
	}
	return all
}

// oldTables lists the tables that statements can name to write the old table: a
// statement that names a partition fires that one's triggers alone.
func (m *Migration) oldTables() []rules.Table {
	tables := []rules.Table{m.Rule.Old.Table}
	for _, name := range m.Old.Children {
		tables = append(tables, rules.Table{Schema: name.Schema, Name: name.Name})
	}
	return tables
}

// guardTrigger syncs the keys that a statement has written, but for those that are
// in the settings: they are synced, in the direction that the statement shows, by
// what runs behind it. Of the transition table it takes the keys only: a trigger
// may have written the rows again since. The rows are read, and their locks are
// held, as in every sync.
func (b *block) guardTrigger(s syncText) {
	b.trigger = true
	keys := list(s.Key, func(i int, k KeyColumn) string {
		b.variable(fmt.Sprintf("k%d", i), k.Type+"[]")
		return fmt.Sprintf("array_agg(w.%s)", Ident(k.Name))
	})
	into := list(s.Key, func(i int, _ KeyColumn) string { return fmt.Sprintf("%s.k%d", label, i) })
	b.takeRecorded(s)
	b.line("%s INTO %s;", b.qualified("SELECT "+keys+" FROM written w WHERE NOT "+s.recorded("w", s.keyName)), into)
	b.line("IF %s.k0 IS NULL THEN", label)
	b.done()
	b.line("END IF;")
	if s.Rule.Kind == rules.Columns {
		b.columnsOfKeys(s)
		return
	}
	b.rowsOfKeys(s)
}

// guarded reports whether whatever is written to the relation is synced by
// triggers in the database, so that statements that cannot be rewritten may pass.
func (r *relation) guarded() bool {
	if !r.guardable() {
		return false
	}
	for _, m := range r.root().old {
		if m.Rule.Guard != rules.SyncGuard {
			return false
		}
	}
	return true
}

// root is the table itself.
func (r *relation) root() *relation {
	for r.base != nil {
		r = r.base
	}
	return r
}

// routes reports whether what is written to the relation goes to partitions.
func (r *relation) routes() bool {
	t := r.root().table()
	if r.via == viaPartition {
		t = r.table()
	}
	return t != nil && t.Kind == 'p'
}

// guardable reports whether it would be so with guard: sync.
func (r *relation) guardable() bool {
	if r.base != nil {
		return (r.via == viaView || r.via == viaPartition) && r.base.guardable()
	}
	return len(r.old) > 0 && len(r.new) == 0
}

var mentionsMerge = newMentions([]string{"merge"})

// guarded reports whether that is so for every relation that a text may mention.
func (p *Planner) guarded(text []byte) bool {
	for _, rel := range p.relations {
		if rel.active() && (!rel.guarded() || rel.routes() && mentionsMerge.in(text)&MentionsRelation != 0) {
			if m := newMentions([]string{rel.name.Name}); m.in(text)&MentionsRelation != 0 {
				return false
			}
		}
	}
	return true
}

// guardedWrite refuses a write to a guarded relation that the guard would undo,
// one of the new shape, and one that it does not see: of a MERGE into a partitioned
// table that inserts and updates, Postgres shows triggers an inserted row in the
// place of the updated ones (tcs_original_insert_tuple, which is set for the insert
// and stays, in executor/nodeModifyTable.c).
func (w *planning) guardedWrite(rel *relation, n node) *Refusal {
	if merge, ok := n.(*pg_query.MergeStmt); ok && rel.routes() && insertsAndUpdates(merge) {
		return &Refusal{
			Migration: rel.migration(), Offset: int(merge.Relation.GetLocation()),
			Reason: fmt.Sprintf("MERGE that inserts into and updates %s, which is partitioned, is not synced: Postgres shows the guard other rows than it has updated", rel.name),
			Hint:   "write it as INSERT .. ON CONFLICT, or as UPDATE and INSERT",
		}
	}
	var columns []string
	walk(n, func(n node) {
		if target, ok := n.(*pg_query.ResTarget); ok {
			columns = append(columns, target.Name)
		}
	})
	for rel.base != nil && len(rel.old) == 0 {
		rel = rel.base
	}
	for _, m := range rel.old {
		if err := w.knowsNewShape(m, columns, writeTarget(n)); err != nil {
			return err.(*Refusal) //nolint:errorlint,forcetypeassert // it returns no other kind
		}
	}
	return nil
}

func insertsAndUpdates(n *pg_query.MergeStmt) bool {
	inserts, updates := false, false
	for _, c := range n.MergeWhenClauses {
		switch c.GetMergeWhenClause().GetCommandType() {
		case pg_query.CmdType_CMD_INSERT:
			inserts = true
		case pg_query.CmdType_CMD_UPDATE:
			updates = true
		}
	}
	return inserts && updates
}

// dropGuard refuses to drop a trigger of a guard, on which statements rely that pass.
func (w *planning) dropGuard(n *pg_query.DropStmt) error {
	for _, o := range n.Objects {
		parts := names(o.GetList().GetItems())
		for _, m := range w.migrations {
			for _, t := range m.Triggers() {
				if len(parts) > 0 && t.Name == parts[len(parts)-1] {
					return &Refusal{
						Migration: m.Rule.Name, Offset: -1,
						Reason: fmt.Sprintf("%s is the guard of %s", t.Name, m.Old.Name), Hint: "set the migration to off: then it goes",
					}
				}
			}
		}
	}
	return nil
}
