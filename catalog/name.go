package catalog

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"
)

// SQL returns the name as SQL, each part quoted.
func (n Name) SQL() string { return pgx.Identifier{n.Schema, n.Name}.Sanitize() }

// MarshalText returns schema.name, a part quoted where it would be ambiguous,
// so that a Name can be the key of a JSON object.
func (n Name) MarshalText() ([]byte, error) {
	return []byte(quotePart(n.Schema) + "." + quotePart(n.Name)), nil
}

// UnmarshalText is the inverse of MarshalText.
func (n *Name) UnmarshalText(text []byte) error {
	schema, rest, err := cutPart(string(text))
	if err != nil {
		return fmt.Errorf("reading relation name %q: %w", text, err)
	}
	rest, ok := strings.CutPrefix(rest, ".")
	if !ok {
		return fmt.Errorf("reading relation name %q: no schema, want schema.name", text)
	}
	name, rest, err := cutPart(rest)
	if err == nil && rest != "" {
		err = fmt.Errorf("unexpected %q behind it", rest)
	}
	if err != nil {
		return fmt.Errorf("reading relation name %q: %w", text, err)
	}
	n.Schema, n.Name = schema, name
	return nil
}

func quotePart(s string) string {
	if s != "" && !strings.ContainsAny(s, `".`) {
		return s
	}
	return pgx.Identifier{s}.Sanitize()
}

func cutPart(s string) (part, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		if end == 0 {
			return "", "", errors.New("an empty part")
		}
		return s[:end], s[end:], nil
	}
	end := quotedEnd(s, 0, '"', false)
	if !strings.HasSuffix(s[:end], `"`) || end < 2 {
		return "", "", errors.New("an unclosed quote")
	}
	return strings.ReplaceAll(s[1:end-1], `""`, `"`), s[end:], nil
}

func sortNames(names []Name) {
	sort.Slice(names, func(i, j int) bool { return names[i].less(names[j]) })
}

func (n Name) less(other Name) bool {
	if n.Schema != other.Schema {
		return n.Schema < other.Schema
	}
	return n.Name < other.Name
}

// split returns the schemas and the names, the form in which a list of
// relations is sent to Postgres.
func split(names []Name) (schemas, relations []string) {
	schemas, relations = make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		schemas[i], relations[i] = n.Schema, n.Name
	}
	return schemas, relations
}
