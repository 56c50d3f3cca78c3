package proxy

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// canonical returns the planner of the three canonical migrations in a phase.
func canonical(t testing.TB, phase string, epoch uint64, changes ...func(*catalog.Snapshot)) *rewrite.Planner {
	t.Helper()
	data, err := os.ReadFile("../rewrite/testdata/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	var snap catalog.Snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(&snap)
	}
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules(phase)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rewrite.Compile(set, &snap, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ownRows is the condition that a row is one of the table itself.
var ownRows = regexp.MustCompile(`CASE WHEN "\w+"\.tableoid OPERATOR\(pg_catalog\.=\) '"public"\."\w+"'::pg_catalog\.regclass THEN (.*?) ELSE false END`)

// triggered gives orders a trigger of the user, so that its syncs run behind
// the statements and not inside them.
func triggered(s *catalog.Snapshot) {
	orders := s.Tables[catalog.Name{Schema: "public", Name: "orders"}]
	orders.Triggers = append(orders.Triggers, catalog.Trigger{Name: "audit", Row: true, Insert: true, Update: true})
}

// TestWireScripts runs testdata/wire/*.txt through the core. Each block is a
// session of its own, after login, under phase dualwrite, epoch 7. Syncs run
// behind the statements, or, with the argument by-row, inside them. With namesake
// another schema has orders, too.
//
//	client: MESSAGE | MESSAGE   what the client writes at once
//	server: MESSAGE | MESSAGE   what the server writes at once
//	rules PHASE EPOCH           other rules are in force from here on
//	state                       what the core knows
//
// Below each line stands what goes to the server (>) and to the client (<);
// what is swallowed leaves no trace, what is injected has no cause. See
// wire_encode_test.go for the messages. "script raw" begins before login,
// and max=N is the longest text that is parsed.
func TestWireScripts(t *testing.T) {
	planners := map[string]*rewrite.Planner{} // by what they are made for
	datadriven.Walk(t, "testdata/wire", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			whole := runScript(t, d, 1<<20, planners)
			if sliced := runScript(t, d, 1, planners); sliced != whole {
				d.Fatalf(t, "fed byte by byte it says\n%s\ninstead of\n%s", sliced, whole)
			}
			return whole
		})
	})
}

// script is one session of a wire script.
type script struct {
	t       testing.TB
	core    *core
	planner *rewrite.Planner // in force
	first   *rewrite.Planner // has every sync; they are the same in every epoch
	plan    func(phase string, epoch uint64) *rewrite.Planner
	slice   int    // most bytes per feed
	pending []byte // of the client, while it has to wait
	out     strings.Builder
}

func newScript(t testing.TB, slice int, plan func(phase string, epoch uint64) *rewrite.Planner) *script {
	s := &script{t: t, slice: slice, planner: plan("dualwrite", 7), plan: plan}
	s.first = s.planner
	s.core = newCore(func() *rewrite.Planner { return s.planner },
		coreLimits{statement: 4096, login: maxLoginMessage}, NewMetrics(prometheus.NewRegistry()))
	return s
}

// anew makes a planner each time.
func anew(t testing.TB) func(phase string, epoch uint64) *rewrite.Planner {
	return func(phase string, epoch uint64) *rewrite.Planner { return canonical(t, phase, epoch) }
}

func runScript(t *testing.T, d *datadriven.TestData, slice int, planners map[string]*rewrite.Planner) string {
	t.Helper()
	changes := []func(*catalog.Snapshot){triggered}
	if d.HasArg("by-row") {
		changes = nil
	}
	if d.HasArg("namesake") { // another schema has orders, too
		changes = append(changes, func(s *catalog.Snapshot) { s.Namesakes["orders"] = []string{"archive", "public"} })
	}
	s := newScript(t, slice, func(phase string, epoch uint64) *rewrite.Planner {
		made := fmt.Sprint(phase, " ", epoch, d.HasArg("by-row"), d.HasArg("namesake"))
		if planners[made] == nil {
			planners[made] = canonical(t, phase, epoch, changes...)
		}
		return planners[made]
	})
	d.MaybeScanArgs(t, "max", &s.core.env.MaxBytes)
	if !d.HasArg("raw") {
		s.server(encodeServer(t, "AuthenticationOk | ReadyForQuery I"))
		s.out.Reset()
	}
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintln(&s.out, line)
		s.line(d, line)
	}
	return s.out.String()
}

