package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryRowOfStatementsIsShown keeps docs/statements.md true. The last column of
// each row names goldens, wire scripts, or Go tests. In a golden or a script, a
// comment ahead of what shows the row says so: "# row: " and how its first column
// begins. Where goldens alone are named, each outcome of the row is that of one of
// them; guard stands for a refusal, and a pass with the argument guard.
func TestEveryRowOfStatementsIsShown(t *testing.T) {
	base := root(t)
	rows := statementRows(t, filepath.Join(base, "docs", "statements.md"))
	if len(rows) < 180 {
		t.Fatalf("there are only %d rows", len(rows))
	}
	byFile := map[string][]*statementRow{}
	tests := goTests(t, base)
	for _, row := range rows {
		for name := range strings.SplitSeq(row.last, ", ") {
			quoted := strings.Trim(name, "`")
			switch {
			case strings.HasPrefix(quoted, "Test"):
				if row.elsewhere = true; !tests[quoted] {
					t.Errorf("%q names %s, which is no test", row.first, quoted)
				}
			case quoted != name:
				row.elsewhere = true
				byFile[quoted] = append(byFile[quoted], row)
			default:
				file := "rewrite/testdata/plans/" + name
				byFile[file] = append(byFile[file], row)
			}
		}
	}
	for file, cited := range byFile {
		marks := statementMarks(t, filepath.Join(base, filepath.FromSlash(file)))
		shown := map[*statementRow]bool{}
		for _, m := range marks {
			row, err := m.of(cited)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			shown[row] = true
			row.outcomes = append(row.outcomes, m.outcome)
		}
		for _, row := range cited {
			if !shown[row] {
				t.Errorf("%s shows nothing for %q", file, row.first)
			}
		}
	}
	for _, row := range rows {
		for _, want := range row.wants() {
			if !slices.Contains(row.outcomes, want) {
				t.Errorf("%q: no golden has the outcome %s, but %q", row.first, want, row.outcomes)
			}
		}
	}
}

// statementRow is a row of a table of docs/statements.md.
type statementRow struct {
	first, outcome, last string
	elsewhere            bool     // a script or Go test shows it, too
	outcomes             []string // of its goldens
}

// wants are the outcomes that its goldens have to have.
func (r *statementRow) wants() []string {
	if r.elsewhere {
		return nil
	}
	if r.outcome == "guard" {
		return []string{"refuse", "pass with a guard"}
	}
	return regexp.MustCompile(`\b(pass|rewrite|refuse)\b`).FindAllString(r.outcome, -1)
}

func statementRows(t *testing.T, path string) (rows []*statementRow) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			last = ""
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case last == "":
			last = cells[len(cells)-1]
		case strings.HasPrefix(line, "|---"):
		case last != "Golden" || len(cells) != 4:
			t.Errorf("%s\nis not a row with a golden in the last of four columns", line)
		default:
			rows = append(rows, &statementRow{first: cells[0], outcome: cells[1], last: cells[3]})
		}
	}
	return rows
}

// statementMark is a comment that says which row a golden shows.
type statementMark struct{ text, outcome string }

// of returns the one row that begins so.
func (m statementMark) of(rows []*statementRow) (*statementRow, error) {
	var found []*statementRow
	for _, row := range rows {
		if row.first == m.text {
			return row, nil
		}
		if strings.HasPrefix(row.first, m.text) {
			found = append(found, row)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d rows that name the file begin with %q", len(found), m.text)
	}
	return found[0], nil
}

// statementMarks reads a file of goldens or scripts: comments, the directive with its
// arguments, what it is about, ----, and what comes of it.
func statementMarks(t *testing.T, path string) (marks []statementMark) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	waiting, guard, output := 0, false, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if mark, ok := strings.CutPrefix(line, "# row: "); ok {
			marks, waiting = append(marks, statementMark{text: mark}), waiting+1
		}
		if waiting == 0 {
			continue
		}
		if output && line != "----" {
			if guard && line == "pass" {
				line = "pass with a guard"
			}
			for i := len(marks) - waiting; i < len(marks); i++ {
				marks[i].outcome = line
			}
			waiting, output = 0, false
		}
		if arguments, ok := strings.CutPrefix(line, "plan"); ok {
			guard = slices.Contains(strings.Fields(arguments), "guard")
		}
		output = output || line == "----"
	}
	return marks
}

// goTests are the names of the tests of all packages.
func goTests(t *testing.T, base string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(base, "*", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}
