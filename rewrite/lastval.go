package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// lastval() is the last number that the session has drawn from any sequence. A
// sync that inserts new rows draws from theirs, triggers that it fires may draw
// from any, and applications that ask for the number of the row that they have
// just inserted would get another's.
//
// So a sync keeps what lastval() was in a setting, and then draws from a
// sequence of pgjanus whose numbers no other can have (from -9223372036854775808
// to -9000000000000000000; each session takes a million at a time, so drawing
// one is local). The application's lastval() becomes pgjanus.lastval(), which
// returns the setting when the last number is such a mark, and else the number.
// Where the transaction of the sync is rolled back, the setting is what it was
// before it; lastval() itself would not be.

// LastvalDDL makes the sequence and the function, in schema pgjanus, that syncs
// and statements need for that. It may run again.
const LastvalDDL = `
CREATE SEQUENCE IF NOT EXISTS pgjanus.mark MINVALUE -9223372036854775808 MAXVALUE -9000000000000000000
	START -9223372036854775808 CACHE 1000000 CYCLE;
GRANT USAGE ON SEQUENCE pgjanus.mark TO PUBLIC;
CREATE OR REPLACE FUNCTION pgjanus.lastval() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	last bigint := pg_catalog.lastval();
	saved text;
BEGIN
	IF last OPERATOR(pg_catalog.>) -9000000000000000000 THEN
		RETURN last;
	END IF;
	saved := pg_catalog.current_setting('pgjanus.lastval', true);
	IF saved IS NULL OR saved OPERATOR(pg_catalog.=) '' OR saved OPERATOR(pg_catalog.=) 'none' THEN
		RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'lastval is not yet defined in this session';
	END IF;
	RETURN saved::bigint;
END $$;
GRANT EXECUTE ON FUNCTION pgjanus.lastval() TO PUBLIC;`

// draws reports whether a sync that inserts and deletes new rows takes a number
// from a sequence, or a trigger of the user may.
func (m *Migration) draws() bool {
	for _, c := range m.New.Columns {
		if c.Identity != 0 || strings.Contains(c.Default, "nextval(") {
			return true
		}
	}
	return len(m.New.Triggers) > 0
}

// keepLastval adds code that leaves lastval() as it is; draws says whether it
// would not by itself. A session that has not drawn yet pays for an error, so this
// stands close to what draws.
//
// lastval() fails also where the sequence is gone since, or the role may not look at
// it: one that a function of another's rights has drawn from, or that of an identity
// column. Then it is none, and behind the code it is not asked again.
//
// What comes behind the code is one expression, since PL/pgSQL evaluates one
// without a plan of its own.
func (b *block) keepLastval(draws bool, code func()) {
	if !draws {
		code()
		return
	}
	b.variable("last", "bigint")
	b.variable("marked", "boolean")
	b.line(`BEGIN
		pgjanus.last := pg_catalog.lastval();
	EXCEPTION WHEN object_not_in_prerequisite_state OR insufficient_privilege THEN
		pgjanus.last := NULL;
	END;`)
	code()
	b.line(`pgjanus.marked := CASE
		WHEN pgjanus.last IS NULL THEN pg_catalog.set_config('pgjanus.lastval', 'none', false) IS NULL
		WHEN pgjanus.last OPERATOR(pg_catalog.>) -9000000000000000000 THEN pg_catalog.set_config('pgjanus.lastval', pgjanus.last::pg_catalog.text, false) IS NULL
		ELSE false
		END OR pg_catalog.nextval('pgjanus.mark') IS NULL;`)
}

// keepsLastval reports whether sessions may have marks: syncs that leave them
// are in force now, or the schema pgjanus is there from when they were.
func (p *Planner) keepsLastval() bool {
	for _, m := range p.migrations {
		if m.Rule.Active() {
			return true
		}
	}
	return p.snapshot.Lastval
}

// lastvals puts pgjanus.lastval in the place of lastval, but for what is stored: a
// default or a view would go with the schema pgjanus when that is removed.
func (w *planning) lastvals(stmt *pg_query.Node) {
	if !w.lastval || stores(stmt) {
		return
	}
	for _, n := range w.nodes {
		f, ok := n.(*pg_query.FuncCall)
		if !ok || len(f.Args) > 0 || f.Funcname[len(f.Funcname)-1].GetString_().GetSval() != "lastval" ||
			len(f.Funcname) > 1 && f.Funcname[0].GetString_().GetSval() != "pg_catalog" {
			continue
		}
		first := tokenAt(w.tokens, int(f.Location))
		last := next(w.tokens, first, tokenOpen) - 1
		if first < 0 || last < first {
			continue
		}
		w.edits.replace(w.tokens[first].start, w.tokens[last].end-w.tokens[first].start, "pgjanus.lastval")
		w.stmt.Outcome = Rewrite
	}
}

// stores reports whether a statement may store an expression, in place of evaluating
// it or beside that.
func stores(stmt *pg_query.Node) bool {
	switch n := stmt.Node.(type) {
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt,
		*pg_query.Node_PrepareStmt, *pg_query.Node_ExecuteStmt, *pg_query.Node_DeclareCursorStmt, *pg_query.Node_CopyStmt, *pg_query.Node_CallStmt:
		return false
	case *pg_query.Node_ExplainStmt:
		return stores(n.ExplainStmt.Query)
	case *pg_query.Node_CreateTableAsStmt:
		return n.CreateTableAsStmt.Objtype == pg_query.ObjectType_OBJECT_MATVIEW
	}
	return true
}

// WithoutLastval leaves pgjanus.lastval(), and what it called, out of the context of an error.
func WithoutLastval(context string) string {
	at := strings.Index(context, label+".lastval()")
	if at < 0 {
		return context
	}
	_, callers, _ := strings.Cut(context[at:], "\n")
	return callers
}
