package test

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
)

// The differential engine: random streams of statements against a database that
// knows nothing of a migration, and against one behind a proxy in which the
// migration is in dualwrite. Every reply must be the same byte for byte, and so
// must the old tables; and both shapes must agree at the end. What may
// differ is in pair_test.go, and CONTRIBUTING.md lists it.

const (
	diffSessions = 4
	diffSteps    = 40
)

// step is what a session sends before it waits for the answers.
type step struct {
	template string // or what it does to the transaction
	text     string // for people
	messages []pgproto3.FrontendMessage
	copy     []byte
	copySync bool
	outcome  string // of the first statement, as planned
}

// tally counts what ran, over all rounds.
type tally struct {
	ran, rewritten map[string]int
	compared       int
	version        int // of the server
}

func TestRandomStatementsAreAnsweredAsWithoutPgjanus(t *testing.T) {
	t.Parallel()
	duration, seed := time.Minute, time.Now().UnixNano()
	if v := os.Getenv("PGJANUS_DIFF"); v != "" {
		var err error
		if duration, err = time.ParseDuration(v); err != nil {
			t.Fatalf("PGJANUS_DIFF: %v", err)
		}
	}
	if v := os.Getenv("PGJANUS_SEED"); v != "" {
		if _, err := fmt.Sscan(v, &seed); err != nil {
			t.Fatalf("PGJANUS_SEED: %v", err)
		}
		duration = 0
	}
	total := &tally{ran: map[string]int{}, rewritten: map[string]int{}}
	rounds := 0
	for start := time.Now(); rounds == 0 || time.Since(start) < duration; rounds++ {
		round := seed + int64(rounds)
		w := newWorld(rand.New(rand.NewSource(round)))
		if !t.Run(fmt.Sprint(round), func(t *testing.T) { diffRound(t, w, round, total) }) {
			t.Fatalf("again: PGJANUS_SEED=%d go test ./test -run RandomStatements", round)
		}
	}
	t.Logf("seed %d: %d rounds, %d replies compared", seed, rounds, total.compared)
	if rounds < len(templates)/4 {
		return // too few to have had every template
	}
	for _, tp := range templates {
		switch {
		case total.version < tp.since:
		case total.ran[tp.name] == 0:
			t.Errorf("template %q never ran", tp.name)
		case tp.writes && total.rewritten[tp.name] == 0:
			t.Errorf("template %q was never rewritten", tp.name)
		}
	}
}

// diffRound plays one world: first each session with keys of its own, every
// reply compared; then all sessions with the same keys, through pgjanus alone.
func diffRound(t *testing.T, w *world, seed int64, total *tally) {
	plain, g := pgtest.Database(t), &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, plain, diffFunctions, w.old)
	pgtest.Exec(t, g.direct, diffFunctions, w.old, w.expand)
	g.serve()
	g.use(w.rules)
	total.version = g.planner.Snapshot().Version

	streams := make([][]step, diffSessions)
	for i := range streams {
		streams[i] = newStream(w, g.planner, rand.New(rand.NewSource(seed*31+int64(i))), 1000*i)
	}
	type pairOfWires struct{ plain, through *wire }
	wires := make([]pairOfWires, diffSessions)
	for i := range wires {
		wires[i] = pairOfWires{dialWire(t, plain), dialWire(t, g.dsn)}
		wires[i].plain.names(plain)
		wires[i].through.names(g.direct)
	}
	var running sync.WaitGroup
	for i, stream := range streams {
		running.Add(1)
		go func() {
			defer running.Done()
			for n, s := range stream {
				if d := differs(wires[i].plain.play(s), wires[i].through.play(s)); d != "" {
					t.Errorf("world: %s\nsession %d, step %d (%s): %s\n%s\nthe steps since its transaction began:\n%s", w.name, i, n, s.template, s.text, d, since(stream, n))
					return
				}
			}
		}()
	}
	running.Wait()
	for _, stream := range streams {
		for _, s := range stream {
			total.ran[s.template]++
			total.compared++
			if s.outcome == "rewrite" || w.guarded && s.outcome == "pass" {
				total.rewritten[s.template]++
			}
		}
	}
	columns := strings.Join(w.visible, ", ")
	all := fmt.Sprintf("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY g, k), '') FROM (SELECT %s FROM %s) t", columns, w.table)
	if a, b := pgtest.Value[string](t, plain, all), pgtest.Value[string](t, g.direct, all); a != b {
		t.Errorf("world: %s\nthe old tables differ:\n%s\n---\n%s", w.name, a, b)
	}
	noDrift(t, w, g, "sessions with keys of their own")
	if t.Failed() {
		t.Logf("rules:\n%s\n%s\n%s", w.rules, w.old, w.expand)
		return
	}
	if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	knowing := newShape(w)
	var undone atomic.Bool // by a trigger: a watch sees that, and then the statement fails
	for i := range wires {
		running.Add(1)
		go func() {
			defer running.Done()
			for _, s := range newStream(w, g.planner, rand.New(rand.NewSource(seed*37+int64(i))), 0, knowing...) {
				if strings.Contains(strings.Join(wires[i].through.play(s), ""), "C27000") {
					undone.Store(true)
				}
			}
		}()
	}
	running.Wait()
	if undone.Load() && w.watched() {
		seen(t, g)
	}
	noDrift(t, w, g, "sessions with the same keys")
	if t.Failed() {
		t.Logf("rules:\n%s\n%s\n%s", w.rules, w.old, w.expand)
	}
}

