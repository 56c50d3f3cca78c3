package rules

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestGoldens runs testdata/*.txt. Commands: parse prints the canonical form
// or the problems; prev remembers a file; transition and diff compare with it;
// places prints where names and SQL are.
func TestGoldens(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			return
		}
		var prev *Set
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			input := d.Input + "\n"
			if d.HasArg("unescape") {
				input = strings.NewReplacer(`<TAB>`, "\t", `<FF>`, "\xff", `<01>`, "\x01").Replace(d.Input)
			}
			set, err := Parse("rules.yaml", []byte(input))
			if err != nil {
				checkProblems(t, err)
				return err.Error() + "\n"
			}
			switch d.Cmd {
			case "parse":
				again, err := Parse("again.yaml", []byte(canonical(set)))
				if err != nil {
					t.Fatalf("the canonical form does not parse: %v", err)
				}
				if changes := Diff(set, again); len(changes) > 0 {
					t.Fatalf("the canonical form differs: %v", changes)
				}
				return canonical(set)
			case "prev":
				prev = set
				return "ok\n"
			case "transition":
				if ps := Transition(prev, set); len(ps) > 0 {
					return ps.Error() + "\n"
				}
				return "ok\n"
			case "diff":
				var b strings.Builder
				for _, c := range Diff(prev, set) {
					b.WriteString(c.String() + "\n")
				}
				return b.String()
			case "places":
				return places(set, input)
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

// checkProblems holds for every error: it is Problems, has a way out for each,
// and each is one line.
func checkProblems(t testing.TB, err error) {
	t.Helper()
	problems := AsProblems(err)
	if len(problems) == 0 {
		t.Fatalf("%v is no Problems", err)
	}
	for _, p := range problems {
		if p.Hint == "" {
			t.Errorf("%s: has no way out", p)
		}
		if p.Pos.Line < 1 || p.Pos.Column < 1 {
			t.Errorf("%s: has no place", p)
		}
		if strings.ContainsAny(p.String(), "\n\r") {
			t.Errorf("%q: is more than one line", p)
		}
	}
}
