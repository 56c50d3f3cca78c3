package rules

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzParse holds for any text: it ends soon, an error is Problems with places
// inside the text, and what is valid survives being written and read again.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("finding the corpus: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(data), "\n\n") {
			if text, _, ok := strings.Cut(block, "\n----"); ok {
				_, text, _ = strings.Cut(text, "\n") // behind the command
				f.Add([]byte(text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		set, err := Parse("fuzz.yaml", data)
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("took %v for %d bytes", d, len(data))
		}
		if err != nil {
			checkProblems(t, err)
			for _, p := range AsProblems(err) {
				if lines := bytes.Count(data, []byte("\n")) + 1; p.Pos.Line > lines {
					t.Errorf("%s: the text has %d lines", p, lines)
				}
			}
			return
		}
		text := canonical(set)
		again, err := Parse("again.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v\nin the canonical form\n%s", err, text)
		}
		if changes := Diff(set, again); len(changes) > 0 {
			t.Fatalf("changed by writing and reading: %v\n%s", changes, text)
		}
		for i := range set.Migrations {
			for _, e := range append(set.Migrations[i].Up, set.Migrations[i].Down...) {
				for offset := range len(e.SQL) + 1 {
					if at := e.At(offset); at.Line < 1 || at.Column < 1 {
						t.Fatalf("offset %d of %q is at %v", offset, e.SQL, at)
					}
				}
			}
		}
	})
}
