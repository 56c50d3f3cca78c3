package rewrite

import (
	"fmt"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// hide notes which columns of the old table the applications do not know. They
// stay out of sight in every phase, off too: the expand step comes before
// dualwrite. The columns need not exist yet, so that nobody sees them come.
func (p *Planner) hide(m *Migration, old *relation) {
	if m.Rule.Kind != rules.Columns || m.Rule.ExposeNewColumns {
		return
	}
	old.hides = append(old.hides, m)
	p.hides = true
}

// hidden reports whether a column is one that applications do not know.
func (r *relation) hidden(column string) bool {
	for _, m := range r.hides {
		if has(m.Rule.New.Columns, column) {
			return true
		}
	}
	return false
}

// sight lists the columns of a table that applications know.
func (r *relation) sight() []catalog.Column {
	var columns []catalog.Column
	for _, c := range r.hides[0].Old.Columns {
		if !r.hidden(c.Name) {
			columns = append(columns, c)
		}
	}
	return columns
}

// hiding edits a statement so that it shows what it showed before the expand
// step: lists of columns for * and its like.
type hiding struct {
	*planning
	fields
	output  map[node]bool // the queries that may yield columns of what the statement returns
	showing bool          // it is * in one of them that is being edited
	shown   strings.Builder
	done    map[node]bool // what must not be looked at again
	err     error
}

// source is an element of a FROM clause, or the target of a write.
type source struct {
	name    string    // what the query calls it; "" for nothing
	schema  string    // as written, where the query can say schema.name
	rel     *relation // of which columns are hidden; else nil
	columns []string  // of rel: those that show, as the query calls them
	rv      *pg_query.RangeVar
	// known is the table that it is, where the catalog has it.
	known *catalog.Table
	// aside: it is below a JOIN whose own alias or merged columns stand for it.
	aside bool
	image bool // OLD, NEW or EXCLUDED of what is written
	// reached: an alias has names for so many columns that a hidden one has one, too.
	reached bool
	bare    bool // it has no system columns, and no outer join makes it NULL: EXCLUDED
	only    bool // ONLY, TABLESAMPLE or the target of a write: no subquery can stand for it
	copied  bool // by COPY FROM, whose WHERE takes no subquery
}

// scope is one query level.
type scope struct {
	outer   *scope
	sources []source
	ctes    []string // names that WITH gives, here and further out
	merges  bool     // a JOIN with USING or NATURAL: * merges columns
	grouped bool
}

func (s *scope) knownCTEs() []string {
	if s == nil {
		return nil
	}
	return s.ctes
}

// sights keeps the columns that a migration adds out of what stmt shows, whose
// tokens are [from:to].
func (w *planning) sights(stmt *pg_query.Node, from, to int) error {
	if !w.hides {
		return nil
	}
	switch stmt.Node.(type) {
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt,
		*pg_query.Node_CopyStmt, *pg_query.Node_CreateTableAsStmt, *pg_query.Node_DeclareCursorStmt, *pg_query.Node_ExplainStmt,
		*pg_query.Node_PrepareStmt, *pg_query.Node_ViewStmt:
	default:
		return nil
	}
	h := &hiding{planning: w, output: map[node]bool{queryOf(stmt): true}, done: map[node]bool{}}
	if takesFields(w.tokens[from:to]) {
		h.note(stmt)
	}
	h.visit(stmt.ProtoReflect(), nil)
	w.stmt.shows = h.shown.String()
	return h.err
}

// queryOf is what the columns come from that a statement returns, or that it
// prepares.
func queryOf(stmt *pg_query.Node) node {
	if prepare := stmt.GetPrepareStmt(); prepare != nil {
		stmt = prepare.Query
	}
	switch n := stmt.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		return n.SelectStmt
	case *pg_query.Node_InsertStmt:
		return n.InsertStmt
	case *pg_query.Node_UpdateStmt:
		return n.UpdateStmt
	case *pg_query.Node_DeleteStmt:
		return n.DeleteStmt
	}
	return nil
}

// shows reports whether * in what n lists may be columns of what the statement
// returns. Then those of the queries in its WITH and FROM may be, too.
func (h *hiding) shows(n node, targets []*pg_query.Node, with *pg_query.WithClause, from []*pg_query.Node) bool {
	union, _ := n.(*pg_query.SelectStmt)
	if !h.output[n] || union.GetLarg() == nil && !slices.ContainsFunc(targets, isStar) {
		return false
	}
	h.output[union.GetLarg()], h.output[union.GetRarg()] = true, true
	for _, c := range with.GetCtes() {
		h.output[queryOf(c.GetCommonTableExpr().GetCtequery())] = true
	}
	for _, f := range from {
		h.outputs(f)
	}
	return true
}

