package rules

import (
	"os"
	"strings"
	"testing"
)

// TestTheReferenceIsTrue runs the examples of docs/rules.md: each is valid, or
// is followed by exactly what the loader says of it.
func TestTheReferenceIsTrue(t *testing.T) {
	data, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	examples, keys := strings.Split(doc, "```yaml\n")[1:], 0
	if len(examples) < 8 {
		t.Fatalf("found %d examples", len(examples))
	}
	for _, example := range examples {
		text, rest, ok := strings.Cut(example, "```\n")
		if !ok {
			t.Fatalf("not closed: %s", text)
		}
		want := ""
		if message, ok := strings.CutPrefix(rest, "\n```text\n"); ok {
			want, _, _ = strings.Cut(message, "\n```")
		}
		got := ""
		if _, err := Parse("rules.yaml", []byte(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\ngives\n%s\nand the page says\n%s", text, got, want)
		}
	}
	for _, key := range []string{"name", "phase", "kind", "old.table", "old.key", "old.columns", "new.table", "new.parent", "new.columns", "up", "down", "cutover", "guard", "on_fanout_error"} {
		if strings.Contains(doc, "| `"+key+"` |") {
			keys++
		}
	}
	if keys != 14 {
		t.Errorf("the table of keys has %d of 14", keys)
	}
	for _, phase := range PhaseNames() {
		if !strings.Contains(doc, "| `"+phase+"` |") {
			t.Errorf("phase %s is not in the table", phase)
		}
	}
	removed := Transition(mustParse(t, order), &Set{File: "rules.yaml"}).Error()
	if !strings.Contains(doc, "\n"+removed+"\n") {
		t.Errorf("the page does not show: %s", removed)
	}
}
