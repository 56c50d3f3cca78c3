package rewrite_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/rewrite"
)

// goldenTexts returns the SQL of every golden, and some more.
func goldenTexts(t testing.TB) []string {
	t.Helper()
	texts := []string{
		`UPDATE orders SET items = 'a' WHERE id = 1; INSERT INTO orders (id, items) VALUES (2, '[]') RETURNING id; SELECT 3`,
		`UPDATE "orders" SET note = 'it''s', items = '[1]' WHERE id IN (1, 2.5, .5, 7.) AND note <> '' OR id=-3`,
		`UPDATE orders SET items = $1 WHERE id = 12 AND note = 'x'`,
		`UPDATE orders SET items = E'\x41' WHERE id = 1`,
		`UPDATE orders SET items = $$a 'b'$$ WHERE id = 1`,
		`UPDATE orders SET items = 'a' 'b' WHERE id = 1e5`,
		`UPDATE orders SET items = U&'\0041', note = N'x', customer = B'01' WHERE id = 1`,
		`UPDATE orders o1 SET items = '[]' WHERE o1.id = 1`,
		`UPDATE users SET is_active = true WHERE id = 5`,
		`UPDATE users SET is_active = 'f' WHERE id = 5`,
		`INSERT INTO users (email, is_active) VALUES ('a', '1'), ('b', FALSE)`,
		`INSERT INTO counters (id, n) VALUES (5, 1) ON CONFLICT (id) DO UPDATE SET n = counters.n + 1`,
		`WITH w AS (UPDATE orders SET items = '[]' WHERE id = 1 RETURNING id, note) SELECT * FROM w WHERE id > 7`,
		`SELECT 'orders', 1`, `SELECT * FROM orders WHERE id = 1 /* 'x */ AND note = '1'`, `DELETE FROM orders WHERE id = 1`,
		`UPDATE orders SET items = '[]' WHERE id = 1 -- 'quote`, `UPDATE orders SET items = 'unended`, `UPDATE orders SET "a'b" = '1', items = '2'`,
	}
	files, err := filepath.Glob("testdata/plans/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(string(data), "\n\n") {
			if _, rest, ok := strings.Cut("\n"+block, "\nplan"); ok {
				_, rest, _ = strings.Cut(rest, "\n") // its arguments
				text, _, _ := strings.Cut(rest, "\n----")
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// recordedTexts returns what ORMs have sent.
func recordedTexts(t testing.TB) (texts []string) {
	t.Helper()
	files, err := filepath.Glob("../test/corpus/testdata/orm/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			var r struct{ SQL string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			texts = append(texts, r.SQL)
		}
	}
	return texts
}

var literals = regexp.MustCompile(`'(?:[^'\\]|'')*'|\b[0-9]+\b`)

// otherLiterals puts other literals into a text.
func otherLiterals(rnd *rand.Rand, text string) string {
	return literals.ReplaceAllStringFunc(text, func(l string) string {
		switch {
		case rnd.IntN(3) == 0:
			return l
		case l[0] == '\'':
			return "'" + strings.Repeat("é''x orders ", rnd.IntN(3)) + strings.Repeat("y", rnd.IntN(4)) + "'"
		}
		return fmt.Sprint(rnd.IntN(100000))
	})
}

func TestATextOfAKnownShapeHasThePlanThatItWouldHaveAnew(t *testing.T) {
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	known := canonical(t, "dualwrite", nil)
	same := 0
	for _, text := range append(goldenTexts(t), recordedTexts(t)...) {
		known.Plan([]byte(text), rewrite.Env{})
		for range 6 {
			other := otherLiterals(rnd, text)
			plan, source := known.PlanFrom([]byte(other), known.Mentions([]byte(other)), rewrite.Env{})
			if source == rewrite.FromCache && other != text {
				same++
			}
			anew := known.PlanAnew(other)
			if plan.String() != anew.String() {
				t.Fatalf("after %s\n%s\nis planned as\n%s\nand not as\n%s", text, other, plan, anew)
			}
			if plan.Outcome != rewrite.Rewrite {
				continue
			}
			a, b := plan.Simple(), anew.Simple()
			if a.Text != b.Text || plan.Original != other {
				t.Fatalf("after %s\n%s\nis sent as\n%s\nand not as\n%s", text, other, a.Text, b.Text)
			}
			for at := 1; at <= len(a.Text); at += 7 {
				if a.OriginalPosition(at) != b.OriginalPosition(at) {
					t.Fatalf("after %s\n%s\nposition %d of\n%s\nis %d and not %d", text, other, at, a.Text, a.OriginalPosition(at), b.OriginalPosition(at))
				}
			}
		}
	}
	if same < 100 {
		t.Errorf("only %d texts had a shape that was known: this shows nothing", same)
	}
}

func TestATextWhoseLiteralMattersHasNoShape(t *testing.T) {
	p := canonical(t, "dualwrite", nil)
	for _, pair := range [][2]string{
		{`SELECT set_config('search_path', 'replica', false) FROM orders`, `SELECT set_config('session_replication_role', 'replica', false) FROM orders`},
		{`UPDATE U&"!006frders" UESCAPE '#' SET items = '[]'`, `UPDATE U&"!006frders" UESCAPE '!' SET items = '[]'`},
	} {
		if plan := p.Plan([]byte(pair[0]), rewrite.Env{}); plan.Outcome != rewrite.Pass {
			t.Errorf("%s\n%s", pair[0], plan)
		}
		if plan := p.Plan([]byte(pair[1]), rewrite.Env{}); plan.Outcome == rewrite.Pass {
			t.Errorf("after %s\n%s passes", pair[0], pair[1])
		}
	}
}

// FuzzShape looks for two texts of one shape that are planned differently.
func FuzzShape(f *testing.F) {
	for _, text := range append(goldenTexts(f), recordedTexts(f)...) {
		f.Add(text, uint64(1))
	}
	known := canonical(f, "dualwrite", nil)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		known.Plan([]byte(text), rewrite.Env{})
		other := otherLiterals(rnd, text)
		if known.Mentions([]byte(other))&rewrite.MentionsRelation == 0 {
			return
		}
		if plan, anew := known.Plan([]byte(other), rewrite.Env{}), known.PlanAnew(other); plan.String() != anew.String() {
			t.Errorf("after %q\n%q\nis planned as\n%s\nand not as\n%s", text, other, plan, anew)
		}
	})
}
