package rules

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v3"
)

// Load reads and validates a rules file. Whether the database agrees is not
// looked at. An error is always [Problems].
func Load(path string) (*Set, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Problems{{
			File:    path,
			Message: "no such file",
			Hint:    "put it back, or begin with the line migrations: [] and no migration",
		}}
	}
	if err != nil {
		return nil, Problems{{
			File:    path,
			Message: "reading the rules: " + err.Error(),
			Hint:    "it must be a file that the user running pgjanus may read",
		}}
	}
	return Parse(path, data)
}

// Parse validates the text of a rules file; file is only used to name places.
// An error is always [Problems], which
// names everything that is wrong at once; only a text that is not YAML at all
// yields a single problem.
func Parse(file string, data []byte) (*Set, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r := &reader{file: file, lines: bytes.Split(data, []byte("\n"))}
	root, more, err := documents(data)
	if err != nil {
		return nil, Problems{syntaxProblem(file, data, err)}
	}
	if more != nil {
		r.problem(nodePos(more), "merge the documents into one", "a rules file is a single YAML document, this is a second one")
	}
	set := &Set{File: file, Migrations: r.top(root)}
	if len(r.problems) > 0 {
		return nil, r.problems.Err()
	}
	return set, nil
}

// documents returns the content of the first document, nil when the text has
// none, and the first document after it.
func documents(data []byte) (root, more *yaml.Node, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var first yaml.Node
	if err := dec.Decode(&first); errors.Is(err, io.EOF) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if len(first.Content) > 0 {
		root = first.Content[0]
	}
	var second yaml.Node
	if err := dec.Decode(&second); errors.Is(err, io.EOF) {
		return root, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	return root, &second, nil
}
