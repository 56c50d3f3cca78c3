package proxy

import (
	"bytes"
	"testing"

	"github.com/pgjanus/pgjanus/catalog"
)

// conversation feeds a core with what a client sends, in slices, and with what
// the server says, in four parts, as a driver does that waits when it is told to.
// It returns what went to either side.
func conversation(t *testing.T, c *core, client, server []byte, slice int) (toServer, toClient []byte) {
	t.Helper()
	var out batch
	at, have, failed := 0, 0, false
	feed := func() {
		for !failed {
			have = min(len(client), have+slice)
			n, want, err := c.client(client[at:have], &out)
			for _, seg := range out.segments() {
				toServer = append(toServer, seg...)
			}
			if n < 0 || n > have-at {
				t.Fatalf("consumed %d of %d", n, have-at)
			}
			at += n
			if failed = err != nil; want.wait || have == len(client) {
				return
			}
		}
	}
	var kept []byte
	feed()
	for i := range 4 {
		kept = append(kept, server[i*len(server)/4:(i+1)*len(server)/4]...)
		n, _, err := c.server(kept, &out)
		for _, seg := range out.segments() {
			toClient = append(toClient, seg...)
		}
		if err != nil {
			return toServer, toClient
		}
		kept = kept[n:]
		feed()
	}
	return toServer, toClient
}

// FuzzCoreNames: where names are asked about, whatever slices a client's bytes
// come in, the same goes to both sides.
func FuzzCoreNames(f *testing.F) {
	clients, servers := seeds(f)
	for i, c := range clients {
		f.Add(c, servers[i], byte(i))
	}
	after := fuzzCore(f, func(s *catalog.Snapshot) { s.Namesakes["orders"] = []string{"archive", "public"} })
	f.Fuzz(func(t *testing.T, client, server []byte, slice byte) {
		wholeServer, wholeClient := conversation(t, after(), client, server, len(client)+1)
		slicedServer, slicedClient := conversation(t, after(), client, server, int(slice)+1)
		if !bytes.Equal(wholeServer, slicedServer) || !bytes.Equal(wholeClient, slicedClient) {
			t.Fatalf("to the server\n%q\n%q\nto the client\n%q\n%q", wholeServer, slicedServer, wholeClient, slicedClient)
		}
	})
}