func (h *hiding) outputs(from *pg_query.Node) {
	if join := from.GetJoinExpr(); join != nil {
		h.outputs(join.Larg)
		h.outputs(join.Rarg)
	}
	h.output[queryOf(from.GetRangeSubselect().GetSubquery())] = true
}

// isStar reports whether an element of a list is *, name.* or (name).*.
func isStar(t *pg_query.Node) bool {
	val := t.GetResTarget().GetVal()
	parts := slices.Concat(val.GetColumnRef().GetFields(), val.GetAIndirection().GetIndirection())
	return len(parts) > 0 && parts[len(parts)-1].GetAStar() != nil
}

func (h *hiding) visit(m protoreflect.Message, s *scope) {
	n := m.Interface()
	if h.done[n] || h.err != nil || again(n) {
		return
	}
	switch n := n.(type) {
	case *pg_query.SelectStmt:
		shows := h.shows(n, n.TargetList, n.WithClause, n.FromClause)
		s = h.level(s, n.WithClause, nil, n.FromClause)
		s.grouped = len(n.GroupClause) > 0 || n.HavingClause != nil
		h.showing = shows
		h.joins(n, n.TargetList, s)
		h.list(n.TargetList, s)
		for _, values := range n.ValuesLists {
			h.list(values.GetList().GetItems(), s)
		}
	case *pg_query.InsertStmt:
		s = h.level(s, n.WithClause, n.Relation, nil)
		if n.OnConflictClause != nil {
			s.excluded()
		}
		h.showing = h.shows(n, n.ReturningList, nil, nil)
		h.list(n.ReturningList, s)
		h.positions(n, s)
	case *pg_query.UpdateStmt:
		shows := h.shows(n, n.ReturningList, n.WithClause, n.FromClause)
		s = h.level(s, n.WithClause, n.Relation, n.FromClause)
		h.showing = shows
		h.joins(n, nil, s)
		h.list(n.ReturningList, s)
	case *pg_query.DeleteStmt:
		shows := h.shows(n, n.ReturningList, n.WithClause, n.UsingClause)
		s = h.level(s, n.WithClause, n.Relation, n.UsingClause)
		h.showing = shows
		h.joins(n, nil, s)
		h.list(n.ReturningList, s)
	case *pg_query.MergeStmt:
		s = h.level(s, n.WithClause, n.Relation, []*pg_query.Node{n.SourceRelation})
		h.joins(n, nil, s)
	case *pg_query.MergeWhenClause:
		h.list(n.Values, s)
	case *pg_query.CopyStmt:
		h.copied(n)
		s = &scope{}
		if n.WhereClause != nil {
			h.table(s, n.Relation, source{only: true, copied: true}, nil)
		}
	case *pg_query.RowExpr:
		h.list(n.Args, s)
	case *pg_query.FuncCall:
		h.arguments(n)
	case *pg_query.A_Indirection:
		h.field(n, s)
	case *pg_query.TypeCast:
		h.cast(n, s)
	case *pg_query.ResTarget:
		h.result(n, s)
		h.named(n, s)
	case *pg_query.ColumnRef:
		h.row(n, s)
	}
	h.showing = false
	below(m, func(m protoreflect.Message) { h.visit(m, s) })
}

// level opens a query level. Its WITH queries are visited first: each sees
// those before it, and all of them where the clause is RECURSIVE.
func (h *hiding) level(outer *scope, with *pg_query.WithClause, target *pg_query.RangeVar, from []*pg_query.Node) *scope {
	s := &scope{outer: outer, ctes: outer.knownCTEs()}
	if with != nil {
		names := append([]string(nil), s.ctes...)
		for _, c := range with.Ctes {
			names = append(names, c.GetCommonTableExpr().GetCtename())
		}
		before := len(s.ctes)
		for i, c := range with.Ctes {
			seen := names[:before+i]
			if with.Recursive {
				seen = names
			}
			h.visit(c.GetCommonTableExpr().GetCtequery().ProtoReflect(), &scope{outer: outer, ctes: seen})
		}
		h.done[with] = true
		s.ctes = names
	}
	if target != nil {
		h.table(s, target, source{only: true}, nil)
	}
	for _, n := range from {
		h.from(s, n, false)
	}
	if target != nil && h.snapshot.Version >= 180000 {
		s.images()
	}
	return s
}

