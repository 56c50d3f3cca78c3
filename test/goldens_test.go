package test

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// ways are the contexts in which each golden is played.
var ways = []struct {
	name  string
	query bool // by simple protocol alone
	fails int  // errors of its own
	make  func(r recorded) []pgproto3.FrontendMessage
}{
	{"simple", true, 0, func(r recorded) []pgproto3.FrontendMessage { return query(r.interpolated()) }},
	{"extended", false, 0, func(r recorded) []pgproto3.FrontendMessage {
		return append(bindings(r, "", 0), &pgproto3.Sync{})
	}},
	{"named, binary results", false, 0, func(r recorded) []pgproto3.FrontendMessage {
		return append(append(bindings(r, "s", 1), &pgproto3.Close{ObjectType: 'S', Name: "s"}), &pgproto3.Sync{})
	}},
	{"pipelined", false, 0, func(r recorded) []pgproto3.FrontendMessage {
		note, user := recorded{SQL: "UPDATE public.orders SET note = 'before' WHERE id = 1"}, recorded{SQL: "UPDATE public.users SET is_active = NOT is_active WHERE id = 2 RETURNING id"}
		all := append(bindings(note, "", 0), bindings(r, "", 0)...)
		all = append(append(all, bindings(user, "u", 0)...), bindings(r, "again", 0)...)
		return append(all, &pgproto3.Sync{}, &pgproto3.Close{ObjectType: 'S', Name: "again"}, &pgproto3.Sync{})
	}},
	{"in a savepoint that an error rolls back, then again", true, 1, func(r recorded) []pgproto3.FrontendMessage {
		one := query(r.SQL)
		if len(r.Args) > 0 {
			one = append(bindings(r, "", 0), &pgproto3.Sync{})
		}
		all := append(append(query("BEGIN"), query("SAVEPOINT before")...), one...)
		all = append(append(all, query("SELECT 1 / 0")...), query("ROLLBACK TO before")...)
		return append(append(all, one...), query("COMMIT")...)
	}},
}

// undone are the first words of what is rolled back, so that the next golden
// finds the same database; made is what else comes about.
var (
	made   = regexp.MustCompile(`(?i)^EXPLAIN ANALYZE CREATE|INTO (UNLOGGED )?made\b`)
	undone = []string{"CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "REINDEX", "CLUSTER", "SECURITY", "REFRESH"}
)

// planOnly are arguments of goldens that are about a setting of pgjanus, a session
// that has asked what names stand for, another version of the server, or tables
// that are partitioned or refer to others: names_test.go, merge_test.go,
// partition_test.go and truncate_test.go play the like.
var planOnly = regexp.MustCompile("max=|names=|shadowed|whole|version=|partitioned|refers")

// TestGoldensOnPostgres plays the SQL of every golden against a database
// without the migrations and through pgjanus: what a client hears must be the
// same, and the old tables, and there must be no drift. What knows the new shape
// is held against a database that has it, without pgjanus. A refusal must be the
// golden's, and nothing may have been executed.
func TestGoldensOnPostgres(t *testing.T) {
	t.Parallel()
	var count sync.Mutex
	played, answered := 0, 0
	outcomes := map[string]int{}
	t.Run("goldens", func(t *testing.T) {
		for args, all := range goldens(t) {
			if planOnly.MatchString(args) {
				continue
			}
			t.Run(strings.TrimSpace("plan"+args), func(t *testing.T) {
				t.Parallel()
				s := newTheatre(t, args)
				for _, g := range all {
					if strings.Contains(g.sql, "PREPARE TRANSACTION") {
						continue // its name is the server's, not the database's: the next test has it
					}
					if version := s.gate.planner.Snapshot().Version; strings.Contains(strings.ToUpper(g.sql), "MERGE") && (version < 150000 || version >= 170000) {
						continue // the goldens have the plans of 15 and 16: merge_test.go plays the others
					}
					times, without := s.play(g)
					count.Lock()
					outcomes[g.outcome]++
					played, answered = played+times, answered+without
					count.Unlock()
				}
			})
		}
	})
	if part := flag.Lookup("test.run").Value.String(); !strings.Contains(part, "/") && (outcomes["rewrite"] < 250 || answered < 3000) {
		t.Errorf("%v goldens, of which %d were executed without an error: this shows little", outcomes, answered)
	}
	t.Logf("%v goldens, played %d times in %d contexts, %d times without an error", outcomes, played, len(ways), answered)
}

func TestATransactionThatIsPreparedHasBothShapes(t *testing.T) {
	g := newGate(t, 3)
	g.phase("dualwrite")
	pgtest.Exec(t, g.dsn, "UPDATE orders SET items = items", "UPDATE users SET is_active = is_active", "UPDATE counters SET id = id")
	name := "'" + strings.ReplaceAll(t.Name(), "'", "") + "'"
	pgtest.Exec(t, g.dsn, "BEGIN", `UPDATE orders SET items = '[{"sku": "two"}]'`, "UPDATE users SET is_active = NOT is_active", "PREPARE TRANSACTION "+name)
	pgtest.Agree(t, g.direct)
	pgtest.Exec(t, g.dsn, "COMMIT PREPARED "+name)
	pgtest.Agree(t, g.direct)
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM order_items WHERE sku = 'two'"); n != 3 {
		t.Errorf("%d new rows, want 3", n)
	}
}

