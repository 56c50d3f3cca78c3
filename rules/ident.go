package rules

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxIdent is what fits a name in Postgres (NAMEDATALEN - 1); longer ones
// would be cut off there in silence.
const maxIdent = 63

// identError says why a text is not a name, and how to write it.
type identError struct{ reason, hint string }

func (e *identError) Error() string { return e.reason }

// parseIdent reads one SQL identifier at the start of s and returns it as
// Postgres stores it, with the rest of s. Without quotes only lower case is
// allowed: Postgres would fold Mixed to mixed, which is hardly ever what one
// who writes it here means.
func parseIdent(s string) (name, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		name, rest, err = parseQuoted(s[1:])
	} else {
		end := 0
		for end < len(s) && identByte(s[end], end == 0) {
			end++
		}
		name, rest = s[:end], s[end:]
		if rest != "" && rest[0] != '.' {
			return "", "", &identError{
				reason: fmt.Sprintf("%s is not a plain lower-case name", quoted(s)),
				hint:   fmt.Sprintf("quote it as in SQL, inside the quotes of YAML: '%s'", quoteIdent(s)),
			}
		}
	}
	switch {
	case err != nil:
		return "", "", err
	case name == "":
		return "", "", &identError{"a name is empty", "write the name as Postgres stores it"}
	case len(name) > maxIdent:
		return "", "", &identError{
			fmt.Sprintf("the name %s has %d bytes", quoted(name), len(name)),
			fmt.Sprintf("Postgres keeps %d, use the name that it stores", maxIdent),
		}
	case strings.ContainsRune(name, 0):
		return "", "", &identError{fmt.Sprintf("the name %s has a zero byte", quoted(name)), "remove it"}
	}
	return name, rest, nil
}

// parseQuoted reads up to the closing double quote; two stand for one.
func parseQuoted(s string) (name, rest string, err error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", "", &identError{fmt.Sprintf("the quote before %s is not closed", quoted(s)), `end the name with "`}
		}
		b.WriteString(s[:i])
		if s = s[i+1:]; !strings.HasPrefix(s, `"`) {
			return b.String(), s, nil
		}
		b.WriteByte('"')
		s = s[1:]
	}
}

func identByte(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c == '_', c >= 0x80:
		return true
	case c >= '0' && c <= '9', c == '$':
		return !first
	}
	return false
}

// quoteIdent writes a name the way SQL and this package read it back.
func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// parseColumn reads a text that is one identifier.
func parseColumn(s string) (string, error) {
	name, rest, err := parseIdent(s)
	if err == nil && rest != "" {
		err = &identError{
			fmt.Sprintf("%s is not a plain lower-case name", quoted(s)),
			"columns are written without their table",
		}
	}
	return name, err
}

// parseTable reads schema.table.
func parseTable(s string) (Table, error) {
	schema, rest, err := parseIdent(s)
	if err != nil {
		if strings.Contains(s, " .") || strings.Contains(s, ". ") {
			err = &identError{fmt.Sprintf("%s is not schema.table", quoted(s)), "no space may stand around the dot"}
		}
		return Table{}, err
	}
	if rest == "" {
		return Table{}, &identError{
			fmt.Sprintf("%s names no schema", quoted(s)),
			fmt.Sprintf("qualify it, as in public.%s: it must mean the same in every session", s),
		}
	}
	if rest[0] != '.' {
		return Table{}, &identError{fmt.Sprintf("%s is not schema.table", quoted(s)), "nothing but a dot may stand between the two names"}
	}
	name, rest, err := parseIdent(rest[1:])
	if err != nil {
		return Table{}, err
	}
	if rest != "" {
		return Table{}, &identError{
			fmt.Sprintf("%s is not schema.table", quoted(s)),
			"two names and one dot; a dot that belongs to a name stands inside double quotes",
		}
	}
	if schema == "pgjanus" || schema == "information_schema" || strings.HasPrefix(schema, "pg_") {
		return Table{}, &identError{fmt.Sprintf("schema %s is not the application's", schema), "name a table of the application"}
	}
	return Table{Schema: schema, Name: name}, nil
}

// column reads a name from a scalar node.
func (r *reader) column(n *yaml.Node, path string) (string, bool) {
	s, ok := r.text(n, path)
	if !ok {
		return "", false
	}
	name, err := parseColumn(s)
	return name, r.ident(n, path, err)
}

func (r *reader) table(n *yaml.Node, path string) (Table, bool) {
	s, ok := r.text(n, path)
	if !ok {
		return Table{}, false
	}
	t, err := parseTable(s)
	return t, r.ident(n, path, err)
}

// ident reports what is wrong with a name; true means nothing.
func (r *reader) ident(n *yaml.Node, path string, err error) bool {
	if err == nil {
		return true
	}
	hint := ""
	var ie *identError
	if errors.As(err, &ie) {
		hint = ie.hint
	}
	r.problem(r.textPos(n), hint, "%s: %v", path, err)
	return false
}

// columns reads a list of names, each at most once.
func (r *reader) columns(n *yaml.Node, path string) (names []string, at []Pos, ok bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		r.problem(nodePos(n), fmt.Sprintf("write [%s]", n.Value), "%s must be a list of column names, not a string", path)
		return nil, nil, false
	}
	if !r.is(n, yaml.SequenceNode, path, "a list of column names") {
		return nil, nil, false
	}
	seen := map[string]bool{}
	ok = true
	for _, item := range n.Content {
		name, valid := r.column(item, "a name in "+path)
		switch {
		case !valid:
			ok = false
		case seen[name]:
			r.problem(r.textPos(item), "remove one", "%s names %s twice", path, name)
		default:
			seen[name] = true
			names, at = append(names, name), append(at, r.textPos(item))
		}
	}
	return names, at, ok
}
