package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is where a file has become two nouns.
const maxLines = 400

// source is one Go file of the module, whatever its build constraints.
type source struct {
	path string // below the module's root
	test bool
	text []byte
	tree *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	base := root(t)
	var all []source
	err := filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != base && (name == "testdata" || name == "bin" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != base {
				return filepath.SkipDir // another module
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(base, path)
		if err != nil {
			return err
		}
		all = append(all, source{path: rel, test: strings.HasSuffix(name, "_test.go"), text: text, tree: tree})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFilesStayShort(t *testing.T) {
	for _, s := range sources(t) {
		if lines := bytes.Count(s.text, []byte("\n")); !s.test && lines > maxLines {
			t.Errorf("%s has %d lines; past %d it is two nouns, split it", s.path, lines, maxLines)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		dir := filepath.Dir(s.path)
		documented[dir] = documented[dir] || s.tree.Doc != nil && !strings.HasSuffix(s.tree.Name.Name, "_test")
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment; write a doc.go: what it does, what it never does, where to start reading", dir)
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.tree.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function; construct things where they are used", s.path)
			}
		}
	}
}
