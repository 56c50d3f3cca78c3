package proxy

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// hello logs in to a database.
func hello(database string) []byte {
	return startupPacket(version3, "user", "postgres", "database", database)
}

// heard returns the kinds of the messages up to the end of the
// connection.
func heard(t *testing.T, c net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("reading ends with %v", err)
	}
	var kinds strings.Builder
	for len(said) > 0 {
		if len(said) < headerSize || frameSize(said) > len(said) {
			t.Fatalf("a part of a message: %q", said)
		}
		if said[0] != 'S' { // settings
			kinds.WriteByte(said[0])
		}
		said = said[frameSize(said):]
	}
	return kinds.String()
}

// TestAClientThatHalfClosesGetsItsAnswers: Postgres answers what it was sent,
// and then ends the session.
func TestAClientThatHalfClosesGetsItsAnswers(t *testing.T) {
	const write = "UPDATE orders SET items = '[{\"sku\":\"a\"}]'"
	g, direct := postgresGate(t, Options{})
	g.planner = canonical(t, "dualwrite", 7, triggered)
	g.server.Use(g.planner)
	database := parse(t, direct).Database
	pgtest.Exec(t, direct, pgtest.Schema, state(g.planner), "CREATE TABLE t (a int)", "INSERT INTO orders (id) VALUES (1000)")
	for name, sent := range map[string]string{
		"nothing":             "",
		"a query":             string(encodeClient(t, "Query SELECT 1")),
		"a write":             string(encodeClient(t, "Query "+write)),
		"extended":            string(encodeClient(t, "Parse '' "+write+" | Bind '' '' | Execute '' 0 | Sync | Query SELECT 1")),
		"without Sync":        string(encodeClient(t, "Parse '' "+write+" | Bind '' '' | Execute '' 0")),
		"with Terminate":      string(encodeClient(t, "Query SELECT 1 | Terminate")),
		"a slow query":        string(encodeClient(t, "Query SELECT pg_sleep(0.3) | Query SELECT 1")),
		"a big answer":        string(encodeClient(t, "Query SELECT repeat('x', 1000) FROM generate_series(1, 20000) | Query SELECT 1")),
		"part of a message":   string(encodeClient(t, "Query SELECT 1")) + "Q\x00\x00\x00\x20SELECT",
		"part of a header":    string(encodeClient(t, "Query SELECT 1")) + "Q\x00",
		"COPY":                string(encodeClient(t, "Query COPY t FROM STDIN | CopyData 1 | CopyDone | Query SELECT 1")),
		"COPY without an end": string(encodeClient(t, "Query COPY t FROM STDIN | CopyData 1")),
		"COPY into a migrating table": string(encodeClient(t,
			"Parse '' COPY orders (items) FROM STDIN | Bind '' '' | Execute '' 0 | CopyData [] | CopyDone | Sync | Query SELECT 1")),
	} {
		for _, to := range []string{database, "postgres"} { // the latter passes through
			answers := map[string]string{}
			for _, addr := range []string{g.server.opts.Upstream, g.addr} {
				c := dialRaw(t, addr)
				c.send(append(hello(to), sent...))
				if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(name, "big") {
					time.Sleep(100 * time.Millisecond) // the client is slow
				}
				answers[addr] = heard(t, c)
				_ = c.Close()
			}
			if through, directly := answers[g.addr], answers[g.server.opts.Upstream]; through != directly {
				t.Errorf("%s, %s: the answers are %.100s, directly %.100s", name, to, through, directly)
			}
		}
	}
	eventually(t, "the sessions are gone", func() bool { return open(g.server) == 0 })
}

// open is how many sessions there are, passed through or not.
func open(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// A client that goes away, idle or in a transaction, takes its backend with it;
// in a query it does when the query ends, as without pgjanus.
func TestAClientThatGoesAwayEndsItsSession(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	for name, sent := range map[string]string{
		"idle": "Query SELECT 1", "in a transaction": "Query BEGIN", "in a query": "Query SELECT pg_sleep(0.5)",
		"in COPY": "Query COPY t FROM STDIN", "in a batch": "Parse '' SELECT 1 | Bind '' ''",
	} {
		for _, how := range []string{"FIN", "RST"} {
			c := g.raw()
			c.send(hello(parse(t, direct).Database))
			c.converse(1, "Flush")
			c.send(encodeClient(t, sent))
			time.Sleep(20 * time.Millisecond)
			if how == "RST" {
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
			}
			begin := time.Now()
			_ = c.Close()
			eventually(t, name+": the session is gone", func() bool { return open(g.server) == 0 })
			eventually(t, name+": the backend is gone", func() bool {
				return pgtest.Value[int](t, direct, "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()") == 0
			})
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s, %s: it took %v", name, how, took)
			}
		}
	}
}

// A server that never answers does not keep a login waiting for longer than it may.
func TestAHalfClosedLoginEndsInTime(t *testing.T) {
	upstream := fakeUpstream(t, func(conn net.Conn) {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.CopyN(io.Discard, conn, 1)
		time.Sleep(time.Second)
	})
	g := newGate(t, Options{Upstream: upstream, Database: "app", LoginTimeout: 200 * time.Millisecond})
	c := g.raw()
	c.send(hello("app"))
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	c.rest()
	if took := time.Since(begin); took > 900*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	eventually(t, "the session is gone", func() bool { return open(g.server) == 0 })
}
