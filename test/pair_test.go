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
		case *pgproto3.AuthenticationOk, *pgproto3.ParameterStatus, *pgproto3.BackendKeyData:
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
	if e.Code == "25P02" { // it may be a question of pgjanus that the server says it to
		same.File, same.Line, same.Routine = "", 0, ""
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
	isRow := func(line string) bool { // or a notice that came with one, or a portal that was suspended between two
		return len(line) > 1 && line[0] == '"' && strings.IndexByte("DdNs", line[1]) >= 0
	}
	for from := 0; from < len(sorted); from++ {
		to := from
		for to < len(sorted) && isRow(sorted[to]) {
			to++
		}
		slices.Sort(sorted[from:to])
		from = max(from, to-1)
	}
	return sorted
}
