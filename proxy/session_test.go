package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return fmt.Sprint(err)
}

// TestSessionsOfTwoGoroutines runs the tests of sessions, which a loop drives
// otherwise, without one.
func TestSessionsOfTwoGoroutines(t *testing.T) {
	gateLoops = 0
	defer func() { gateLoops = 1 }()
	for name, test := range map[string]func(*testing.T){
		"answers": TestPostgresAnswersAsTheScriptsSay, "cancel": TestCancelReachesTheServer, "notifications": TestNotificationsArriveWhileIdle,
		"copy": TestCopyInBothDirections, "big messages": TestBigMessagesAreNotHeld, "big values": TestBigValuesArriveWhole,
		"shutdown": TestShutdownEndsIdleSessionsAndWaitsForTransactions, "shutdown in time": TestShutdownDoesNotWaitForEver,
		"vanishing client": TestAClientThatVanishesEndsItsBackend, "last words": TestTheServersLastWordsArrive,
		"sent before the end": TestWhatTheServerSentBeforeItEndedArrives, "half-close": TestAClientThatHalfClosesGetsItsAnswers,
		"going away": TestAClientThatGoesAwayEndsItsSession, "half-closed login": TestAHalfClosedLoginEndsInTime,
	} {
		t.Run(name, test)
	}
}

func TestCancelReachesTheServer(t *testing.T) {
	g, direct := postgresGate(t, Options{MaxSessions: 1}) // cancel requests do not count
	conn := pgtest.Connect(t, g.dsn(parse(t, direct).Database))
	for name, cancel := range map[string]func(){
		"plain": func() {
			if err := conn.PgConn().CancelRequest(context.Background()); err != nil {
				t.Error(err)
			}
		},
		"after SSLRequest": func() {
			c := g.raw()
			c.send([]byte(sslRequest))
			c.read(1)
			key := conn.PgConn().SecretKey()
			packet := binary.BigEndian.AppendUint32(nil, uint32(12+len(key)))
			packet = binary.BigEndian.AppendUint32(packet, codeCancel)
			packet = binary.BigEndian.AppendUint32(packet, conn.PgConn().PID())
			c.send(append(packet, key...))
			if rest := c.rest(); len(rest) > 0 {
				t.Errorf("a cancel request is answered %q", rest)
			}
		},
	} {
		done := make(chan error, 1)
		text := "SELECT pg_sleep(60) -- " + name
		go func() {
			_, err := conn.PgConn().Exec(context.Background(), text).ReadAll()
			done <- err
		}()
		eventually(t, "the query runs", func() bool { return active(t, direct, text) })
		cancel()
		if got := code(<-done); got != "57014" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNotificationsArriveWhileIdle(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	conn := pgtest.Connect(t, g.dsn(parse(t, direct).Database))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := conn.Exec(ctx, "LISTEN gate"); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, direct, "NOTIFY gate, 'open'")
	n, err := conn.WaitForNotification(ctx)
	if err != nil || n.Payload != "open" {
		t.Errorf("%+v %v", n, err)
	}
}

func TestCopyInBothDirections(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	conn := pgtest.Connect(t, g.dsn(parse(t, direct).Database))
	ctx := context.Background()
	const rows = 100_000
	pgtest.Exec(t, direct, "CREATE TABLE t (a int, b text)")
	n, err := conn.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a", "b"},
		pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{i, "row"}, nil }))
	if err != nil || n != rows {
		t.Fatalf("%d %v", n, err)
	}
	var out bytes.Buffer
	tag, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT * FROM t ORDER BY a) TO STDOUT")
	if err != nil || tag.RowsAffected() != rows || bytes.Count(out.Bytes(), []byte("\n")) != rows {
		t.Fatalf("%v %v", tag, err)
	}
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader([]byte("no number\n")), "COPY t FROM STDIN"); code(err) != "22P02" {
		t.Errorf("bad data: %v", err)
	}
	if got := pgtest.Value[int](t, direct, "SELECT count(*)::int FROM t"); got != rows {
		t.Errorf("%d rows", got)
	}
}

// big is the size of a message that must not be held as a whole.
const big = 64 << 20

// TestBigMessagesAreNotHeld sends one both ways through a session whose peers
// do not hold it either.
func TestBigMessagesAreNotHeld(t *testing.T) {
	finished := make(chan int64, 1)
	upstream := fakeUpstream(t, func(conn net.Conn) {
		startup := startupPacket(version3, "user", "me", "database", "app")
		_, _ = io.CopyN(io.Discard, conn, int64(len(startup)))
		_, _ = conn.Write(encodeServer(t, "AuthenticationOk | ReadyForQuery I"))
		n, _ := io.CopyN(io.Discard, conn, headerSize+big) // Bind
		_ = bigFrame(conn, 'D')
		finished <- n
		_, _ = io.Copy(io.Discard, conn)
	})
	g := newGate(t, Options{Upstream: upstream, Database: "app"})
	c := g.raw()
	c.send(startupPacket(version3, "user", "me", "database", "app"))
	c.read(len(encodeServer(t, "AuthenticationOk | ReadyForQuery I")))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := bigFrame(c, 'B'); err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, c, headerSize+big); err != nil {
		t.Fatal(n, err)
	}
	if n := <-finished; n != headerSize+big {
		t.Errorf("the server got %d bytes", n)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("%d bytes were allocated for two messages of %d", used, big)
	}
	_ = c.Close()
}

