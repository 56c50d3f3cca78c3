package live

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// having returns a table in which the texts were executed while every
// migration of the canon was off.
func having(t *testing.T, texts ...string) func(*fake) {
	t.Helper()
	data, err := os.ReadFile("../../rewrite/testdata/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	var snap catalog.Snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("off")))
	if err != nil {
		t.Fatal(err)
	}
	planner, err := rewrite.Compile(set, &snap, 1)
	if err != nil {
		t.Fatal(err)
	}
	table := usage.New(usage.Options{})
	for _, text := range texts {
		table.Saw(planner, planner.Plan([]byte(text), rewrite.Env{}), &usage.Client{}, usage.Executed)
	}
	return func(f *fake) { f.table = table }
}

func strictly(prepare func(*fake)) func(*fake) {
	return func(f *fake) { prepare(f); f.strict = true }
}

const (
	mergeUsers  = "MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE"
	mergeOrders = "MERGE INTO orders USING t ON orders.id = t.id WHEN MATCHED THEN DELETE"
)

const mergeSeen = "user-status: MERGE was seen within the last 1h0m0s and would be refused: MERGE to public.users "

func TestAFlipWarnsOfRefusedStatementsSeenLately(t *testing.T) {
	b := start(t, inPhase("off"), having(t, mergeUsers, mergeOrders, "UPDATE users SET is_active = true"))
	b.until("ready", ready)
	b.write(inPhase("dualwrite"))
	report, err := b.Reload(context.Background(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(report.Warnings, "\n"); !strings.HasPrefix(got, mergeSeen) || len(report.Warnings) != 1 {
		t.Errorf("warnings\n%s\nwant\n%s", got, mergeSeen)
	}
	if n := b.logs.FilterMessage("statements that were seen lately are refused from now on").Len(); n != 1 {
		t.Errorf("%d lines warn, want 1", n)
	}
}

func TestOtherStepsDoNotWarn(t *testing.T) {
	b := start(t, inPhase("dualwrite"), strictly(having(t, mergeUsers)))
	b.until("ready", ready) // nothing is known at the start
	b.write(inPhase("off"))
	s := b.until("off", func(s State) bool { return s.Epoch == 2 })
	if len(s.Problems) != 0 {
		t.Errorf("problems %v", s.Problems)
	}
	if n := b.logs.FilterMessage("statements that were seen lately are refused from now on").Len(); n != 0 {
		t.Errorf("%d lines warn", n)
	}
}

func TestAStrictFlipIsRefusedAndStaysSoWhenItIsTriedAgain(t *testing.T) {
	b := start(t, inPhase("off"), strictly(having(t, mergeUsers)))
	b.until("ready", ready)
	b.write(inPhase("dualwrite"))
	s := b.until("rejected", func(s State) bool { return len(s.Problems) > 0 && b.logs.FilterMessageSnippet(rulesRejected).Len() > 0 }) // the log follows
	if s.Epoch != 1 || !strings.HasPrefix(s.Problems[0], b.file+":3:12: "+mergeSeen) || !strings.Contains(s.Problems[0], "pgjanus usage user-status") {
		t.Errorf("state %+v", s)
	}
	before := b.logs.FilterMessageSnippet(rulesRejected).Len()
	b.set(func(f *fake) { f.print = "2" }) // a look at the catalog tries again
	b.until("followed", func(s State) bool { return s.Epoch == 2 })
	if s := b.State(); s.Set.Migrations[0].Phase != rules.Off || b.logs.FilterMessageSnippet(rulesRejected).Len() != before {
		t.Errorf("state %+v, logs %v", s, b.logs.All())
	}

	report, err := b.ReloadWith(context.Background(), "test", Lenient)
	if err != nil || report.Epoch != 3 || len(report.Warnings) != 1 {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestAStrictRequestStaysStrictWhenItIsTriedAgain(t *testing.T) {
	b := start(t, inPhase("off"), having(t, mergeUsers))
	b.until("ready", ready)
	b.write(inPhase("dualwrite"))
	if _, err := b.ReloadWith(context.Background(), "test", Strict); len(rules.AsProblems(err)) != 1 {
		t.Errorf("error %v", err)
	}
	b.set(func(f *fake) { f.print = "2" }) // a look at the catalog tries again
	s := b.until("followed", func(s State) bool { return s.Epoch == 2 })
	if s.Set.Migrations[0].Phase != rules.Off || len(s.Problems) != 1 {
		t.Errorf("state %+v", s)
	}
}

func TestAStrictFlipWithoutSuchStatementsGoesThrough(t *testing.T) {
	b := start(t, inPhase("off"), strictly(having(t, "UPDATE users SET is_active = true", "SELECT * FROM users", mergeOrders)))
	b.until("ready", ready)
	b.write(inPhase("dualwrite"))
	s := b.until("dualwrite", func(s State) bool { return s.Epoch == 2 })
	if len(s.Problems) != 0 {
		t.Errorf("problems %v", s.Problems)
	}
}
