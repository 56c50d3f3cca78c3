package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
)

// recorded is one statement as an application sent it.
type recorded struct {
	Source string    `json:"source"` // of the first line: what sent them
	SQL    string    `json:"sql"`
	Args   []*string `json:"args"` // in text; nil: by simple protocol
	// Refuse is set where pgjanus does not do it yet: a part of its message.
	Refuse string `json:"refuse,omitempty"`
}

// contexts are the ways in which each script is played.
var contexts = map[string]func(r recorded) []pgproto3.FrontendMessage{
	"as recorded": func(r recorded) []pgproto3.FrontendMessage {
		if r.Args == nil {
			return query(r.SQL)
		}
		return append(bindings(r, "", 0), &pgproto3.Sync{})
	},
	"simple": func(r recorded) []pgproto3.FrontendMessage { return query(r.interpolated()) },
	"prepared, binary results": func(r recorded) []pgproto3.FrontendMessage {
		return append(append([]pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'S', Name: "s"}}, bindings(r, "s", 1)...), &pgproto3.Sync{})
	},
	"pipelined between writes": func(r recorded) []pgproto3.FrontendMessage {
		if r.controls() {
			return query(r.SQL)
		}
		all := append(bindings(recorded{SQL: "UPDATE users SET is_active = NOT is_active WHERE id = 1"}, "", 0), bindings(r, "s", 0)...)
		all = append(all, bindings(recorded{SQL: "UPDATE public.orders SET items = items || '[]' WHERE id = 1 RETURNING id"}, "", 0)...)
		return append(all, &pgproto3.Sync{}, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
	},
	"in a savepoint that is rolled back, then again": func(r recorded) []pgproto3.FrontendMessage {
		if r.controls() {
			return query(r.SQL)
		}
		all := query("BEGIN")
		all = append(all, query("SAVEPOINT before")...)
		all = append(all, append(bindings(r, "", 0), &pgproto3.Sync{})...)
		all = append(all, query("SELECT 1 / 0")...)
		all = append(all, query("ROLLBACK TO before")...)
		all = append(all, append(bindings(r, "", 0), &pgproto3.Sync{})...)
		return append(all, query("COMMIT")...)
	},
}

func query(text string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Query{String: text}}
}

// bindings parses, binds and executes, without a Sync.
func bindings(r recorded, name string, format int16) []pgproto3.FrontendMessage {
	bind := &pgproto3.Bind{PreparedStatement: name, ResultFormatCodes: []int16{format}}
	for _, a := range r.Args {
		if a == nil {
			bind.Parameters = append(bind.Parameters, nil)
		} else {
			bind.Parameters = append(bind.Parameters, []byte(*a))
		}
	}
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: name, Query: r.SQL}, bind, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{},
	}
}

// controls reports whether it is about the transaction or the session.
func (r recorded) controls() bool {
	first, _, _ := strings.Cut(strings.TrimSpace(strings.ToUpper(r.SQL)), " ")
	switch strings.TrimRight(first, ";") {
	case "BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "SHOW", "TRUNCATE", "":
		return true
	}
	return strings.Count(strings.TrimRight(r.SQL, "; \n"), ";") > 0
}

// interpolated is the text with its parameters as literals.
func (r recorded) interpolated() string {
	text := r.SQL
	for i := len(r.Args); i > 0; i-- {
		literal := "NULL"
		if a := r.Args[i-1]; a != nil {
			literal = rewrite.Literal(*a)
		}
		text = strings.ReplaceAll(text, fmt.Sprintf("$%d", i), literal)
	}
	return text
}

// TestWhatORMsSend plays what ORMs have sent, in order, against a database
// without the migrations and through pgjanus.
func TestWhatORMsSend(t *testing.T) {
	files, err := filepath.Glob("corpus/testdata/orm/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	t.Parallel()
	statements := 0
	var rewritten atomic.Int64
	t.Run("recordings", func(t *testing.T) {
		for _, file := range files {
			script := readRecorded(t, file)
			statements += len(script)
			for name, messages := range contexts {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl")+"/"+name, func(t *testing.T) {
					t.Parallel()
					rewritten.Add(int64(playRecorded(t, script, name, messages)))
				})
			}
		}
	})
	if part := flag.Lookup("test.run").Value.String(); strings.Contains(part, "/") {
		return
	}
	if statements < 750 || rewritten.Load() < 5*250 {
		t.Errorf("only %d statements, of which %d were rewritten, in %d contexts", statements, rewritten.Load(), len(contexts))
	}
	t.Logf("%d statements in %d contexts, %d of them rewritten", statements, len(contexts), rewritten.Load())
}

func playRecorded(t *testing.T, script []recorded, context string, messages func(r recorded) []pgproto3.FrontendMessage) (rewritten int) {
	p := newPair(t, 0)
	for _, dsn := range []string{p.plain, p.gate.direct} {
		pgtest.Exec(t, dsn, "ALTER TABLE orders ALTER updated_at SET DEFAULT '2026-01-01 00:00Z'")
	}
	p.gate.phase("dualwrite") // with the default that has changed
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	for _, r := range script {
		plan := p.gate.planner.Plan([]byte(r.SQL), rewrite.Env{})
		if r.Refuse != "" {
			if plan.Refusal == nil || !strings.Contains(plan.Refusal.Error(), r.Refuse) {
				t.Errorf("%s is not refused with %q", r.SQL, r.Refuse)
			}
			continue
		}
		if plan.Outcome == rewrite.Rewrite {
			rewritten++
		}
		if d := differs(plain.say(messages(r)...), through.say(messages(r)...)); d != "" {
			t.Errorf("%s: %s: %s", context, r.interpolated(), d)
			return rewritten
		}
	}
	plain.say(query("ROLLBACK")...)
	through.say(query("ROLLBACK")...)
	for _, table := range []string{"orders", "users", "counters"} {
		columns := pgtest.Value[string](t, p.plain, "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE NOT attisdropped AND attnum > 0 AND attrelid = '"+table+"'::regclass")
		all := "SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY id), '') FROM (SELECT " + columns + " FROM " + table + ") t"
		if a, b := pgtest.Value[string](t, p.plain, all), pgtest.Value[string](t, p.gate.direct, all); a != b {
			t.Errorf("%s: %s differs:\n%s\n---\n%s", context, table, a, b)
		}
	}
	pgtest.Agree(t, p.gate.direct)
	return rewritten
}

func readRecorded(t *testing.T, file string) []recorded {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var script []recorded
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		if r.SQL != "" {
			script = append(script, r)
		}
	}
	return script
}