const diffFunctions = `CREATE FUNCTION count_of(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'n is %', n; RETURN n; END $$`

func noDrift(t *testing.T, w *world, g *gate, when string) {
	t.Helper()
	conn := pgtest.Connect(t, g.direct)
	for _, m := range g.planner.Migrations() {
		result, err := migrate.Verify(context.Background(), conn, migrate.VerifyOptions{Planner: g.planner, Migration: m.Rule.Name})
		if err != nil {
			t.Fatal(err)
		}
		if result.Drift > 0 {
			t.Errorf("world: %s\nafter %s the shapes of %d keys disagree in %s: %v", w.name, when, result.Drift, m.Rule.Name, result.Keys)
		}
	}
	if w.watched() {
		if n := seen(t, g); n > 0 {
			t.Errorf("world: %s\nafter %s there was a false alarm", w.name, when)
		}
	}
}

// since returns the steps from the last transaction boundary up to n.
func since(stream []step, n int) string {
	from := n
	for from > 0 && stream[from].template != "BEGIN" && n-from < 12 {
		from--
	}
	var b strings.Builder
	for _, s := range stream[from : n+1] {
		fmt.Fprintf(&b, "  %s\n", s.text)
	}
	return b.String()
}

// play sends a step and returns the answers.
func (w *wire) play(s step) []string {
	w.copy, w.copySync = s.copy, s.copySync
	return w.say(s.messages...)
}

// newStream makes up what a session does with the keys from lo on.
// A third of it is of the templates knowing, if any.
func newStream(w *world, planner *rewrite.Planner, r *rand.Rand, lo int, knowing ...template) []step {
	var stream []step
	control := func(text string) {
		name, _, _ := strings.Cut(text, " ")
		stream = append(stream, step{template: name, text: text, messages: []pgproto3.FrontendMessage{&pgproto3.Query{String: text}}})
	}
	inside, savepoint := false, false
	for len(stream) < diffSteps {
		switch {
		case !inside && r.Intn(4) == 0:
			control("BEGIN" + pick(r, "", "", " ISOLATION LEVEL REPEATABLE READ"))
			inside, savepoint = true, false
		case inside && r.Intn(6) == 0:
			control(pick(r, "COMMIT", "COMMIT", "ROLLBACK"))
			inside = false
		case inside && !savepoint && r.Intn(5) == 0:
			control("SAVEPOINT a")
			savepoint = true
		case inside && savepoint && r.Intn(4) == 0:
			control(pick(r, "ROLLBACK TO a", "ROLLBACK TO a", "RELEASE a"))
		default:
			pool := templates
			if len(knowing) > 0 && r.Intn(3) == 0 {
				pool = knowing
			}
			stream = append(stream, newStep(w, planner, r, lo, pool))
		}
	}
	control("COMMIT")
	return stream
}

func newStep(w *world, planner *rewrite.Planner, r *rand.Rand, lo int, pool []template) step {
	mode := pick(r, "simple", "extended", "prepared", "pipeline")
	if mode != "pipeline" {
		return oneStep(w, planner, r, lo, pool, mode)
	}
	var all step
	for range 2 + r.Intn(3) {
		s := oneStep(w, planner, r, lo, pool, "extended")
		if _, ok := s.messages[0].(*pgproto3.Query); ok || s.copy != nil {
			continue
		}
		all.messages = append(all.messages, s.messages[:len(s.messages)-1]...)
		all.text += s.text + " | "
		all.template, all.outcome = s.template, s.outcome
	}
	all.messages = append(all.messages, &pgproto3.Sync{})
	return all
}

