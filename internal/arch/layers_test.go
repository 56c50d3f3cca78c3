package arch

import (
	"slices"
	"strings"
	"testing"
)

// layers says which packages of ours each package may import. Imports go one
// way: cmd -> admin -> live -> migrate, proxy -> rewrite -> rules, catalog. A name
// that ends in /... stands for everything below it; nil means nothing of ours.
var layers = map[string][]string{
	"rules":   nil,
	"catalog": nil,
	"config":  nil,
	"rewrite": {"rules", "catalog"},
	"migrate": {"rewrite", "rules", "catalog"},
	"proxy":   {"internal/usage", "rewrite", "rules", "catalog"},
	"admin":   {"internal/live", "internal/usage", "migrate", "proxy", "rewrite", "rules", "catalog"},

	"internal/usage":    {"rewrite", "rules", "catalog"},
	"internal/live":     {"internal/usage", "migrate", "proxy", "rewrite", "rules", "catalog"},
	"internal/pgserver": nil,
	"internal/pgtest":   {"internal/pgserver"},
	"internal/arch":     nil,
	"internal/demo/...": {"..."},

	"cmd/...":   {"..."},
	"bench/...": {"..."},
	"test/...":  {"..."},
}

// owners says which packages may import a library, in tests too.
var owners = map[string]string{
	"github.com/pganalyze/pg_query_go": "rewrite",
	"github.com/spf13/viper":           "config",
}

// allowed returns the entry of layers for a package.
func allowed(name string) (imports []string, known bool) {
	if imports, known = layers[name]; known {
		return imports, true
	}
	for pattern, imports := range layers {
		if matches(pattern, name) {
			return imports, true
		}
	}
	return nil, false
}

func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	prefix, ok := strings.CutSuffix(pattern, "/...")
	if !ok {
		return pattern == name
	}
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		may, known := allowed(p.name())
		if !known {
			t.Errorf("package %s has no place in layers; give it one in internal/arch/layers_test.go", p.name())
			continue
		}
		for _, path := range p.Imports {
			target := local(path)
			if target == "" || target == p.name() {
				continue
			}
			if !slices.ContainsFunc(may, func(pattern string) bool { return matches(pattern, target) }) {
				t.Errorf("%s imports %s; it may import %v", p.name(), target, may)
			}
		}
	}
}

func TestEachLibraryHasOneOwner(t *testing.T) {
	for _, p := range packages(t) {
		for library, owner := range owners {
			if matches(owner+"/...", p.name()) {
				continue
			}
			for _, path := range p.everything() {
				if matches(library+"/...", path) {
					t.Errorf("%s imports %s; only %s may", p.name(), path, owner)
				}
			}
		}
	}
}

func TestNoProductionPackageImportsTestHelpers(t *testing.T) {
	for _, p := range packages(t) {
		if p.name() == "internal/pgtest" || matches("test/...", p.name()) {
			continue
		}
		for _, path := range p.Imports {
			if path == "testing" || local(path) == "internal/pgtest" {
				t.Errorf("%s imports %s outside its tests", p.name(), path)
			}
		}
	}
}

func TestMatchesTakesWholePathElements(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"cmd/...", "cmd/pgjanus", true},
		{"cmd/...", "cmd", true},
		{"cmd/...", "cmdline", false},
		{"rules", "rules", true},
		{"rules", "rules/sub", false},
		{"...", "anything", true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("matches(%q, %q) is %v", c.pattern, c.name, got)
		}
	}
}