// images adds the names that RETURNING has for the row before and after, unless
// the statement itself uses them.
func (s *scope) images() {
	for _, name := range []string{"old", "new"} {
		if s.find([]*pg_query.Node{pg_query.MakeStrNode(name)}) == nil {
			image := s.sources[0]
			image.name, image.schema, image.image = name, "", true
			s.sources = append(s.sources, image)
		}
	}
}

// excluded adds the name that ON CONFLICT has for the row that was not inserted.
func (s *scope) excluded() {
	row := s.sources[0]
	row.name, row.schema, row.image, row.bare = "excluded", "", true, true
	s.sources = append(s.sources, row)
}

func (h *hiding) from(s *scope, n *pg_query.Node, aside bool) {
	named := func(a *pg_query.Alias) {
		s.sources = append(s.sources, source{name: a.GetAliasname(), aside: aside})
	}
	switch n := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		h.table(s, n.RangeVar, source{aside: aside, only: !n.RangeVar.Inh}, s.ctes)
	case *pg_query.Node_RangeTableSample:
		h.table(s, n.RangeTableSample.GetRelation().GetRangeVar(), source{aside: aside, only: true}, s.ctes)
	case *pg_query.Node_JoinExpr:
		j := n.JoinExpr
		merges := j.IsNatural || len(j.UsingClause) > 0
		s.merges = s.merges || merges && !aside && j.Alias == nil
		if j.Alias != nil {
			named(j.Alias)
		}
		h.from(s, j.Larg, aside || j.Alias != nil || j.IsNatural)
		h.from(s, j.Rarg, aside || j.Alias != nil || j.IsNatural)
	case *pg_query.Node_RangeSubselect:
		named(n.RangeSubselect.Alias)
	case *pg_query.Node_RangeFunction:
		f := n.RangeFunction
		alias := f.Alias
		if alias == nil && len(f.Functions) == 1 {
			if items := f.Functions[0].GetList().GetItems(); len(items) > 0 && items[0].GetFuncCall() != nil {
				alias = &pg_query.Alias{Aliasname: outputName(items[0])}
			}
		}
		named(alias)
	default:
		s.sources = append(s.sources, source{aside: aside})
	}
}

// table adds the relation that rv names, as a source of that kind.
func (h *hiding) table(s *scope, rv *pg_query.RangeVar, src source, ctes []string) {
	src.name, src.schema, src.rv = rv.GetRelname(), rv.GetSchemaname(), rv
	if a := rv.GetAlias(); a != nil {
		src.name, src.schema = a.Aliasname, ""
	}
	if rv.GetSchemaname() != "" || !has(ctes, rv.GetRelname()) {
		src.rel, src.known = h.shy(rv), h.known(rv)
	}
	if src.rel != nil {
		aliases := rv.GetAlias().GetColnames()
		for i, c := range src.rel.hides[0].Old.Columns {
			name := c.Name
			if i < len(aliases) {
				name = aliases[i].GetString_().GetSval()
			}
			if !src.rel.hidden(c.Name) {
				src.columns = append(src.columns, name)
			} else if i < len(aliases) {
				src.reached = true
			}
		}
	}
	s.sources = append(s.sources, src)
}

// shy returns the relation with hidden columns that a name stands for.
func (h *hiding) shy(rv *pg_query.RangeVar) *relation {
	return h.find(rv, func(rel *relation) bool { return len(rel.hides) > 0 })
}

// known returns the table of the catalog that a name certainly stands for.
func (h *hiding) known(rv *pg_query.RangeVar) *catalog.Table {
	if rv.GetSchemaname() != "" {
		return h.snapshot.Tables[catalog.Name{Schema: rv.Schemaname, Name: rv.Relname}]
	}
	if schemas := h.snapshot.Namesakes[rv.GetRelname()]; len(schemas) == 1 {
		return h.snapshot.Tables[catalog.Name{Schema: schemas[0], Name: rv.Relname}]
	}
	return nil
}

// seen notes that the statement was edited for what rel hides.
func (h *hiding) seen(rel *relation) {
	for _, m := range rel.hides {
		h.concern(m)
	}
}

// cannot refuses a statement that would show what rel hides, unless everything
// that it hides is of migrations that are off: then it shows.
func (h *hiding) cannot(rel *relation, offset int, what string) {
	for _, m := range rel.hides {
		if m.Rule.Active() && h.err == nil {
			h.err = &Refusal{
				Migration: m.Rule.Name, Offset: offset,
				Reason: fmt.Sprintf("%s of %s would show columns that the migration has added", what, rel.name),
				Hint:   "list the columns, or set expose_new_columns: true for the migration",
			}
		}
	}
}
