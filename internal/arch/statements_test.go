package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryRowOfStatementsHasAGolden keeps the last column of docs/statements.md
// true: each row of a table that has one names goldens, or wire scripts, that exist.
func TestEveryRowOfStatementsHasAGolden(t *testing.T) {
	base := root(t)
	text, err := os.ReadFile(filepath.Join(base, "docs", "statements.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, golden := 0, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			golden = false
			continue
		}
		row := strings.TrimSuffix(line, "|")
		last := strings.TrimSpace(row[strings.LastIndexByte(row, '|')+1:])
		if last == "Golden" {
			golden = true
			continue
		}
		if !golden || strings.HasPrefix(line, "|---") {
			continue
		}
		rows++
		for name := range strings.SplitSeq(last, ", ") {
			path := filepath.Join(base, "rewrite", "testdata", "plans", filepath.FromSlash(name))
			if quoted := strings.Trim(name, "`"); quoted != name {
				path = filepath.Join(base, filepath.FromSlash(quoted))
			}
			if info, err := os.Stat(path); err != nil || info.IsDir() {
				t.Errorf("%s\nnames %q, which is no golden", line, name)
			}
		}
	}
	if rows < 70 {
		t.Errorf("only %d rows have a golden", rows)
	}
}
