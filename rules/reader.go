package rules

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// reader walks the nodes of one rules file and collects what is wrong.
type reader struct {
	file     string
	lines    [][]byte
	problems Problems
}

func (r *reader) problem(at Pos, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Pos: at, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// field is one entry of a mapping whose keys are fixed.
type field struct {
	name     string
	required bool
	example  string // a valid "name: value", shown when it is missing
}

// object reads a mapping with fixed keys. What it returns has only known keys;
// nil means that n is no mapping. path names it in messages, "" is the file.
func (r *reader) object(n *yaml.Node, path string, fields []field) map[string]*yaml.Node {
	entries, ok := r.mapping(n, path)
	if !ok {
		return nil
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	values := map[string]*yaml.Node{}
	misspelt := map[string]bool{}
	for _, e := range entries {
		if !slices.Contains(names, e.key.Value) {
			r.problem(nodePos(e.key), suggest(e.key.Value, names), "unknown key %s%s", quoted(e.key.Value), within(path))
			misspelt[nearest(e.key.Value, names)] = true
			continue
		}
		values[e.key.Value] = e.value
	}
	for _, f := range fields {
		if f.required && values[f.name] == nil && !misspelt[f.name] {
			r.problem(nodePos(n), "add "+f.example, "%s is missing", join(path, f.name))
		}
	}
	return values
}

// entry is a key of a mapping and its value.
type entry struct{ key, value *yaml.Node }

// mapping reads a mapping with any keys, each at most once, in file order.
func (r *reader) mapping(n *yaml.Node, path string) ([]entry, bool) {
	if !r.is(n, yaml.MappingNode, path, "a mapping of keys to values") {
		return nil, false
	}
	first := map[string]int{}
	var entries []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			hint := "quote it if it is meant as a name"
			if key.ShortTag() == "!!merge" || key.Kind == yaml.AliasNode {
				hint = "anchors, aliases and merge keys are not read here; write the text out"
			}
			r.problem(nodePos(key), hint, "a key must be a string, not %s", describe(key))
			continue
		}
		if line, twice := first[key.Value]; twice {
			r.problem(nodePos(key), fmt.Sprintf("remove one, the other is on line %d", line), "key %s is given twice%s", quoted(key.Value), within(path))
			continue
		}
		first[key.Value] = key.Line
		entries = append(entries, entry{key, value})
	}
	return entries, true
}

// text reads a string.
func (r *reader) text(n *yaml.Node, path string) (string, bool) {
	if !r.is(n, yaml.ScalarNode, path, "a string") {
		return "", false
	}
	if n.ShortTag() != "!!str" {
		hint := "quote it if it is meant as text"
		if n.ShortTag() == "!!null" {
			hint = "give it a value"
		}
		r.problem(nodePos(n), hint, "%s must be a string, not %s", path, describe(n))
		return "", false
	}
	return n.Value, true
}

func (r *reader) is(n *yaml.Node, kind yaml.Kind, path, want string) bool {
	if n.Kind == kind && n.Anchor == "" {
		return true
	}
	if n.Kind == kind {
		r.problem(nodePos(n), "anchors and aliases are not read here; remove it", "%s has the anchor &%s", join(path, ""), n.Anchor)
		return false
	}
	hint := "write a single value"
	switch {
	case n.Kind == yaml.AliasNode:
		hint = "anchors and aliases are not read here; write the text out"
	case path == "":
		hint = "begin it with migrations:"
	case kind == yaml.MappingNode:
		hint = "write key: value, one a line, or {key: value}"
	case kind == yaml.SequenceNode:
		hint = "write [a, b], or one a line behind a hyphen"
	}
	r.problem(nodePos(n), hint, "%s must be %s, not %s", join(path, ""), want, describe(n))
	return false
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!str":
		return "a string"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	case "!!null":
		return "empty"
	case "!!merge":
		return "a merge key"
	}
	return "a value of type " + n.ShortTag()
}

func join(path, key string) string {
	switch {
	case path == "" && key == "":
		return "the file"
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}

func within(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// quoted shows a word of the file so that it stays on one line.
func quoted(s string) string {
	const longest = 80
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	return fmt.Sprintf("%q", s)
}

func nodePos(n *yaml.Node) Pos { return Pos{Line: n.Line, Column: n.Column} }
