package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rewrite"
)

// seeds returns both sides of every session of the wire scripts.
func seeds(f *testing.F) (client, server [][]byte) {
	f.Helper()
	files, err := filepath.Glob("testdata/wire/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no wire scripts", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for block := range strings.SplitSeq(string(text), "\nscript") {
			block, _, _ = strings.Cut(block, "\n----")
			var c, s []byte
			for line := range strings.Lines(block) {
				line = strings.TrimSuffix(line, "\n")
				if text, ok := strings.CutPrefix(line, "client: "); ok {
					c = append(c, encodeClient(f, text)...)
				}
				if text, ok := strings.CutPrefix(line, "server: "); ok {
					s = append(s, encodeServer(f, text)...)
				}
			}
			client, server = append(client, c), append(server, s)
		}
	}
	return client, server
}

// goldens returns what a client sends for the SQL of each plan golden: a Query,
// and the messages of the extended protocol.
func goldens(f *testing.F) [][]byte {
	f.Helper()
	files, err := filepath.Glob("../rewrite/testdata/plans/*/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no goldens", err)
	}
	var all [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for block := range strings.SplitSeq("\n"+string(text), "\nplan") {
			_, block, _ = strings.Cut(block, "\n")
			sql, _, ok := strings.Cut(block, "\n----")
			if !ok {
				continue
			}
			var sent []byte
			for _, m := range []pgproto3.FrontendMessage{
				&pgproto3.Query{String: sql}, &pgproto3.Parse{Name: "s", Query: sql}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
				&pgproto3.Bind{PreparedStatement: "s", ResultFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Sync{},
			} {
				if sent, err = m.Encode(sent); err != nil {
					f.Fatal(err)
				}
			}
			all = append(all, sent)
		}
	}
	return all
}

// fed is what became of bytes that were fed to one side.
type fed struct {
	out      []byte
	consumed int
	failed   bool
}

// feedSlices feeds data in slices of that size, as a driver does.
func feedSlices(t *testing.T, data []byte, slice int, core func([]byte, *batch) (int, need, error)) fed {
	t.Helper()
	var f fed
	var out batch
	for have := 0; have < len(data); {
		have = min(len(data), have+slice)
		n, want, err := core(data[f.consumed:have], &out)
		for _, seg := range out.segments() {
			f.out = append(f.out, seg...)
		}
		if n < 0 || n > have-f.consumed {
			t.Fatalf("consumed %d of %d", n, have-f.consumed)
		}
		f.consumed += n
		if err != nil {
			f.failed = true
			return f
		}
		if want.wait {
			return f // for an answer
		}
		if left := have - f.consumed; want.bytes > maxFrame+headerSize || (left > 0 && want.bytes <= left) {
			t.Fatalf("wants %d bytes and has %d", want.bytes, left)
		}
	}
	return f
}

// fuzzCore returns a maker of cores after login that share planner and metrics.
func fuzzCore(f *testing.F, changes ...func(*catalog.Snapshot)) func() *core {
	planner, metrics := canonical(f, "dualwrite", 7, changes...), NewMetrics(prometheus.NewRegistry())
	login := encodeServer(f, "AuthenticationOk | ReadyForQuery I")
	return func() *core {
		c := newCore(func() *rewrite.Planner { return planner }, coreLimits{statement: 1024, login: maxLoginMessage}, metrics)
		var out batch
		if _, _, err := c.server(login, &out); err != nil {
			panic(err)
		}
		return c
	}
}

func compare(t *testing.T, side string, whole, sliced fed) {
	t.Helper()
	if whole.failed != sliced.failed || !bytes.Equal(whole.out, sliced.out) || (!whole.failed && whole.consumed != sliced.consumed) {
		t.Fatalf("%s: whole %+v\nsliced %+v", side, whole, sliced)
	}
}

// FuzzCoreClient: whatever a client sends, in whatever slices, the same goes to
// the server, and never more is taken than was given.
func FuzzCoreClient(f *testing.F) {
	clients, _ := seeds(f)
	for i, c := range clients {
		f.Add(c, byte(i))
	}
	for i, sent := range goldens(f) {
		f.Add(sent, byte(i))
	}
	after := fuzzCore(f)
	f.Fuzz(func(t *testing.T, data []byte, slice byte) {
		compare(t, "client", feedSlices(t, data, len(data)+1, after().client), feedSlices(t, data, int(slice)+1, after().client))
	})
}

// FuzzCoreServer: the same for the server's side, behind what a client sent.
func FuzzCoreServer(f *testing.F) {
	clients, servers := seeds(f)
	for i, c := range clients {
		f.Add(c, servers[i], byte(i))
	}
	after := fuzzCore(f)
	f.Fuzz(func(t *testing.T, client, server []byte, slice byte) {
		a, b := after(), after()
		compare(t, "client", feedSlices(t, client, len(client)+1, a.client), feedSlices(t, client, int(slice)+1, b.client))
		compare(t, "server", feedSlices(t, server, len(server)+1, a.server), feedSlices(t, server, int(slice)+1, b.server))
	})
}

// scriptedConn reads from a slice, at most slice bytes at once.
type scriptedConn struct {
	net.Conn
	in    *bytes.Reader
	slice int
	out   bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error)  { return c.in.Read(p[:min(len(p), c.slice)]) }
func (c *scriptedConn) Write(p []byte) (int, error) { return c.out.Write(p) }

// FuzzStartup: the first packet is read without going past its end, and kept
// byte for byte.
func FuzzStartup(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x04\xd2\x16\x30\x00\x00\x00\x13\x00\x03\x00\x00user\x00me\x00\x00"), byte(0))
	f.Add([]byte("\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02"), byte(3))
	f.Add([]byte("\x16\x03\x01"), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, slice byte) {
		conn := &scriptedConn{in: bytes.NewReader(data), slice: int(slice) + 1}
		first, err := readStartup(conn)
		if err != nil {
			if first != nil || !(errors.Is(err, errProtocol) || errors.Is(err, errDirectTLS) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
				t.Fatalf("%v %v", first, err)
			}
			return
		}
		taken := data[:len(data)-conn.in.Len()]
		if !bytes.HasSuffix(taken, first.raw) || len(taken) != len(first.raw)+8*conn.out.Len() {
			t.Fatalf("took %q, kept %q, answered %q", taken, first.raw, conn.out.Bytes())
		}
		_, _ = first.database(), first.replication()
	})
}
