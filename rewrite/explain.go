package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// explain plans EXPLAIN. Without ANALYZE nothing is executed, and it passes.
// With it the write inside is edited like one by itself; what the client gets
// is rows of text, so none of ours are in them.
func (w *planning) explain(n *pg_query.ExplainStmt, from, to int) error {
	if !analyzes(n) {
		walk(n.Query, func(inner node) { w.planned[inner] = true })
		return nil
	}
	inner := w.explained(from)
	var err error
	switch n.Query.Node.(type) {
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt:
		err = w.dispatch(n.Query, inner, to)
	case *pg_query.Node_CreateTableAsStmt:
		err = w.into(n.Query)
	} // a write in another is found by overlooked
	w.stmt.Hidden, w.stmt.Rows = 0, true
	return err
}

// analyzes reports whether an EXPLAIN may execute its statement.
func analyzes(n *pg_query.ExplainStmt) bool {
	for _, o := range n.Options {
		if o.GetDefElem().GetDefname() == "analyze" && !isFalse(o.GetDefElem().GetArg()) {
			return true
		}
	}
	return false
}

// isFalse reports whether the value of an option is certainly false
// (defGetBoolean in commands/define.c).
func isFalse(value *pg_query.Node) bool {
	switch {
	case value.GetString_() != nil:
		s := lowerASCII(value.GetString_().Sval)
		return s == "false" || s == "off"
	case value.GetBoolean() != nil:
		return !value.GetBoolean().Boolval
	case value.GetInteger() != nil:
		return value.GetInteger().Ival == 0
	}
	return false
}

// explained returns the token that the explained statement begins with.
func (w *planning) explained(from int) int {
	i := from + 1
	if w.tokens[i].kind == tokenOpen {
		return closing(w.tokens, i) + 1
	}
	for w.tokens[i].kind == pg_query.Token_ANALYZE || w.tokens[i].kind == pg_query.Token_ANALYSE || w.tokens[i].kind == pg_query.Token_VERBOSE {
		i++
	}
	return i
}
