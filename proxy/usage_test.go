package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/usage"
)

// seenBy is a session in a phase whose statements are remembered.
func seenBy(t *testing.T, phase string) (*script, *usage.Table) {
	t.Helper()
	s, table := newScript(t, 1<<20, anew(t)), usage.New(usage.Options{})
	s.planner = canonical(t, phase, 8)
	s.core.seen, s.core.sender = table, &usage.Client{Application: "first", User: "me"}
	s.server(encodeServer(t, "AuthenticationOk | ReadyForQuery I"))
	return s, table
}

// told prints what the table has, one line a statement.
func told(table *usage.Table) string {
	var lines []string
	for _, s := range table.Report("").Statements {
		clients := make([]string, 0, len(s.Clients))
		for _, c := range s.Clients {
			clients = append(clients, fmt.Sprintf("%s/%s:%d", c.Application, c.User, c.Count))
		}
		lines = append(lines, fmt.Sprintf("%s %s %v %d [%s] %s", s.Migration, s.Outcome, s.Forecast, s.Count, strings.Join(clients, " "), s.Text))
	}
	return strings.Join(lines, "\n")
}

func TestExecutionsAreCountedNotPreparations(t *testing.T) {
	for name, c := range map[string]struct{ phase, client, server, want string }{
		"a statement prepared once": {
			"off",
			"Parse s UPDATE users SET is_active = $1 | Bind '' s t | Execute '' 0 | Bind '' s f | Execute '' 0 | Sync",
			"ParseComplete | BindComplete | CommandComplete UPDATE 1 | BindComplete | CommandComplete UPDATE 1 | ReadyForQuery I",
			"user-status rewrite true 2 [first/me:2] UPDATE users SET is_active = ?",
		},
		"a named portal": {
			"off", "Parse s SELECT id FROM users | Bind p s | Execute p 1 | Execute p 1 | Sync",
			"ParseComplete | BindComplete | DataRow 1 | PortalSuspended | DataRow 1 | PortalSuspended | ReadyForQuery T",
			"user-status pass true 2 [first/me:2] SELECT id FROM users",
		},
		"a statement only prepared": {
			"off", "Parse s MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE | Sync", "ParseComplete | ReadyForQuery I",
			"user-status refuse true 0 [] MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE",
		},
		"a Query": {
			"off", "Query DELETE FROM users WHERE email = 'x'", "CommandComplete DELETE 1 | ReadyForQuery I",
			"user-status pass true 1 [first/me:1] DELETE FROM users WHERE email = ?",
		},
		"PREPARE and EXECUTE": {
			"off", "Query PREPARE p AS UPDATE users SET is_active = $1 | Query EXECUTE p('t') | Parse '' EXECUTE p('f') | Bind '' '' | Execute '' 0 | Bind '' p f | Execute '' 0 | Sync",
			"CommandComplete PREPARE | ReadyForQuery I | CommandComplete UPDATE 1 | ReadyForQuery I | ParseComplete | BindComplete | CommandComplete UPDATE 1 | BindComplete | CommandComplete UPDATE 1 | ReadyForQuery I",
			"user-status rewrite true 3 [first/me:3] PREPARE p AS UPDATE users SET is_active = ?",
		},
		"a refused Parse": {
			"dualwrite", "Parse s MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE | Bind '' s | Execute '' 0 | Sync", "Error 42601 no | ReadyForQuery I",
			"user-status refuse false 1 [first/me:1] MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE",
		},
		"a refused Query": {
			"dualwrite", "Query MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE", "Error 42601 no | ReadyForQuery I",
			"user-status refuse false 1 [first/me:1] MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE",
		},
		"nothing of ours": {
			"off", "Query SELECT 'secret' FROM staging", "CommandComplete SELECT 1 | ReadyForQuery I", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, table := seenBy(t, c.phase)
			s.client(encodeClient(t, c.client))
			s.server(encodeServer(t, c.server))
			if got := told(table); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestTheApplicationNameFollowsTheServersReport(t *testing.T) {
	s, table := seenBy(t, "off")
	query := encodeClient(t, "Query SELECT 1 FROM users")
	done := encodeServer(t, "CommandComplete SELECT 1 | ReadyForQuery I")
	s.client(query)
	s.server(done)
	s.server(encodeServer(t, "ParameterStatus application_name second"))
	s.client(query)
	s.server(done)
	if got, want := told(table), "user-status pass true 2 [first/me:1 second/me:1] SELECT ? FROM users"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAPreparedStatementCountsUnderTheRulesOfItsExecution(t *testing.T) {
	s, table := seenBy(t, "off")
	s.client(encodeClient(t, "Parse s MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE | Sync"))
	s.server(encodeServer(t, "ParseComplete | ReadyForQuery I"))
	s.planner = canonical(t, "dualwrite", 9)
	s.client(encodeClient(t, "Bind '' s | Execute '' 0 | Sync"))
	if got, want := told(table), "user-status refuse false 1 [first/me:1] MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE\nuser-status refuse true 0 [] MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is counted is known by its plan, so a statement that is known costs no
// memory, whether or not a migration is concerned.
func TestNothingIsAllocatedForAKnownStatement(t *testing.T) {
	for name, traffic := range map[string][2]string{
		"unnamed": {
			"Parse '' SELECT id FROM users WHERE id = $1 | Bind '' '' 1 | Execute '' 0 | Sync",
			"ParseComplete | BindComplete | DataRow 1 | CommandComplete SELECT 1 | ReadyForQuery I",
		},
		"prepared":  {"Bind '' s 1 | Execute '' 0 | Sync", "BindComplete | CommandComplete UPDATE 1 | ReadyForQuery I"},
		"unrelated": {"Query SELECT * FROM staging", "RowDescription a | DataRow 1 | CommandComplete SELECT 1 | ReadyForQuery I"},
	} {
		t.Run(name, func(t *testing.T) {
			s, table := seenBy(t, "off")
			s.client(encodeClient(t, "Parse s UPDATE users SET is_active = $1 | Sync"))
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
			once()
			told(table) // learn what waits
			if allocs := testing.AllocsPerRun(1000, once); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}

func BenchmarkAKnownStatementIsCounted(b *testing.B) {
	for _, phase := range []string{"off", "not remembered"} {
		b.Run(phase, func(b *testing.B) {
			s, table := newScript(b, 1<<20, anew(b)), usage.New(usage.Options{})
			s.planner = canonical(b, "off", 8)
			if phase == "off" {
				s.core.seen = table
			}
			s.server(encodeServer(b, "AuthenticationOk | ReadyForQuery I"))
			client, server := encodeClient(b, "Query UPDATE users SET is_active = true"), encodeServer(b, "CommandComplete UPDATE 1 | ReadyForQuery I")
			var toServer, toClient batch
			for i := range b.N {
				_, _, _ = s.core.client(client, &toServer)
				toServer.segments()
				_, _, _ = s.core.server(server, &toClient)
				toClient.segments()
				if i == 0 {
					table.Report("")
				}
			}
		})
	}
}
