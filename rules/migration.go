package rules

import "fmt"

// Kind says how the two shapes of a migration relate.
type Kind int

const (
	// Rows means that each old row becomes zero or more rows of another table.
	Rows Kind = iota + 1
	// Columns means that new columns of the same table are derived from old columns.
	Columns
)

// String returns the name used in rules files.
func (k Kind) String() string {
	switch k {
	case Rows:
		return "rows"
	case Columns:
		return "columns"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Table is a schema-qualified relation name as Postgres stores it, unquoted.
type Table struct {
	Schema string
	Name   string
}

// String returns schema.name for messages; it is not quoted and not SQL.
func (t Table) String() string { return t.Schema + "." + t.Name }

// Pos is a place in the rules file. Line and Column count from 1, columns in
// characters; the zero value means "the file as a whole".
type Pos struct {
	Line   int
	Column int
}

// Expr is one piece of SQL from the rules file.
type Expr struct {
	// Column is the column the expression computes; empty for the query of a
	// rows migration's up.
	Column string
	// SQL is the text as written, without a trailing semicolon or white space.
	SQL string
	// Pos is where the text begins in the rules file; At has the places in it.
	Pos    Pos
	layout layout
}

// Parent maps a column of the new table to the old key column it refers to.
type Parent struct {
	New string
	Old string
}

// Old is the old shape.
type Old struct {
	Table   Table
	Key     []string // the primary key columns of Table
	Columns []string // the columns that the new shape is derived from
	Pos     Pos      // of the table name
	KeyPos  []Pos
	ColPos  []Pos
}

// New is the new shape. For Rows, Parents is set; for Columns, Columns is.
type New struct {
	Table     Table
	Columns   []string
	Parents   []Parent
	Pos       Pos
	ColPos    []Pos
	ParentPos []Pos
}

// Migration is one named mapping between an old and a new shape.
type Migration struct {
	Name  string
	Phase Phase
	Kind  Kind
	Old   Old
	New   New
	// Up has one expression without a column (Rows) or one per new column in
	// the order of New.Columns (Columns).
	Up []Expr
	// Down has at most one expression per old column, in file order.
	Down []Expr
	// Cutover is "" or "rename".
	Cutover string
	Guard   Guard
	// OnFanoutError: what becomes of a statement whose new shape cannot be written.
	OnFanoutError FanoutError
	// ExposeNewColumns: SELECT * and its like show the columns that the migration has added.
	ExposeNewColumns bool

	Pos      Pos // of the list item
	NamePos  Pos
	PhasePos Pos
}

// Active reports whether statements that write the old shape are rewritten.
func (m *Migration) Active() bool { return m.Phase != Off }

// Set is an immutable, syntactically valid rules file.
type Set struct {
	File       string
	Migrations []Migration
}

// Find returns the migration of that name, or nil.
func (s *Set) Find(name string) *Migration {
	for i := range s.Migrations {
		if s.Migrations[i].Name == name {
			return &s.Migrations[i]
		}
	}
	return nil
}
