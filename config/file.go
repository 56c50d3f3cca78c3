package config

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is a settings file that was looked at before viper reads it: viper
// knows neither places nor unknown and duplicate keys.
type source struct {
	name     string
	keys     []string
	places   map[string]string // "file:line:column" of each value, by key
	faulty   map[string]bool   // keys that a problem was found with
	problems []error
}

// inspect looks at the text of a settings file.
func inspect(name string, data []byte, keys []string) *source {
	s := &source{name: name, keys: keys, places: map[string]string{}, faulty: map[string]bool{}}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return s
	}
	if err == nil && !errors.Is(dec.Decode(&more), io.EOF) {
		err = errors.New("the file goes on behind its first document; a settings file is a single one")
	}
	if err != nil {
		s.problems = append(s.problems, syntaxError(name, err))
		return s
	}
	if len(doc.Content) > 0 {
		s.section(doc.Content[0], "")
	}
	return s
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func syntaxError(name string, err error) error {
	place := name
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		place += ":" + m[1]
	}
	return fmt.Errorf("%s: not valid YAML: %s (check the indentation and the quotes near this line)", place, yamlLine.ReplaceAllString(err.Error(), ""))
}

func (s *source) problem(n *yaml.Node, format string, args ...any) {
	s.problems = append(s.problems, fmt.Errorf("%s: %w", s.place(n), fmt.Errorf(format, args...)))
}

func (s *source) place(n *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", s.name, n.Line, n.Column)
}

// section walks a mapping whose keys begin with prefix.
func (s *source) section(n *yaml.Node, prefix string) {
	if isNull(n) {
		return
	}
	title := strings.TrimSuffix(prefix, ".")
	if n.Kind != yaml.MappingNode {
		if title == "" {
			s.problem(n, "the file is not a mapping (write key: value, one a line)")
			return
		}
		for _, key := range s.below(prefix) {
			s.faulty[key] = true
		}
		s.problem(n, "%s is not a mapping (write its keys below it, indented: %s)", title, strings.Join(s.below(prefix), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		full := prefix + key.Value
		switch {
		case strings.Contains(key.Value, "."):
			s.problem(key, "unknown key %s (the parts of a key are written below one another: %s)", full, strings.ReplaceAll(full, ".", ": "))
		case seen[full]:
			s.problem(key, "%s is given twice (remove one)", full)
		case slices.Contains(s.keys, full):
			s.leaf(value, full)
		case len(s.below(full+".")) > 0:
			s.section(value, full+".")
		default:
			s.problem(key, "unknown key %s (%s)", full, suggest(full, s.keys))
		}
		seen[full] = true
	}
}

func (s *source) leaf(n *yaml.Node, key string) {
	switch {
	case n.Kind != yaml.ScalarNode:
		s.faulty[key] = true
		s.problem(n, "%s is not a single value (write %s: value)", key, key)
	case isNull(n):
		s.faulty[key] = true
		s.problem(n, "%s has no value (write one, or remove the line for the default)", key)
	default:
		s.places[key] = s.place(n)
	}
}

// below lists the keys that begin with prefix.
func (s *source) below(prefix string) []string {
	var list []string
	for _, k := range s.keys {
		if strings.HasPrefix(k, prefix) {
			list = append(list, k)
		}
	}
	return list
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
