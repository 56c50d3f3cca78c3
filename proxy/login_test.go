package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgserver"
	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestEncryptionRequestsAreAnsweredNoOnceEach(t *testing.T) {
	g, _ := postgresGate(t, Options{})
	for _, order := range [][]string{{sslRequest, gssRequest}, {gssRequest, sslRequest}, {sslRequest}, {}} {
		c := g.raw()
		for _, request := range order {
			c.send([]byte(request))
			if got := c.read(1); got != "N" {
				t.Errorf("%q is answered %q", request, got)
			}
		}
		c.send(startupPacket(version3, "user", "postgres", "database", g.server.opts.Database))
		if got := c.read(1); got != "R" {
			t.Errorf("the startup is answered %q", got)
		}
		_ = c.Close()
	}
	c := g.raw()
	c.send([]byte(sslRequest))
	c.read(1)
	c.send([]byte(sslRequest))
	wantError(t, c.rest(), "08P01")
}

// Postgres answers such a request like any, and takes the session behind it: that
// one must not get past the rules.
func TestAnEncryptionRequestOfAnotherLengthDoesNotGetPastTheRules(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	for _, request := range []string{"\x00\x00\x00\x0c" + sslRequest[4:] + "more", "\x00\x00\x00\x09" + gssRequest[4:] + "\x00"} {
		c := g.raw()
		c.send([]byte(request))
		if got := c.read(1); got != "N" {
			t.Errorf("%q is answered %q", request, got)
		}
		c.send(startupPacket(version3, "user", "postgres", "database", parse(t, direct).Database))
		if got := c.read(1); got != "R" {
			t.Errorf("the startup is answered %q", got)
		}
		if n := len(g.server.Sessions()); n != 1 {
			t.Errorf("behind %q, %d sessions are under the rules", request, n)
		}
		_ = c.Close()
		eventually(t, "the session has ended", func() bool { return len(g.server.Sessions()) == 0 })
	}
}

// Postgres 13 speaks version 2 of the protocol, whose messages have no length.
func TestOnlyVersion3IsLetThrough(t *testing.T) {
	noLeaks(t)
	g := newGate(t, Options{Upstream: "127.0.0.1:1", Database: "app"})
	for _, version := range []uint32{1 << 16, 2 << 16, 4 << 16, 1234<<16 | 5681} {
		c := g.raw()
		c.send(startupPacket(version, "user", "me", "database", "app"))
		wantError(t, c.rest(), "0A000")
	}
}

func TestABadClientEndsAlone(t *testing.T) {
	g, direct := postgresGate(t, Options{LoginTimeout: 500 * time.Millisecond})
	good := pgtest.Connect(t, g.dsn(parse(t, direct).Database))
	for name, send := range map[string]string{
		"garbage": "GET / HTTP/1.1\r\nHost: janus\r\n\r\n", "a huge packet": "\x7f\xff\xff\xff\x00\x03\x00\x00", "a tiny packet": "\x00\x00\x00\x01\x00\x03\x00\x00",
		"half a packet": "\x00\x00\x00\x50\x00\x03\x00\x00user\x00", "direct TLS": "\x16\x03\x01\x02\x00\x01\x00\x01", "nothing": "",
		"no user":         string(startupPacket(version3, "database", parse(t, direct).Database)),
		"a huge password": string(startupPacket(version3, "user", "postgres", "database", parse(t, direct).Database)) + "p\x3f\xff\xff\xff",
	} {
		c := g.raw()
		c.send([]byte(send))
		begin := time.Now()
		c.rest()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s holds its connection for %v", name, took)
		}
		var one int
		if err := good.QueryRow(context.Background(), "SELECT 1").Scan(&one); err != nil {
			t.Fatalf("after %s: %v", name, err)
		}
	}
}

func TestSlowBytesMayStillLogIn(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	c := g.raw()
	for _, b := range startupPacket(version3, "user", "postgres", "database", parse(t, direct).Database) {
		c.send([]byte{b})
	}
	if got := c.read(1); got != "R" {
		t.Errorf("answered %q", got)
	}
	_ = c.Close()
}

func TestTheStartupPacketIsForwardedByteForByte(t *testing.T) {
	for name, packet := range map[string][]byte{
		"version 3.2":        startupPacket(version3|2, "user", "me", "database", "app"),
		"a future version":   startupPacket(version3|9999, "user", "me", "_pq_.test", "1"),
		"unknown parameters": startupPacket(version3, "zzz", "1", "user", "me", "options", "-c a=b\\ c"),
		"duplicates":         startupPacket(version3, "user", "me", "database", "x", "database", "app", "user", "you"),
		"no terminator":      append(startupPacket(version3, "user", "me")[:8], 0),
		"replication":        startupPacket(version3, "user", "me", "replication", "true"),
	} {
		t.Run(name, func(t *testing.T) {
			binary.BigEndian.PutUint32(packet, uint32(len(packet)))
			got := make(chan []byte, 1)
			upstream := fakeUpstream(t, func(conn net.Conn) {
				b := make([]byte, len(packet))
				_, _ = io.ReadFull(conn, b)
				got <- b
			})
			g := newGate(t, Options{Upstream: upstream, Database: "app"})
			c := g.raw()
			c.send([]byte(sslRequest))
			c.read(1)
			c.send(packet)
			if b := <-got; !bytes.Equal(b, packet) {
				t.Errorf("got %q, want %q", b, packet)
			}
			c.rest()
		})
	}
}

