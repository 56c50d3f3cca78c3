package test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// pair is two databases with the same old tables: one as it was before the
// expand step, and one behind a proxy. What a client hears from both must be
// the same, and the old tables with it.
type pair struct {
	plain string // DSN of the database without the new shape
	gate  *gate
}

// beforeExpand takes the new shape of the canonical tables away.
const beforeExpand = `
DROP TABLE order_items;
ALTER TABLE users DROP COLUMN status;
ALTER TABLE counters DROP COLUMN id_big`

// newPair makes a pair with that many rows in each canonical table, in both
// shapes, and every migration in dualwrite.
func newPair(t testing.TB, rows int) *pair {
	t.Helper()
	p := &pair{plain: pgtest.Database(t), gate: newGate(t, rows)}
	pgtest.Canon(t, p.plain, rows)
	pgtest.Exec(t, p.plain, beforeExpand)
	p.gate.phase("dualwrite")
	p.fill(t)
	return p
}

// fill brings the new shape of every row up to date.
func (p *pair) fill(t testing.TB) {
	t.Helper()
	for _, dsn := range []string{p.plain, p.gate.dsn} {
		pgtest.Exec(t, dsn, "UPDATE orders SET items = items, updated_at = '2026-01-01 00:00Z'", "UPDATE users SET is_active = is_active", "UPDATE counters SET id = id")
	}
	pgtest.Agree(t, p.gate.direct)
}

// wire is a client that keeps what the server says as it was said.
type wire struct {
	t         testing.TB
	conn      net.Conn
	front     *pgproto3.Frontend
	relations map[uint32]string // by OID
	copy      []byte            // what COPY FROM STDIN gets
	copySync  bool              // and then a Sync: it was asked for by Execute
}

// dialWire logs in.
func dialWire(t testing.TB, dsn string) *wire {
	t.Helper()
	return dialWireWith(t, dsn, nil)
}

// dialWireWith logs in with those startup parameters, too.
func dialWireWith(t testing.TB, dsn string, parameters map[string]string) *wire {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &wire{t: t, conn: conn, front: pgproto3.NewFrontend(conn, conn), relations: map[uint32]string{}}
	start := &pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersionNumber,
		Parameters:      map[string]string{"user": u.User.Username(), "database": strings.TrimPrefix(u.Path, "/")},
	}
	for name, value := range parameters {
		start.Parameters[name] = value
	}
	w.front.Send(start)
	w.hear()
	return w
}

// names learns the relations of the database behind direct, whose OIDs are its own.
func (w *wire) names(direct string) { w.learn(direct, "relname") }

// learn is names for what name, an expression over pg_class, calls them.
func (w *wire) learn(direct, name string) {
	w.t.Helper()
	conn := pgtest.Connect(w.t, direct)
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), "SELECT oid, "+name+" FROM pg_class WHERE relkind <> 't'")
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var oid uint32
		var name string
		if err := rows.Scan(&oid, &name); err != nil {
			w.t.Fatal(err)
		}
		w.relations[oid] = name
	}
}

// say sends messages and returns what the server said, up to the last
// ReadyForQuery of those that they ask for, a line for each message.
func (w *wire) say(messages ...pgproto3.FrontendMessage) []string {
	w.t.Helper()
	for _, m := range messages {
		w.front.Send(m)
	}
	var heard []string
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			heard = append(heard, w.hear()...)
		}
	}
	return heard
}

// hear flushes, and reads up to a ReadyForQuery.
func (w *wire) hear() []string {
	w.t.Helper()
	if err := w.front.Flush(); err != nil {
		w.t.Fatal(err)
	}
	var heard []string
	for {
		m, err := w.front.Receive()
		if err != nil {
			w.t.Fatalf("after %q: %v", heard, err)
		}
		switch m := m.(type) {
		case *pgproto3.AuthenticationOk, *pgproto3.BackendKeyData:
			continue
		case *pgproto3.RowDescription:
			heard = append(heard, w.description(m))
			continue
		case *pgproto3.CopyInResponse:
			if len(w.copy) > 0 {
				w.front.Send(&pgproto3.CopyData{Data: w.copy})
				w.front.Send(&pgproto3.CopyDone{})
			} else {
				w.front.Send(&pgproto3.CopyFail{Message: "none"})
			}
			if w.copySync {
				w.front.Send(&pgproto3.Sync{})
			}
			if err := w.front.Flush(); err != nil {
				w.t.Fatal(err)
			}
		case *pgproto3.ReadyForQuery:
			return append(heard, "ReadyForQuery "+string(m.TxStatus))
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			m = alike(e)
		}
		raw, err := m.Encode(nil)
		if err != nil {
			w.t.Fatal(err)
		}
		heard = append(heard, fmt.Sprintf("%q", raw))
	}
}

// failingRow is how Postgres begins the DETAIL that shows a row with all of its
// columns, those that nobody sees too.
const failingRow = "Failing row contains ("

// copiedRow is the row that an error in COPY shows, where Postgres inserts row by
// row: into a partitioned table only where there is a guard.
var copiedRow = regexp.MustCompile(`^(COPY .*, line \d+): ".*"$`)

