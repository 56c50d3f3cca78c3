package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// mentionsAlter finds what may convert rows, or disable triggers; the others, what
// may make a rule, by which others write in the place of a statement.
var mentionsAlter, mentionsCreate, mentionsRule = newMentions(nil, "alter"), newMentions(nil, "create"), newMentions(nil, "rule")

// evadesGuards reports whether a text may do what no trigger of a guard fires for.
func evadesGuards(text []byte) bool {
	has := func(m mentions) bool { return m.in(text)&MentionsAside != 0 }
	return has(mentionsAlter) || has(mentionsCreate) && has(mentionsRule)
}

// do refuses a DO block that mentions a migrating relation: what it executes
// cannot be seen. Where triggers see it, only one that may alter that is refused.
func (w *planning) do(from, to int) error {
	body := []byte(w.text[w.tokens[from].start:w.tokens[to-1].end])
	if !w.active || w.mentions.in(body)&MentionsRelation == 0 {
		return nil
	}
	if w.guarded(body) {
		if !evadesGuards(body) {
			return nil
		}
		return &Refusal{
			Reason: "a DO block that may alter a migrating table, or make a rule for it, is not handled: no trigger of a guard fires for that",
			Hint:   "send its statements one by one", Offset: w.tokens[from].start,
		}
	}
	return &Refusal{
		Reason: "a DO block that mentions a migrating table is not handled, because what it executes cannot be seen",
		Hint:   "send its statements one by one, or set guard: sync for the migration", Offset: w.tokens[from].start,
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
	case pg_query.ObjectType_OBJECT_TRIGGER:
		return w.dropGuard(n)
	default:
		return nil
	}
	for _, o := range n.Objects {
		parts := names(o.GetList().GetItems())
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
