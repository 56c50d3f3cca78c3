package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// code is what stands between backquotes.
	code = regexp.MustCompile("`([^`]+)`")
	// placeholder is a word that stands for a name in a path.
	placeholder = regexp.MustCompile(`KIND|VERB|NAME`)
)

// TestContributingNamesPathsThatExist keeps the table of where to change
// things true. A path with a placeholder must match at least one file.
func TestContributingNamesPathsThatExist(t *testing.T) {
	base := root(t)
	text, err := os.ReadFile(filepath.Join(base, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| I want to |")
	table, _, closed := strings.Cut(table, "\n\n")
	if !found || !closed {
		t.Fatal("CONTRIBUTING.md has no table that begins with | I want to |")
	}
	paths := 0
	for _, match := range code.FindAllStringSubmatch(table, -1) {
		path := match[1]
		if strings.Contains(path, " ") || !strings.Contains(path, "/") {
			continue // a command, or a file in a package that is yet to be
		}
		paths++
		files, err := filepath.Glob(filepath.Join(base, filepath.FromSlash(placeholder.ReplaceAllString(path, "*"))))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if len(files) == 0 {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist; correct its table", path)
		}
	}
	if paths == 0 {
		t.Error("the table of CONTRIBUTING.md names no path")
	}
}