func oneStep(w *world, planner *rewrite.Planner, r *rand.Rand, lo int, pool []template, mode string) step {
	var tp template
	for {
		if tp = pool[r.Intn(len(pool))]; tp.only == nil || tp.only(w) {
			break
		}
	}
	movesRows := tp.name == "update of the key" && len(w.others) > 1 && strings.Contains(w.expand, "children") // to another partition
	version := planner.Snapshot().Version
	prepares := tp.name == "prepare" || tp.name == "prepare a name" || tp.name == "deallocate"
	if w.twin && prepares { // which is refused: EXECUTE reads the name again
		return oneStep(w, planner, r, lo, pool, mode)
	}
	if movesRows && version < 150000 || version < tp.since || tp.name == "merge" && version < 170000 && (!w.guarded || strings.Contains(w.old, "PARTITION BY")) {
		return oneStep(w, planner, r, lo, pool, mode)
	}
	if tp.simple {
		mode = "simple"
	}
	if len(w.others) > 0 && !tp.tableOnly && r.Intn(3) == 0 {
		other := *w
		other.table = pick(r, w.others...)
		w = &other
	}
	b := &draft{w: w, r: r, lo: lo, params: mode != "simple"}
	if r.Intn(4) == 0 {
		b.sql(pick(r, "/* é */ ", "-- x'\n", "  ", "/* a /* b */ */"))
	}
	tp.make(b)
	if r.Intn(4) == 0 {
		b.sql(pick(r, ";", " -- end", " /* x */ ;", "\n"))
	}
	s := step{template: tp.name, text: b.text.String()}
	plan := planner.Plan([]byte(s.text), rewrite.Env{})
	if plan.Ask != nil {
		plan = planner.Plan([]byte(s.text), rewrite.Env{Names: plan.Ask.Ours()})
	}
	s.outcome = plan.Outcome.String()
	if tp.copy != nil {
		s.copy = []byte(tp.copy(b))
	}
	if mode == "simple" {
		s.messages = []pgproto3.FrontendMessage{&pgproto3.Query{String: s.text}}
		return s
	}
	if tp.copy != nil {
		s.copySync = true // the server ignores the first one
		s.messages = []pgproto3.FrontendMessage{&pgproto3.Parse{Query: s.text}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}
		return s
	}
	name := ""
	if mode == "prepared" {
		h := fnv.New32()
		h.Write([]byte(s.text))
		name = fmt.Sprintf("s%d", h.Sum32()%8)
	}
	parse := &pgproto3.Parse{Name: name, Query: s.text}
	bind := &pgproto3.Bind{PreparedStatement: name, ResultFormatCodes: pick(r, nil, []int16{1})}
	typed := r.Intn(2) == 0
	for _, a := range b.args {
		oid := uint32(0)
		format := int16(0)
		param := a.text
		if typed {
			oid = a.oid
			if format = int16(r.Intn(2)); format == 1 && a.text != nil {
				param = a.binary
			}
		}
		parse.ParameterOIDs = append(parse.ParameterOIDs, oid)
		bind.Parameters = append(bind.Parameters, param)
		bind.ParameterFormatCodes = append(bind.ParameterFormatCodes, format)
		s.text += fmt.Sprintf(" [%s]", bytes.TrimSpace([]byte(a.literal)))
	}
	if name != "" {
		s.messages = append(s.messages, &pgproto3.Close{ObjectType: 'S', Name: name})
	}
	s.messages = append(s.messages, parse)
	if r.Intn(2) == 0 {
		s.messages = append(s.messages, &pgproto3.Describe{ObjectType: 'S', Name: name})
	}
	for range 1 + r.Intn(2)*len(name)/2 {
		s.messages = append(s.messages, bind)
		if r.Intn(2) == 0 {
			s.messages = append(s.messages, &pgproto3.Describe{ObjectType: 'P'})
		}
		if r.Intn(5) == 0 && (strings.HasPrefix(s.text, "SELECT") || !strings.Contains(s.text, "WITH") && strings.Contains(s.text, "RETURNING")) {
			s.messages = append(s.messages, &pgproto3.Execute{MaxRows: 1})
		}
		s.messages = append(s.messages, &pgproto3.Execute{})
	}
	s.messages = append(s.messages, &pgproto3.Sync{})
	return s
}
