package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const order = `migrations:
  - name: order-items
    phase: dualwrite
    kind: rows
    old: {table: public.orders, key: [tenant, id], columns: [items, note]}
    new: {table: public.order_items, parent: {order_id: id, tenant: tenant}}
    up: SELECT 1
    down: {items: SELECT 2, note: SELECT 3}
    `

func TestLoadNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rules.yaml")
	_, err := Load(path)
	if want := path + ": no such file (put it back, or begin with the line migrations: [] and no migration)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := Load(dir); len(AsProblems(err)) != 1 {
		t.Errorf("a directory gives %v, want one problem", err)
	}
	if err := os.WriteFile(path, []byte("\ufeff"+order), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if set.File != path || set.Find("order-items") == nil || set.Find("other") != nil {
		t.Errorf("loaded %+v", set)
	}
}

func TestWindowsLineEndsChangeNothing(t *testing.T) {
	unix := mustParse(t, order)
	dos := mustParse(t, strings.ReplaceAll(order, "\n", "\r\n"))
	if changes := Diff(unix, dos); len(changes) > 0 {
		t.Errorf("differs: %v", changes)
	}
}

// A syntax error is placed by parsing again and again; that must not take long
// in a file as large as anyone would write.
func TestSyntaxErrorsOfLargeFilesAreFoundSoon(t *testing.T) {
	for name, text := range map[string]string{
		"quote opened in the first line": "a: \"\n" + strings.Repeat("  - b: c d e f g h i j k l m n\n", 4_000),
		"brace opened in the first line": "a: {\n" + strings.Repeat("  b c d e f g h i j k l m n\n", 4_000),
		"one long line":                  "a: " + strings.Repeat("b ", 40_000) + ": c\n",
		"last line":                      strings.Repeat("- b: c d e f g h i j k l m n\n", 4_000) + "]",
	} {
		begin := time.Now()
		if _, err := Parse("rules.yaml", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

func TestDefinitionCoversTheMappingAndNothingElse(t *testing.T) {
	definition := func(old, new string) string {
		if !strings.Contains(order, old) {
			t.Fatalf("%q is not in the rules", old)
		}
		set := mustParse(t, strings.Replace(order, old, new, 1))
		return set.Migrations[0].Definition()
	}
	base := definition("", "")
	if want := "ffc1cb0d"; !strings.HasPrefix(base, want) || len(base) != 64 {
		t.Errorf("the definition is %s, want %s...: checkpoints in databases would be void", base, want)
	}
	for old, new := range map[string]string{
		"dualwrite":                         "off",
		"order-items":                       "other-name",
		"[items, note]":                     "[note, items]",
		"{order_id: id, tenant: tenant}":    "{tenant: tenant, order_id: id}",
		"{items: SELECT 2, note: SELECT 3}": "{note: SELECT 3, items: 'SELECT 2;'}",
	} {
		if definition(old, new) != base {
			t.Errorf("%s -> %s changes the definition", old, new)
		}
	}
	seen := map[string]string{base: "the original"}
	for old, new := range map[string]string{
		"public.orders":                     "app.orders",
		"orders,":                           "orders2,",
		"[tenant, id]":                      "[id, tenant]",
		"items, note]":                      "items, note, more]",
		"order_items":                       "order_lines",
		"{order_id: id, tenant: tenant}":    "{order_id: tenant, tenant: id}",
		"SELECT 1":                          "SELECT 11",
		"{items: SELECT 2, note: SELECT 3}": "{items: SELECT 2}",
		"items: SELECT 2, note: SELECT 3":   "items: SELECT 3, note: SELECT 2",
	} {
		d := definition(old, new)
		if other, twice := seen[d]; twice {
			t.Errorf("%s -> %s has the definition of %s", old, new, other)
		}
		seen[d] = old + " -> " + new
	}
}

func TestTransitionAllowsNeighboursOnly(t *testing.T) {
	at := func(p Phase) *Set {
		return &Set{File: "rules.yaml", Migrations: []Migration{{Name: "m", Phase: p, PhasePos: Pos{3, 12}}}}
	}
	for from := Off; from <= Complete; from++ {
		for to := Off; to <= Complete; to++ {
			problems := Transition(at(from), at(to))
			if allowed := from-to >= -1 && from-to <= 1; allowed != (len(problems) == 0) {
				t.Errorf("%s -> %s: %v", from, to, problems)
			}
		}
	}
	got := Transition(nil, at(Live)).Error() + "\n" + Transition(at(Rampdown), at(Dualwrite)).Error()
	want := `rules.yaml:3:12: m cannot go from phase off to live (only neighbours may follow one another; set it to dualwrite first)
rules.yaml:3:12: m cannot go from phase rampdown to dualwrite (only neighbours may follow one another; set it to live first)`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestDiffTakesNilAsEmpty(t *testing.T) {
	set := mustParse(t, order)
	if got := fmt.Sprint(Diff(nil, set), Diff(set, nil), Diff(nil, nil)); got != "[order-items: added in phase dualwrite] [order-items: removed in phase dualwrite] []" {
		t.Error(got)
	}
}

func TestNearestForgivesSlipsOnly(t *testing.T) {
	for word, want := range map[string]string{
		"phaze": "phase", "PHASE": "phase", "pase": "phase", "kin": "kind", "x": "", "": "", "zebra": "", "columms": "columns",
		strings.Repeat("a", 1<<20): "",
	} {
		if got := nearest(word, []string{"phase", "kind", "columns", "up"}); got != want {
			t.Errorf("nearest(%.10q) = %q, want %q", word, got, want)
		}
	}
}

func mustParse(t *testing.T, text string) *Set {
	t.Helper()
	set, err := Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}