func (s *script) line(d *datadriven.TestData, line string) {
	s.t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "client:":
		s.client(encodeClient(s.t, rest))
	case "server:":
		s.server(encodeServer(s.t, rest))
	case "rules":
		var phase string
		var epoch uint64
		if _, err := fmt.Sscan(rest, &phase, &epoch); err != nil {
			d.Fatalf(s.t.(*testing.T), "%s: %v", line, err)
		}
		s.planner = s.plan(phase, epoch)
	case "state":
		c := s.core
		fmt.Fprintf(&s.out, "    epoch %d, %d expected, status %c, skipping %v, copying %v, boundary %v, %d statements\n",
			c.planner.Epoch(), c.queue.len(), c.status, c.skipping, c.copying, c.boundary(), len(c.statements.last))
	case "#", "":
	default:
		d.Fatalf(s.t.(*testing.T), "unknown line %q", line)
	}
}

// feed is what the driver of one side does.
func (s *script) feed(in []byte, to byte, core func([]byte, *batch) (int, need, error)) (rest []byte) {
	var sent, buf []byte
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(&s.out, "    panic: %v\n", r)
		}
		s.print(to, sent)
	}()
	for len(in) > 0 {
		k := min(s.slice, len(in))
		buf, in = append(buf, in[:k]...), in[k:]
		var out batch
		n, want, err := core(buf, &out)
		for _, seg := range out.segments() {
			sent = append(sent, seg...)
		}
		buf = buf[n:]
		if err != nil {
			defer fmt.Fprintf(&s.out, "    error: %v\n", err)
			return nil
		}
		if want.wait {
			return append(buf, in...)
		}
	}
	if len(buf) > 0 {
		defer fmt.Fprintf(&s.out, "    %d bytes are not dealt with\n", len(buf))
	}
	return nil
}

func (s *script) client(in []byte) {
	if s.pending = s.feed(append(s.pending, in...), '>', s.core.client); s.pending != nil {
		fmt.Fprintln(&s.out, "    the client waits")
	}
}

func (s *script) server(in []byte) {
	s.feed(in, '<', s.core.server)
	select {
	case <-s.core.drained:
		if s.pending != nil {
			s.client(nil)
		}
	default:
	}
}

func (s *script) print(to byte, sent []byte) {
	for len(sent) > 0 {
		size := 0
		if len(sent) >= headerSize {
			size = frameSize(sent)
		}
		if size == 0 || size > len(sent) {
			fmt.Fprintf(&s.out, "  %c a part of a message: %q\n", to, sent)
			return
		}
		text := clientText(sent[:size])
		if to == '<' {
			text = serverMessageText(sent[:size])
		}
		fmt.Fprintf(&s.out, "  %c %s\n", to, s.shorten(text))
		sent = sent[size:]
	}
}

// shorten names what is long and the same everywhere.
func (s *script) shorten(text string) string {
	for _, m := range s.first.Migrations() {
		for _, row := range []string{`"orders"`, `"users"`, `"counters"`} {
			text = strings.ReplaceAll(text, m.Record(row), "<record of "+row+">")
		}
		for _, f := range m.Functions() {
			text = strings.ReplaceAll(text, f.Name, f.Name[:len(f.Name)-len(` 01234567"`)]+`"`)
		}
	}
	for _, env := range []rewrite.Env{{}, {Shadowed: true}} {
		if q := s.first.Plan([]byte("DROP TABLE orders"), env).Ask; q != nil {
			text = strings.ReplaceAll(text, q.SQL, "<question>")
		}
	}
	return strings.ReplaceAll(ownRows.ReplaceAllString(text, "$1"), "\n", `\n`)
}
