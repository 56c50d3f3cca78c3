package main

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedianIsTheMiddle(t *testing.T) {
	xs := []float64{9, 1, 5}
	if got := median(xs); got != 5 || xs[0] != 9 {
		t.Errorf("median = %v, xs = %v", got, xs)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four = %v", got)
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v", got)
	}
}

func rates(tps ...float64) *variant {
	v := &variant{}
	for _, x := range tps {
		v.Samples = append(v.Samples, sample{TPS: x, Transactions: 1})
	}
	return v
}

func TestRatioIsTakenWithinEachRound(t *testing.T) {
	// The machine halves its speed in round two; the ratio does not notice.
	if got := ratio(rates(90, 45, 80), rates(100, 50, 100)); got != 0.9 {
		t.Errorf("ratio = %v", got)
	}
}

func TestRatioToAFailureIsUnknown(t *testing.T) {
	bad := rates(1)
	bad.Err = errors.New("refused")
	for name, got := range map[string]float64{"failed": ratio(rates(1), bad), "absent": ratio(rates(1), nil), "not run": ratio(&variant{}, rates(1))} {
		if !math.IsNaN(got) {
			t.Errorf("%s: ratio = %v", name, got)
		}
	}
}

const pgbench15 = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
scaling factor: 10
query mode: prepared
number of clients: 16
number of threads: 2
maximum number of tries: 1
duration: 1 s
number of transactions actually processed: 49873
number of failed transactions: 0 (0.000%)
latency average = 0.318 ms
initial connection time = 13.113 ms
tps = 50331.250000 (without initial connection time)
`

func TestParsePgbenchReadsTheReport(t *testing.T) {
	got, err := parsePgbench(pgbench15)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sample{TPS: 50331.25, LatencyMS: 0.318, Transactions: 49873}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParsePgbenchTakesTheRateWithoutConnecting(t *testing.T) {
	got, err := parsePgbench("number of transactions actually processed: 10/20\nlatency average = 1.5 ms\n" +
		"tps = 9.0 (including connections establishing)\ntps = 10.0 (excluding connections establishing)\n")
	if err != nil || got.TPS != 10 || got.Transactions != 10 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParsePgbenchRefusesFailures(t *testing.T) {
	failing := strings.Replace(pgbench15, "failed transactions: 0", "failed transactions: 7", 1)
	for _, out := range []string{"", failing, strings.Replace(pgbench15, "tps = 50331", "tps = many", 1)} {
		if got, err := parsePgbench(out); err == nil {
			t.Errorf("no error, but %+v for\n%s", got, out)
		}
	}
}

func TestParseStatSkipsTheCommand(t *testing.T) {
	const stat = "42 (a ) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0"
	if got, ok := parseStat(stat); !ok || got != 2*time.Second {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := parseStat("nonsense"); ok {
		t.Error("nonsense was read")
	}
}

func TestCountSetsThousandsApart(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 999.4: "999", 1000: "1,000", 1234567: "1,234,567", math.NaN(): "-"} {
		if got := count(x); got != want {
			t.Errorf("count(%v) = %q, want %q", x, got, want)
		}
	}
}

func TestScriptsSpellLiteralsOrVariables(t *testing.T) {
	f := filling(1, literal)
	if f.Items != `'[{"sku": "sku-1-0", "qty": 2, "price_cents": 100}, {"sku": "sku-1-1", "qty": 3, "price_cents": 101}, {"sku": "sku-1-2", "qty": 4, "price_cents": 102}]'` {
		t.Error(f.Items)
	}
	if f.Active != "false" || f.Status != "'disabled'" {
		t.Error(f.Active, f.Status)
	}
	seen := make(map[string]bool)
	for _, b := range bindings() {
		if seen[b.name] {
			t.Errorf("variable %s is bound twice", b.name)
		}
		seen[b.name] = true
	}
	if !seen["items7"] || !seen["row2_0sku"] {
		t.Error("a variable is missing")
	}
}

func TestOnlyPicksGroupsByName(t *testing.T) {
	o, err := parseOptions([]string{"-only", "^dual/.*/prepared", "-quick"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	groups := o.pick(plan(o.Routes, o.Quick))
	if len(groups) != 3 {
		t.Errorf("%d groups", len(groups))
	}
	if o.Seconds != 1 || o.Limit != 3*time.Minute {
		t.Errorf("quick means %d s and %v", o.Seconds, o.Limit)
	}
}

func TestRivalsGoDirectlyWithoutPgBouncer(t *testing.T) {
	for _, g := range plan([]string{direct, pgjanus}, true) {
		if g.Table != dualWrite {
			continue
		}
		if v := g.find(byTrigger); v == nil || v.Route != direct {
			t.Errorf("%s: the trigger is reached by %+v", g.name(), v)
		}
		if g.find(byTriggerNo) != nil {
			t.Errorf("%s: the direct reference is there twice", g.name())
		}
	}
}

func TestGoalsJudgeOnlyWhatWasMeasured(t *testing.T) {
	g := &group{Table: dualWrite, Work: "insert", Protocol: "prepared", Clients: 4}
	janus, trigger := rates(80), rates(100)
	janus.Name, trigger.Name = byPgjanus, byTrigger
	g.Variants = []*variant{janus, trigger}
	got := goals([]*group{g})
	if len(got) != 1 || got[0].Met || got[0].Got != 0.8 {
		t.Errorf("%+v", got)
	}
}

func TestBadFlagsNameTheWayOut(t *testing.T) {
	for _, args := range [][]string{{"-routes", "odyssey"}, {"-only", "("}, {"-rounds", "0"}, {"select"}} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

func TestTablesShowFailuresAndGaps(t *testing.T) {
	insert := &group{Table: dualWrite, Work: "insert", Protocol: "prepared", Clients: 4}
	trigger, janus := rates(1000, 2000), &variant{Name: byPgjanus, Err: errors.New("refused")}
	trigger.Name = byTrigger
	insert.Variants = []*variant{trigger, janus}
	rep := newReport(facts{}, options{Seconds: 1}, 2, []*group{insert})

	var out strings.Builder
	if err := rep.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1,500", "failed", "-"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "pass-through") {
		t.Error("an empty table is printed")
	}
	if err := rep.failed(); err == nil || err.Error() != "refused" {
		t.Errorf("failed = %v", err)
	}
	if err := rep.save(t.TempDir() + "/r.json"); err != nil {
		t.Errorf("figures that are unknown cannot be saved: %v", err)
	}
}
