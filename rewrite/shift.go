package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// shifts reports whether a statement may change what names stand for in the
// statements behind it: search_path (SET, the end of a transaction, a function
// that calls set_config), or which relations there are.
func (w *planning) shifts(stmt *pg_query.Node) bool {
	switch n := stmt.Node.(type) {
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt,
		*pg_query.Node_ExplainStmt, *pg_query.Node_DeclareCursorStmt, *pg_query.Node_PrepareStmt:
	case *pg_query.Node_TransactionStmt:
		switch n.TransactionStmt.Kind {
		case pg_query.TransactionStmtKind_TRANS_STMT_BEGIN, pg_query.TransactionStmtKind_TRANS_STMT_START,
			pg_query.TransactionStmtKind_TRANS_STMT_SAVEPOINT, pg_query.TransactionStmtKind_TRANS_STMT_RELEASE:
			return false
		}
		return true
	case *pg_query.Node_TruncateStmt, *pg_query.Node_LockStmt, *pg_query.Node_VariableShowStmt, *pg_query.Node_ConstraintsSetStmt,
		*pg_query.Node_CopyStmt, *pg_query.Node_FetchStmt, *pg_query.Node_ClosePortalStmt, *pg_query.Node_DeallocateStmt,
		*pg_query.Node_ListenStmt, *pg_query.Node_UnlistenStmt, *pg_query.Node_NotifyStmt:
		return false
	case *pg_query.Node_VariableSetStmt:
		return !harmless(n.VariableSetStmt)
	default:
		return true
	}
	found := false
	walk(stmt, func(n node) {
		switch n := n.(type) {
		case *pg_query.FuncCall:
			found = found || !ofPostgres(n)
		case *pg_query.IntoClause:
			found = found || len(w.byName[n.Rel.GetRelname()]) > 0
		}
	})
	return found
}

// harmless reports whether a SET is of another setting than those that decide
// about names: search_path, also as SET SCHEMA, and the role.
func harmless(n *pg_query.VariableSetStmt) bool {
	if n.Kind == pg_query.VariableSetKind_VAR_RESET_ALL {
		return false
	}
	switch strings.ToLower(n.Name) {
	case "search_path", "role", "session_authorization", "":
		return false
	}
	return true
}

// postgresFunctions are functions of Postgres that statements call most, and
// that change no setting. Every other may be one of the user's.
var postgresFunctions = strings.Fields(`
	abs array_agg array_append array_cat array_length array_position array_remove array_to_string avg bool_and bool_or
	btrim ceil ceiling char_length clock_timestamp coalesce concat concat_ws count cume_dist currval date_part date_trunc
	dense_rank extract first_value floor format gen_random_uuid generate_series greatest initcap json_agg json_array_length
	json_build_array json_build_object json_object_agg jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length
	jsonb_build_array jsonb_build_object jsonb_each jsonb_object_agg jsonb_set jsonb_to_recordset jsonb_typeof lag last_value lastval
	lead least left length lower lpad ltrim make_date max md5 min mod nextval now nullif octet_length overlay pg_sleep position power
	random rank regexp_match regexp_replace repeat replace reverse right round row_number row_to_json rpad rtrim setval split_part
	sqrt statement_timestamp string_agg string_to_array strpos substr substring sum timezone to_char to_date to_json to_jsonb
	to_number to_timestamp transaction_timestamp trim trunc unnest upper version`)

func ofPostgres(f *pg_query.FuncCall) bool {
	name := f.Funcname[len(f.Funcname)-1].GetString_().GetSval()
	if len(f.Funcname) > 1 {
		return f.Funcname[0].GetString_().GetSval() == "pg_catalog" && name != "set_config"
	}
	return has(postgresFunctions, name)
}

// creations notes the relations that a statement creates, or renames, under the
// name of a relation of a migration, in another schema or as temporary ones:
// from then on that name may stand for something else in the session. It returns
// the names that are not those of relations there already.
func (w *planning) creations() map[node]bool {
	created := map[node]bool{}
	create := func(rv *pg_query.RangeVar) {
		if rv == nil {
			return
		}
		created[rv] = true
		for _, rel := range w.byName[rv.Relname] {
			if rv.Schemaname != rel.name.Schema || rv.Relpersistence == temporary {
				w.plan.Shadows = true
			}
		}
	}
	for _, n := range w.nodes {
		switch n := n.(type) {
		case *pg_query.CreateStmt:
			create(n.Relation)
		case *pg_query.IntoClause:
			create(n.Rel)
		case *pg_query.ViewStmt:
			if !n.Replace || n.View.GetRelpersistence() == temporary || !w.isRelative(n.View) {
				create(n.View)
			}
		case *pg_query.CreateSeqStmt:
			create(n.Sequence)
		case *pg_query.RenameStmt:
			switch n.RenameType {
			case pg_query.ObjectType_OBJECT_TABLE, pg_query.ObjectType_OBJECT_VIEW, pg_query.ObjectType_OBJECT_MATVIEW, pg_query.ObjectType_OBJECT_FOREIGN_TABLE:
				w.plan.Shadows = w.plan.Shadows || len(w.byName[n.Newname]) > 0
			}
		}
	}
	return created
}

// temporary is RangeVar.Relpersistence of TEMP.
const temporary = "t"

// isRelative reports whether rv may be a view that migrations know.
func (w *planning) isRelative(rv *pg_query.RangeVar) bool {
	return len(w.mayBe(rv, func(rel *relation) bool { return rel.active() && rel.via == viaView })) > 0
}

// mentionsTemporary reports whether a text may be about temporary relations. It
// knows nothing of strings and comments.
func mentionsTemporary(text []byte) bool {
	const word = "temp"
	for i := 0; i+len(word) <= len(text); i++ {
		if !hasPrefixFold(text[i:], word) {
			continue
		}
		rest := text[i+len(word):]
		if hasPrefixFold(rest, "orary") {
			rest = rest[len("orary"):]
		}
		before := text[:i]
		if len(before) >= len("pg_") && hasPrefixFold(before[len(before)-len("pg_"):], "pg_") {
			return true
		}
		if !continues(rest) && (i == 0 || !continues(before[i-1:])) {
			return true
		}
	}
	return false
}
