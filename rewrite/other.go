package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// copyFrom refuses COPY into a migrating table; COPY out of one passes.
func (w *planning) copyFrom(n *pg_query.CopyStmt) error {
	if !n.IsFrom {
		return nil // a write in COPY (query) TO is found by overlooked
	}
	rel := w.resolve(n.Relation)
	switch {
	case rel == nil:
		return nil
	case len(rel.new) > 0:
		_, err := w.target(n.Relation)
		return err
	case !rel.guarded():
		return &Refusal{
			Migration: rel.migration(), Offset: int(n.Relation.Location),
			Reason: fmt.Sprintf("COPY FROM into %s shows no keys, and the migration has no guard", rel.name),
			Hint:   "set guard: sync for the migration, use INSERT with many rows, or copy into a staging table and INSERT .. SELECT from it",
		}
	}
	for _, m := range rel.old {
		if err := w.knowsNewShape(m, names(n.Attlist), n.Relation); err != nil {
			return err
		}
	}
	if len(n.Attlist) == 0 && rel.base == nil && len(rel.visible()) < rel.written() {
		w.edits.insert(w.tokens[w.afterName(n.Relation)-1].end, " ("+list(rel.visible(), func(_ int, c string) string { return Ident(c) })+")")
		w.concern(rel.old[0])
	}
	return nil
}

// names returns the strings of a list.
func names(list []*pg_query.Node) []string {
	all := make([]string, 0, len(list))
	for _, n := range list {
		all = append(all, n.GetString_().GetSval())
	}
	return all
}

// prepare refuses PREPARE of a write to a migrating table. While the migration
// is off it passes, and the plan says so, because EXECUTE may come later.
func (w *planning) prepare(n *pg_query.PrepareStmt) error {
	walk(n.Query, func(inner node) {
		rv := writeTarget(inner)
		if rv == nil || len(w.byName[rv.Relname]) == 0 {
			return
		}
		if rel := w.resolveLater(rv); rel != nil && rel.guarded() {
			w.plan.PreparesGuarded = true
		} else {
			w.plan.PreparesWrite = true
		}
	})
	return nil // a write that is refused is found by overlooked
}

// do refuses a DO block that mentions a migrating relation: what it executes
// cannot be seen.
func (w *planning) do(from, to int) error {
	body := []byte(w.text[w.tokens[from].start:w.tokens[to-1].end])
	if !w.active || w.mentions.in(body)&MentionsRelation == 0 || w.guarded(body) {
		return nil
	}
	return &Refusal{
		Reason: "a DO block that mentions a migrating table is not handled, because what it executes cannot be seen",
		Hint:   "send its statements one by one", Offset: w.tokens[from].start,
	}
}

// ddl refuses what would change a migrating relation, or put another in its
// place, behind the back of the planner.
func (w *planning) ddl(stmt *pg_query.Node) error {
	switch stmt.Node.(type) {
	case *pg_query.Node_IndexStmt, *pg_query.Node_VacuumStmt, *pg_query.Node_ReindexStmt, *pg_query.Node_ClusterStmt,
		*pg_query.Node_LockStmt, *pg_query.Node_CommentStmt, *pg_query.Node_GrantStmt, *pg_query.Node_MergeStmt,
		*pg_query.Node_DeclareCursorStmt, *pg_query.Node_CreateTableAsStmt, *pg_query.Node_CreateFunctionStmt,
		*pg_query.Node_CreateStatsStmt, *pg_query.Node_CreatePublicationStmt, *pg_query.Node_AlterPublicationStmt,
		*pg_query.Node_CallStmt, *pg_query.Node_TransactionStmt, *pg_query.Node_ExecuteStmt:
		return nil
	case *pg_query.Node_CreateStmt:
		create := stmt.GetCreateStmt()
		for _, parent := range create.InhRelations {
			if err := w.changes(parent.GetRangeVar(), stmt); err != nil {
				return err
			}
		}
		return nil
	case *pg_query.Node_DropStmt:
		return w.drop(stmt.GetDropStmt(), stmt)
	}
	var err error
	walk(stmt, func(n node) {
		if rv, ok := n.(*pg_query.RangeVar); ok && err == nil && !w.created[rv] {
			err = w.changes(rv, stmt)
		}
	})
	return err
}

func (w *planning) drop(n *pg_query.DropStmt, stmt *pg_query.Node) error {
	switch n.RemoveType {
	case pg_query.ObjectType_OBJECT_TABLE, pg_query.ObjectType_OBJECT_VIEW, pg_query.ObjectType_OBJECT_MATVIEW,
		pg_query.ObjectType_OBJECT_FOREIGN_TABLE:
	default:
		return nil
	}
	for _, o := range n.Objects {
		var parts []string
		for _, item := range o.GetList().GetItems() {
			parts = append(parts, item.GetString_().GetSval())
		}
		rv := &pg_query.RangeVar{Location: -1}
		if len(parts) > 0 {
			rv.Relname = parts[len(parts)-1]
		}
		if len(parts) > 1 {
			rv.Schemaname = parts[len(parts)-2]
		}
		if err := w.changes(rv, stmt); err != nil {
			return err
		}
	}
	return nil
}

func (w *planning) changes(rv *pg_query.RangeVar, stmt *pg_query.Node) error {
	rel := w.resolve(rv)
	if rel == nil {
		return nil
	}
	return &Refusal{
		Migration: rel.migration(), Offset: int(rv.Location),
		Reason: fmt.Sprintf("%s would change or hide %s while it is migrating", statementName(stmt), rel.name),
		Hint:   "set the migration to off first, or run it directly on Postgres, where pgjanus notices it within seconds",
	}
}