// play plays a golden in every context that it fits, and says in how many, and in how many of these without an error.
func (s *theatre) play(g golden) (played, answered int) {
	s.t.Helper()
	pinned, done := false, false
	defer func() {
		if !done {
			s.t.Logf("while %s was played: %s", g.pos, g.sql)
		}
	}()
	plain := s.before
	if g.knowsTheNewShape() {
		plain = s.after
	}
	s.reset(plain)
	r := recorded{SQL: g.sql}
	if strings.Contains(g.sql, "$1") {
		r.Args = plain.arguments(g.sql)
	}
	copies := g.begins("COPY") && strings.Contains(strings.ToUpper(g.sql), "STDIN")
	cursor := g.cursor()
	for _, way := range ways {
		if copies && !way.query && (way.name != "extended" || g.rows() == nil) {
			continue // where a server takes rows, nothing but they and a Sync may come behind Execute
		}
		s.reset(plain, s.through)
		for _, side := range []side{plain, s.through} { // a Sync that is sent ahead of the rows is not answered
			side.copy, side.copySync = g.rows(), way.name == "extended"
		}
		messages := way.make(r)
		if cursor != "" {
			messages = append(append(query(cursor), endless(messages)...), query("COMMIT")...)
		}
		if g.begins(undone...) || made.MatchString(g.sql) {
			messages = append(append(query("BEGIN"), endless(messages)...), query("ROLLBACK")...)
		}
		difference, errors := s.compare(g, plain, messages)
		if errors == way.fails {
			answered++
		}
		if reason := noticeable[s.world+" "+g.sql]; reason != "" {
			pinned = pinned || difference != ""
		} else if difference != "" {
			s.t.Errorf("%s, %s:\n%s\n%s", g.pos, way.name, r.interpolated(), difference)
			return played, answered
		}
		played++
	}
	if reason := noticeable[s.world+" "+g.sql]; reason != "" && !pinned {
		s.t.Errorf("%s: %s\nno client sees a difference: take it off the list", g.pos, g.sql)
	}
	done = true
	if answered == 0 && g.outcome != "refuse" {
		s.t.Logf("%s always ends with an error: %s", g.pos, g.sql)
	}
	return played, answered
}

// endless leaves COMMIT out.
func endless(messages []pgproto3.FrontendMessage) []pgproto3.FrontendMessage {
	return slices.DeleteFunc(slices.Clone(messages), func(m pgproto3.FrontendMessage) bool {
		q, ok := m.(*pgproto3.Query)
		return ok && q.String == "COMMIT"
	})
}

// compare says what a client, or who looks at the tables, sees of pgjanus, and how
// many errors there are without it.
func (s *theatre) compare(g golden, plain side, messages []pgproto3.FrontendMessage) (difference string, errors int) {
	s.t.Helper()
	shape := "SELECT fixture.old_shape()"
	heard := s.through.inTurn(messages)
	switch {
	case g.outcome == "refuse" && !strings.HasPrefix(g.error, "syntax error") && !strings.Contains(g.error, "what it stands for depends on"): // which is asked
		errors = -1
		want := "M" + g.error + "\x00"
		if g.hint != "" {
			want += "H" + g.hint + "\x00"
		}
		want = strconv.Quote(want)
		if !strings.Contains(strings.Join(heard, "\n"), want[1:len(want)-1]) {
			return fmt.Sprintf("is not refused with %s\nbut answered\n%s", want, strings.Join(heard, "\n")), errors
		}
		if plain.direct == s.after.direct {
			shape = "SELECT fixture.whole()"
		}
	default:
		said := plain.inTurn(messages)
		for _, line := range said {
			if strings.HasPrefix(line, `"E`) {
				errors++
			}
		}
		if d := differs(g.comparable(said), g.comparable(heard)); d != "" {
			return d, errors
		}
		if g.knowsTheNewShape() {
			shape = "SELECT 'what it writes is carried to the other shape'"
		}
	}
	if d := lacks(plain.value(shape), s.through.value(shape)); d != "" {
		return "the tables differ: " + d, errors
	}
	if n := s.through.value("SELECT (" + pgtest.DriftSQL() + ")::text"); s.active && n != "0" {
		return "the shapes of " + n + " keys disagree", errors
	}
	return "", errors
}

// lacks is what is in the tables of one side alone.
func lacks(plain, through string) string {
	if plain == through {
		return ""
	}
	a, b := strings.Split(plain, "\n"), strings.Split(through, "\n")
	only := func(a, b []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(a), func(line string) bool { return slices.Contains(b, line) }), "\n  ")
	}
	return "plain has\n  " + only(a, b) + "\nand behind pgjanus is\n  " + only(b, a)
}

// comparable drops what may differ: the costs and times that EXPLAIN shows, and
// the rows of who knows the new shape, from which pgjanus hides it in *.
func (g golden) comparable(heard []string) []string {
	hides := g.knowsTheNewShape() && !g.exposed()
	return slices.DeleteFunc(slices.Clone(heard), func(line string) bool {
		return (g.begins("EXPLAIN") || hides) && strings.HasPrefix(line, `"D`) || hides && strings.HasPrefix(line, "RowDescription")
	})
}

// inTurn is say, but waits for the answer to each Query: COPY FROM reads on.
func (s side) inTurn(messages []pgproto3.FrontendMessage) (heard []string) {
	s.t.Helper()
	limit := time.AfterFunc(20*time.Second, func() { s.conn.Close() }) // a reply that never comes
	defer limit.Stop()
	from := 0
	for i, m := range messages {
		if _, ok := m.(*pgproto3.Query); ok {
			heard = append(heard, s.say(messages[from:i+1]...)...)
			from = i + 1
		}
	}
	return append(heard, s.say(messages[from:]...)...)
}