// alike returns an error without what may differ: the row that failed, as its
// DETAIL or its CONTEXT shows it; and for a syntax error, which pgjanus reports itself, where in
// Postgres's source it was raised, and the hint that says so.
func alike(e *pgproto3.ErrorResponse) *pgproto3.ErrorResponse {
	same := *e
	if strings.HasPrefix(e.Detail, failingRow) {
		same.Detail = failingRow
	}
	same.Where = copiedRow.ReplaceAllString(e.Where, "$1")
	if e.Code == "42601" {
		same.Hint, same.File, same.Line, same.Routine = "", "", 0, ""
	}
	if strings.HasPrefix(e.SchemaName, "pg_temp_") { // numbered by backend
		same.SchemaName = "pg_temp"
	}
	switch {
	case e.Code == "25P02": // it may be a question of pgjanus that the server says it to
		same.File, same.Line, same.Routine = "", 0, ""
	case e.Message == "cached plan must not change result type": // it may be pgjanus that says it
		same.File, same.Line = "", 0
	}
	return &same
}

func (w *wire) description(m *pgproto3.RowDescription) string {
	var b strings.Builder
	b.WriteString("RowDescription")
	for _, f := range m.Fields {
		table := w.relations[f.TableOID]
		if f.TableOID == 0 {
			table = "-"
		}
		fmt.Fprintf(&b, " %s(%s.%d type %d/%d/%d format %d)", f.Name, table, f.TableAttributeNumber, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format)
	}
	return b.String()
}

// differs names the first place where two answers differ, or "". The order of
// the rows of one result, or of COPY, is nobody's promise; notices come with rows.
// How many come before a portal is suspended is promised.
func differs(plain, through []string) string {
	plain, through = sortedRows(plain), sortedRows(through)
	for i := 0; i < max(len(plain), len(through)); i++ {
		switch {
		case i >= len(plain):
			return fmt.Sprintf("plain says no more, and through pgjanus comes %s", through[i])
		case i >= len(through):
			return fmt.Sprintf("plain says %s, and through pgjanus comes no more", plain[i])
		case plain[i] != through[i]:
			return fmt.Sprintf("\n  plain    %s\n  pgjanus  %s", plain[i], through[i])
		}
	}
	return ""
}

func sortedRows(heard []string) []string {
	sorted := slices.Clone(heard)
	is := func(line, types string) bool {
		return len(line) > 1 && line[0] == '"' && strings.IndexByte(types, line[1]) >= 0
	}
	for from := 0; from < len(sorted); from++ {
		to := from
		var rows []string // and notices that came with one
		for ; to < len(sorted) && is(sorted[to], "DdNs"); to++ {
			if is(sorted[to], "DdN") {
				rows = append(rows, sorted[to])
			}
		}
		slices.Sort(rows)
		for ; from < to; from++ {
			if is(sorted[from], "DdN") {
				sorted[from], rows = rows[0], rows[1:]
			}
		}
	}
	return sorted
}

// What the comparison lets pass is listed in CONTRIBUTING.md, and is no more.
func TestWhatMayDifferBetweenTwoAnswers(t *testing.T) {
	said := func(change func(e *pgproto3.ErrorResponse)) string {
		e := &pgproto3.ErrorResponse{
			Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "23505", Message: "m", Detail: "d", Hint: "h", Position: 1, Where: "w",
			SchemaName: "s", TableName: "t", ColumnName: "c", DataTypeName: "y", ConstraintName: "k", File: "f", Line: 2, Routine: "r",
		}
		change(e)
		raw, err := alike(e).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", raw)
	}
	none := said(func(*pgproto3.ErrorResponse) {})
	for name, change := range map[string]func(e *pgproto3.ErrorResponse){
		"severity": func(e *pgproto3.ErrorResponse) { e.Severity = "FATAL" }, "code": func(e *pgproto3.ErrorResponse) { e.Code = "23503" },
		"message": func(e *pgproto3.ErrorResponse) { e.Message = "" }, "detail": func(e *pgproto3.ErrorResponse) { e.Detail = "" },
		"hint": func(e *pgproto3.ErrorResponse) { e.Hint = "" }, "position": func(e *pgproto3.ErrorResponse) { e.Position = 2 },
		"where": func(e *pgproto3.ErrorResponse) { e.Where = "" }, "schema": func(e *pgproto3.ErrorResponse) { e.SchemaName = "" },
		"table": func(e *pgproto3.ErrorResponse) { e.TableName = "" }, "column": func(e *pgproto3.ErrorResponse) { e.ColumnName = "" },
		"type": func(e *pgproto3.ErrorResponse) { e.DataTypeName = "" }, "constraint": func(e *pgproto3.ErrorResponse) { e.ConstraintName = "" },
		"file": func(e *pgproto3.ErrorResponse) { e.File = "" }, "line": func(e *pgproto3.ErrorResponse) { e.Line = 0 }, "routine": func(e *pgproto3.ErrorResponse) { e.Routine = "" },
	} {
		if differs([]string{none}, []string{said(change)}) == "" {
			t.Errorf("another %s is overlooked", name)
		}
	}
	one, two, suspended, tag, zone := `"D\x001"`, `"D\x002"`, `"s\x00"`, `"C\x00"`, `"S\x00zone"`
	for _, c := range []struct {
		plain, through []string
		differ         bool
	}{
		{[]string{one, two, tag}, []string{two, one, tag}, false},
		{[]string{one, suspended, two, tag}, []string{two, suspended, one, tag}, false},
		{[]string{one, suspended, two, tag}, []string{one, two, suspended, tag}, true},
		{[]string{one, tag, two}, []string{two, tag, one}, true},
		{[]string{one, one, tag}, []string{one, tag}, true},
		{[]string{tag, zone}, []string{tag}, true},
	} {
		if got := differs(c.plain, c.through) != ""; got != c.differ {
			t.Errorf("%q and %q differ: %v", c.plain, c.through, got)
		}
	}
}
