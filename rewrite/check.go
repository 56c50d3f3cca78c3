package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// check validates one migration against the catalog.
type check struct {
	file     string
	rule     *rules.Migration
	snap     *catalog.Snapshot
	problems rules.Problems
	warnings []string
}

func (c *check) fail(pos rules.Pos, hint, format string, args ...any) {
	c.problems = append(c.problems, rules.Problem{File: c.file, Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// migration returns the compiled migration, or nil where the problems leave
// nothing to compile.
func (c *check) migration() *Migration {
	r := c.rule
	m := &Migration{Rule: r, Old: c.snap.Tables[catalogName(r.Old.Table)], New: c.snap.Tables[catalogName(r.New.Table)]}
	if m.Old == nil {
		c.fail(r.Old.Pos, "create it, or correct the name", "table %s does not exist in database %s", r.Old.Table, c.snap.Database)
		return nil
	}
	switch {
	case m.Old.Kind != 'r' && m.Old.Kind != 'p':
		c.fail(r.Old.Pos, "name a plain or partitioned table", "%s is %s", m.Old.Name, relationKind(m.Old.Kind))
		return nil
	case m.Old.Kind == 'p' && !m.Old.Partition:
		c.partitioned(m)
	default:
		c.plain(m.Old, r.Old.Pos)
	}
	c.old(m)
	if m.New == nil {
		if r.Active() {
			c.fail(r.New.Pos, "expand first: create it, or keep the migration off", "table %s does not exist in database %s", r.New.Table, c.snap.Database)
		}
		return m
	}
	if r.Kind == rules.Rows {
		c.plain(m.New, r.New.Pos)
	}
	c.exprs(m)
	if r.Kind == rules.Columns {
		m.strands = m.findStrands()
	}
	if r.Active() {
		c.newShape(m)
		for _, g := range m.Old.Missing {
			c.fail(r.New.Pos, "run: "+g.Grant+";", "role %s may write %s but lacks a privilege that the dual write needs", g.Role, m.Old.Name)
		}
	}
	return m
}

// plain refuses relations for which a dual write would not see every row.
func (c *check) plain(t *catalog.Table, pos rules.Pos) {
	switch {
	case t.Partition:
		c.fail(pos, "name the partitioned table itself", "%s is a partition", t.Name)
	case t.Kind != 'r':
		c.fail(pos, "the new table must be a plain one", "%s is %s", t.Name, relationKind(t.Kind))
	case len(t.Parents) > 0 || len(t.Children) > 0:
		c.fail(pos, "only plain and partitioned tables can migrate", "%s has inheritance parents or children, and no key holds across them", t.Name)
	default:
		c.open(t, pos)
	}
}

// partitioned refuses what plain refuses, of a partitioned table and its partitions.
func (c *check) partitioned(m *Migration) {
	t, pos := m.Old, c.rule.Old.Pos
	c.open(t, pos)
	for _, name := range t.Children {
		switch part := c.snap.Tables[name]; {
		case part == nil:
			c.fail(pos, "try again", "partition %s of %s was made just now", name, t.Name)
		case part.Kind == 'f':
			c.fail(pos, "detach it first", "partition %s of %s is a foreign table", name, t.Name)
		default:
			c.open(part, pos)
			c.generates(part, pos)
		}
	}
}

// generates refuses a partition that gives a column another value than was written.
// Postgres lets in such a one before version 16.
func (c *check) generates(part *catalog.Table, pos rules.Pos) {
	for _, name := range slices.Concat(c.rule.Old.Key, c.rule.Old.Columns, c.rule.New.Columns) {
		if col := part.Column(name); col != nil && col.Generated != 0 {
			c.fail(pos, "detach it first", "column %s of partition %s is generated", name, part.Name)
		}
	}
}

// open refuses tables that show or write other rows than a statement says.
func (c *check) open(t *catalog.Table, pos rules.Pos) {
	switch {
	case t.RowSecurity:
		c.fail(pos, "disable it, or wait for a release that handles it", "row security is enabled on %s", t.Name)
	case len(t.Rules) > 0:
		c.fail(pos, "drop it, or replace it by a trigger", "%s has the rewrite rule %s, which changes statements behind the proxy", t.Name, quoted(t.Rules))
	}
}

func relationKind(kind byte) string {
	names := map[byte]string{'p': "a partitioned table", 'v': "a view", 'm': "a materialized view", 'f': "a foreign table"}
	if n := names[kind]; n != "" {
		return n
	}
	return "not a table"
}

// old checks the old shape and fills m.Key.
func (c *check) old(m *Migration) {
	r := c.rule
	for i, name := range r.Old.Key {
		col := m.Old.Column(name)
		if col == nil {
			c.missing(m.Old, name, r.Old.KeyPos[i])
			continue
		}
		if !oneOf(keyTypes, col.Type) {
			c.fail(r.Old.KeyPos[i], "supported: "+quoted(keyTypes), "key column %s has type %s, which is not supported", name, col.Type)
		}
		m.Key = append(m.Key, KeyColumn{Name: name, Type: CastType(col), Setting: settingName(r.Name, i)})
	}
	if !sameSet(r.Old.Key, m.Old.Key) {
		hint := fmt.Sprintf("write key: [%s]", quoted(m.Old.Key))
		if len(m.Old.Key) == 0 {
			hint = "add a primary key"
		}
		c.fail(firstPos(r.Old.KeyPos, r.Old.Pos), hint, "key [%s] is not the primary key of %s", quoted(r.Old.Key), m.Old.Name)
	}
	for i, name := range r.Old.Columns {
		col := m.Old.Column(name)
		switch {
		case col == nil:
			c.missing(m.Old, name, r.Old.ColPos[i])
		case col.Generated != 0:
			c.fail(r.Old.ColPos[i], "name the columns that it is generated from, and use them in up", "column %s of %s is generated", name, m.Old.Name)
		}
	}
}

func (c *check) missing(t *catalog.Table, column string, pos rules.Pos) {
	names := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		names[i] = col.Name
	}
	c.fail(pos, "it has "+quoted(names), "table %s has no column %s", t.Name, column)
}

func firstPos(ps []rules.Pos, or rules.Pos) rules.Pos {
	if len(ps) > 0 {
		return ps[0]
	}
	return or
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !has(b, x) {
			return false
		}
	}
	return true
}

// exprs resolves up and down into m.
func (c *check) exprs(m *Migration) {
	r := c.rule
	for _, e := range r.Up {
		m.up = append(m.up, c.expr(e, upID(r, e), "old", r.Kind == rules.Columns, append(append([]string{}, r.Old.Columns...), r.Old.Key...), "old.columns"))
	}
	if len(r.Down) == 0 {
		return
	}
	m.down = make([]template, len(r.Old.Columns))
	for _, e := range r.Down {
		if col := m.Old.Column(e.Column); col != nil && col.Identity == 'a' {
			c.fail(e.Pos, fmt.Sprintf("run: ALTER TABLE %s ALTER COLUMN %s SET GENERATED BY DEFAULT; or leave it out of down", m.Old.Name, Ident(e.Column)),
				"down gives column %s of %s, which is GENERATED ALWAYS and cannot be assigned", e.Column, m.Old.Name)
		}
	}
	if r.Kind == rules.Rows {
		for _, e := range r.Down {
			c.downSet(m, e)
		}
		return
	}
	for _, e := range r.Down {
		for i, name := range r.Old.Columns {
			if name == e.Column {
				m.down[i] = c.expr(e, downID(r, name), "new", true, r.New.Columns, "new.columns")
			}
		}
	}
}

// downSet resolves a query over new, the set of new rows of one key.
func (c *check) downSet(m *Migration, e rules.Expr) {
	x := c.resolved(e, downID(c.rule, e.Column))
	if x == nil {
		return
	}
	t, err := newTemplate(x.SQL, "new", false)
	if err != nil {
		c.fail(e.Pos, "write it with less unusual syntax", "%s", err)
		return
	}
	t.value = x.Columns[0]
	m.downColumns = append(m.downColumns, t.cols...)
	if strings.Contains(x.SQL, "new.*") && m.New != nil {
		for _, column := range m.New.Columns {
			m.downColumns = append(m.downColumns, column.Name)
		}
	}
	for i, name := range c.rule.Old.Columns {
		if name == e.Column {
			m.down[i] = t
		}
	}
}

// resolved reports what Postgres said of an expression; nil where it is bad or
// could not be resolved because the new shape does not exist yet.
func (c *check) resolved(e rules.Expr, id string) *catalog.Expr {
	x, ok := c.snap.Exprs[id]
	if !ok || (x.Err == nil && x.SQL == "") {
		return nil
	}
	if x.Err != nil {
		if !c.rule.Active() && (x.Err.Code == undefinedColumn || x.Err.Code == undefinedTable) {
			return nil // the new shape may not be there yet
		}
		hint := x.Err.Hint
		if hint == "" {
			hint = "Postgres says so: SQLSTATE " + x.Err.Code
		}
		c.fail(e.At(x.Err.Offset), hint, "%s", x.Err.Message)
		return nil
	}
	if len(x.Volatile) > 0 {
		c.fail(e.Pos, "up and down must give the same result every time; a function that does can be declared IMMUTABLE or STABLE", "the expression uses %s, which is volatile", quoted(x.Volatile))
	}
	if len(x.Stable) > 0 {
		c.warnings = append(c.warnings, fmt.Sprintf("%s: migration %s uses %s, whose result depends on session settings such as TimeZone and DateStyle",
			c.file, c.rule.Name, quoted(x.Stable)))
	}
	for _, name := range x.Reads {
		c.warnings = append(c.warnings, fmt.Sprintf("%s: migration %s reads %s, and rows that are stored do not follow when that changes: run pgjanus backfill --restart then",
			c.file, c.rule.Name, name))
	}
	return &x
}

const (
	undefinedColumn = "42703"
	undefinedTable  = "42P01"
)

func (c *check) expr(e rules.Expr, id, row string, scalar bool, allowed []string, listed string) template {
	x := c.resolved(e, id)
	if x == nil {
		return template{}
	}
	t, err := newTemplate(x.SQL, row, scalar)
	if err != nil {
		c.fail(e.Pos, "write it with less unusual syntax", "%s", err)
		return template{}
	}
	for _, col := range x.Columns {
		t.columns, t.value = append(t.columns, col.Name), col
	}
	if t.whole {
		c.fail(e.Pos, fmt.Sprintf("name the columns of %s that it needs", listed), "the expression reads %s as a whole, and writes of what is not in %[2]s would go unnoticed", row, listed)
	}
	for _, col := range t.cols {
		if !has(allowed, col) {
			c.fail(e.Pos, fmt.Sprintf("add %s to %s, so that writes of it are noticed", col, listed), "the expression reads %s.%s, which is not in %s", row, col, listed)
		}
	}
	return t
}
