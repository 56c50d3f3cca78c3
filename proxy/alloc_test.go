package proxy

import (
	"testing"
)

// TestNothingIsAllocatedPerForwardedFrame counts what the core allocates for
// traffic that no migration is about, once it is warm.
func TestNothingIsAllocatedPerForwardedFrame(t *testing.T) {
	for name, traffic := range map[string][2]string{
		"prepared": {
			"Bind '' s 1 | Describe P '' | Execute '' 0 | Sync",
			"BindComplete | RowDescription a b | DataRow 1 x | DataRow 2 y | CommandComplete SELECT 2 | ReadyForQuery I",
		},
		"named portal": {
			"Bind p s 1 | Execute p 10 | Close P p | Sync",
			"BindComplete | DataRow 1 x | PortalSuspended | CloseComplete | ReadyForQuery T",
		},
		"unnamed statement": {
			"Parse '' SELECT $1 | Bind '' '' 1 | Execute '' 0 | Sync",
			"ParseComplete | BindComplete | DataRow 1 | CommandComplete SELECT 1 | ReadyForQuery I",
		},
		"simple": {"Query SELECT * FROM staging", "RowDescription a | DataRow 1 | CommandComplete SELECT 1 | ReadyForQuery I"},
		"copy":   {"Query COPY t FROM STDIN", "CopyOut | CopyData x | CopyDone | CommandComplete COPY 1 | ReadyForQuery I"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, 1<<20, anew(t))
			s.server(encodeServer(t, "AuthenticationOk | ReadyForQuery I"))
			s.client(encodeClient(t, "Parse s SELECT a, b FROM staging WHERE id = $1 | Sync"))
			s.server(encodeServer(t, "ParseComplete | ReadyForQuery I"))
			client, server := encodeClient(t, traffic[0]), encodeServer(t, traffic[1])
			var toServer, toClient batch
			once := func() {
				if n, _, err := s.core.client(client, &toServer); n != len(client) || err != nil {
					t.Fatalf("client: %d of %d, %v", n, len(client), err)
				}
				toServer.segments()
				if n, _, err := s.core.server(server, &toClient); n != len(server) || err != nil {
					t.Fatalf("server: %d of %d, %v", n, len(server), err)
				}
				toClient.segments()
			}
			if allocs := testing.AllocsPerRun(1000, once); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}