// bigFrame writes a frame with a body of big zeros.
func bigFrame(w io.Writer, kind byte) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32([]byte{kind}, big+4)); err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for range big / len(zeros) {
		if _, err := w.Write(zeros); err != nil {
			return err
		}
	}
	return nil
}

func TestBigValuesArriveWhole(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	conn := pgtest.Connect(t, g.dsn(parse(t, direct).Database))
	value := bytes.Repeat([]byte("0123456789abcdef"), 16<<20/16)
	var back []byte
	if err := conn.QueryRow(context.Background(), "SELECT $1::bytea", value).Scan(&back); err != nil || !bytes.Equal(value, back) {
		t.Fatalf("%d bytes came back, %v", len(back), err)
	}
}

func TestShutdownEndsIdleSessionsAndWaitsForTransactions(t *testing.T) {
	g, direct := postgresGate(t, Options{Drain: patience})
	ctx := context.Background()
	database := parse(t, direct).Database
	idle, err := pgconn.Connect(ctx, g.dsn(database))
	if err != nil {
		t.Fatal(err)
	}
	busy, err := pgconn.Connect(ctx, g.dsn(database))
	if err != nil {
		t.Fatal(err)
	}
	run := func(sql string) {
		t.Helper()
		if _, err := busy.Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("CREATE TABLE t (a int)")
	run("BEGIN")
	g.stop()
	msg, err := idle.ReceiveMessage(ctx)
	if got := code(err); got != "57P01" {
		t.Errorf("an idle session ends with %v %v", msg, err)
	}
	run("INSERT INTO t VALUES (1)")
	run("COMMIT")
	if _, err = busy.ReceiveMessage(ctx); code(err) != "57P01" {
		t.Errorf("behind its transaction a session ends with %v", err)
	}
	g.done <- <-g.done // Serve has returned
	if n := pgtest.Value[int](t, direct, "SELECT count(*)::int FROM t"); n != 1 {
		t.Errorf("%d rows", n)
	}
	_, _ = idle.Close(ctx), busy.Close(ctx)
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	g, direct := postgresGate(t, Options{Drain: 50 * time.Millisecond})
	conn, err := pgconn.Connect(context.Background(), g.dsn(parse(t, direct).Database))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(context.Background(), "BEGIN").ReadAll(); err != nil {
		t.Fatal(err)
	}
	g.stop()
	g.done <- <-g.done
	_ = conn.Close(context.Background())
}

func TestAClientThatVanishesEndsItsBackend(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	c := g.raw()
	c.send(startupPacket(version3, "user", "postgres", "database", parse(t, direct).Database))
	const text = "SELECT repeat('x', 1000), generate_series(1, 100000000)"
	c.send(appendQuery(nil, text))
	eventually(t, "the query runs", func() bool { return active(t, direct, "repeat('x'") })
	if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	eventually(t, "its backend is gone", func() bool { return !active(t, direct, "repeat('x'") })
	eventually(t, "its session is gone", func() bool { return len(g.server.Sessions()) == 0 })
}

// TestTheServersLastWordsArrive: the server ends a session while the client is
// busy writing, so that writing fails before its error has been read.
func TestTheServersLastWordsArrive(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	pgtest.Exec(t, direct, "CREATE TABLE t (a text)")
	conn, err := pgconn.Connect(context.Background(), g.dsn(parse(t, direct).Database))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.CopyFrom(context.Background(), endless{}, "COPY t FROM STDIN")
		done <- err
	}()
	eventually(t, "COPY runs", func() bool { return active(t, direct, "COPY t") })
	pgtest.Exec(t, direct, fmt.Sprintf("SELECT pg_terminate_backend(%d)", conn.PID()))
	if err := <-done; code(err) != "57P01" {
		t.Errorf("COPY ends with %v", err)
	}
	_ = conn.Close(context.Background())
	eventually(t, "its session is gone", func() bool { return len(g.server.Sessions()) == 0 })
}

// endless is a reader of lines.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "line\n"[i%5]
	}
	return len(p) - len(p)%5, nil
}

// A server that ends a session whose client is slow to read: everything that it
// has sent before arrives.
func TestWhatTheServerSentBeforeItEndedArrives(t *testing.T) {
	const rows = 40 << 20
	upstream := fakeUpstream(t, func(conn net.Conn) {
		startup := startupPacket(version3, "user", "me", "database", "app")
		_, _ = io.CopyN(io.Discard, conn, int64(len(startup)))
		_, _ = conn.Write(encodeServer(t, "AuthenticationOk | ReadyForQuery I"))
		row := append([]byte{'D', 0, 0, 4, 0}, make([]byte, 1020)...)
		for range rows / 1024 {
			if _, err := conn.Write(row); err != nil {
				return
			}
		}
		_, _ = io.CopyN(io.Discard, conn, int64(len(appendQuery(nil, "SELECT 1")))) // unread, it would have its kernel drop what was sent
		_ = conn.Close()
	})
	g := newGate(t, Options{Upstream: upstream, Database: "app"})
	c := g.raw()
	c.send(startupPacket(version3, "user", "me", "database", "app"))
	c.read(len(encodeServer(t, "AuthenticationOk | ReadyForQuery I")))
	c.send(appendQuery(nil, "SELECT 1"))
	time.Sleep(300 * time.Millisecond) // the client is busy
	n, err := io.Copy(io.Discard, c)
	if want := int64(rows / 1024 * 1025); n != want || err != nil {
		t.Errorf("%d bytes arrived of %d, %v", n, want, err)
	}
	_ = c.Close()
	eventually(t, "its session is gone", func() bool { return len(g.server.Sessions()) == 0 })
}