func TestOtherDatabasesAndReplicationPassThrough(t *testing.T) {
	g, direct := postgresGate(t, Options{})
	ctx := context.Background()
	other := pgtest.Connect(t, g.dsn("postgres"))
	if _, err := other.Exec(ctx, "SELECT 'orders' AS orders"); err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"off", "fals", "N"} {
		first := startup{params: map[string]string{"replication": no}}
		if first.replication() {
			t.Errorf("replication=%s is taken for a replication connection", no)
		}
	}
	walsender, err := pgconn.Connect(ctx, g.dsn(parse(t, direct).Database)+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := walsender.Exec(ctx, "IDENTIFY_SYSTEM").ReadAll(); err != nil {
		t.Error(err)
	}
	if n := len(g.server.Sessions()); n != 0 {
		t.Errorf("%d sessions are under the rules", n)
	}
	if err := walsender.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestPasswordsAreRelayed(t *testing.T) {
	noLeaks(t)
	dir, err := os.MkdirTemp("", "pgjanus-hba")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	hba := filepath.Join(dir, "pg_hba.conf")
	text := "local all all trust\nhost all postgres all trust\nhost all old all md5\nhost all new all scram-sha-256\nhost all plain all password\n"
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(hba, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	pg, err := pgserver.Start(ctx, pgserver.Options{Settings: map[string]string{"hba_file": hba}})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Stop() //nolint:errcheck // a throw-away server
	pgtest.Exec(t, pg.DSN("postgres"), "SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'sec ret%'",
		"SET password_encryption = 'scram-sha-256'; CREATE ROLE new LOGIN PASSWORD 'sec ret%'; CREATE ROLE plain LOGIN PASSWORD 'sec ret%'")
	g := newGate(t, Options{Upstream: net.JoinHostPort("127.0.0.1", strconv.Itoa(pg.Port())), Database: "postgres"})
	for _, role := range []string{"old", "new", "plain"} {
		for password, want := range map[string]string{"sec ret%": "", "wrong": "28P01"} {
			config := parse(t, g.dsn("postgres"))
			config.User, config.Password = role, password
			conn, err := pgx.ConnectConfig(ctx, config)
			var pgErr *pgconn.PgError
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %v", role, err)
			case want != "" && !(errors.As(err, &pgErr) && pgErr.Code == want):
				t.Errorf("%s with a wrong password: %v", role, err)
			}
			if conn != nil {
				_ = conn.Close(ctx)
			}
		}
	}
}

func TestNoSessionWithoutRules(t *testing.T) {
	noLeaks(t)
	g := newGate(t, Options{Upstream: "127.0.0.1:1", Database: "app"})
	g.server.Use(nil)
	c := g.raw()
	c.send(startupPacket(version3, "user", "me", "database", "app"))
	wantError(t, c.rest(), "57P03")
}

// A client that knows several hosts goes to the next one, and pg_isready says that
// connections are rejected, only at 57P03 (PQconnectPoll and internal_ping in
// interfaces/libpq/fe-connect.c).
func TestAnUpstreamThatIsDownIsAnError(t *testing.T) {
	noLeaks(t)
	g := newGate(t, Options{Upstream: "127.0.0.1:1", Database: "app"})
	c := g.raw()
	c.send(startupPacket(version3, "user", "me", "database", "app"))
	wantError(t, c.rest(), "57P03")
}

func TestTooManySessions(t *testing.T) {
	g, direct := postgresGate(t, Options{MaxSessions: 1})
	database := parse(t, direct).Database
	first := pgtest.Connect(t, g.dsn(database))
	c := g.raw()
	c.send(startupPacket(version3, "user", "postgres", "database", database))
	wantError(t, c.rest(), "53300")
	if err := first.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place is free", func() bool { return len(g.server.Sessions()) == 0 })
	pgtest.Exec(t, g.dsn(database), "SELECT 1")
}

// A client that is turned away costs Postgres nothing: it is not connected to.
func TestTooManySessionsAreNotPostgresBusiness(t *testing.T) {
	accepted := make(chan net.Conn, 1)
	ended := make(chan struct{})
	addr := fakeUpstream(t, func(conn net.Conn) { accepted <- conn; <-ended })
	g := newGate(t, Options{Upstream: addr, Database: "app", MaxSessions: 1})
	first := g.raw()
	first.send(startupPacket(version3, "user", "me", "database", "app"))
	<-accepted
	eventually(t, "the session is open", func() bool { return len(g.server.Sessions()) == 1 })
	second := g.raw()
	second.send(startupPacket(version3, "user", "me", "database", "app"))
	wantError(t, second.rest(), "53300")
	close(ended)
	select {
	case <-accepted:
		t.Error("the server has got a second connection")
	case <-time.After(100 * time.Millisecond):
	}
}
