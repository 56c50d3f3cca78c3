package rules

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// top reads the outermost mapping of a rules file.
func (r *reader) top(root *yaml.Node) []Migration {
	const example = "migrations: []"
	if root == nil || root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		// Not taken for a file without migrations: one that is being written, or
		// was cut off when a disk was full, is empty too.
		r.problem(Pos{Line: 1, Column: 1}, "write "+example+" to have none", "the file is empty")
		return nil
	}
	values := r.object(root, "", []field{{name: "migrations", required: true, example: example}})
	list := values["migrations"]
	if list == nil || list.Kind == yaml.ScalarNode && list.ShortTag() == "!!null" {
		return nil
	}
	if !r.is(list, yaml.SequenceNode, "migrations", "a list") {
		return nil
	}
	var migrations []Migration
	for _, item := range list.Content {
		migrations = append(migrations, r.migration(item))
	}
	r.checkSet(migrations)
	return migrations
}

// migration reads one item of the list. What could not be read is left zero
// and has been reported.
func (r *reader) migration(n *yaml.Node) Migration {
	m := Migration{Pos: nodePos(n)}
	if !r.is(n, yaml.MappingNode, "a migration", "a mapping of keys to values") {
		return m
	}
	values := r.object(n, "", []field{
		{"name", true, "name: order-items, lower-case letters, digits and hyphens"},
		{"phase", true, "phase: off"},
		{"kind", true, "kind: rows or kind: columns"},
		{"old", true, "old: {table: public.orders, key: [id], columns: [items]}"},
		{"new", true, "new: with the table and columns of the new shape"},
		{"up", true, "up: with the SQL that computes the new shape from a row named old"},
		{"down", false, ""},
		{"cutover", false, ""},
		{"guard", false, ""},
		{"on_fanout_error", false, ""},
		{"expose_new_columns", false, ""},
	})
	r.name(values["name"], &m)
	r.phase(values["phase"], &m)
	r.kind(values["kind"], &m)
	r.old(values["old"], &m)
	switch m.Kind {
	case Rows:
		r.newRows(values["new"], &m)
		r.upQuery(values["up"], &m)
	case Columns:
		r.newColumns(values["new"], &m)
		r.upMap(values["up"], &m)
	}
	r.down(values["down"], &m)
	r.cutover(values["cutover"], &m)
	r.guard(values["guard"], &m)
	r.fanoutError(values["on_fanout_error"], &m)
	r.expose(values["expose_new_columns"], &m)
	return m
}

func (r *reader) name(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	m.NamePos = r.textPos(n)
	name, ok := r.text(n, "name")
	if ok && !validName.MatchString(name) {
		r.problem(m.NamePos, "a lower-case letter, then up to 39 lower-case letters, digits and hyphens", "name %s is not allowed", quoted(name))
		return
	}
	m.Name = name
}

func (r *reader) phase(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	m.PhasePos = r.textPos(n)
	text, ok := r.text(n, "phase")
	if !ok {
		return
	}
	phase, err := ParsePhase(text)
	switch {
	case err != nil:
		r.problem(m.PhasePos, suggest(text, PhaseNames()[:LastBuilt+1]), "unknown phase %s", quoted(text))
	case phase > LastBuilt:
		r.problem(m.PhasePos, "set phase: "+LastBuilt.String(), "phase %s is not built yet; the furthest is %s", phase, LastBuilt)
	default:
		m.Phase = phase
	}
}

func (r *reader) kind(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	text, ok := r.text(n, "kind")
	if !ok {
		return
	}
	switch text {
	case Rows.String():
		m.Kind = Rows
	case Columns.String():
		m.Kind = Columns
	default:
		r.problem(r.textPos(n), suggest(text, []string{Rows.String(), Columns.String()}), "unknown kind %s", quoted(text))
	}
}

func (r *reader) expose(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	switch {
	case !r.is(n, yaml.ScalarNode, "expose_new_columns", "true or false"):
	case n.ShortTag() != "!!bool":
		r.problem(nodePos(n), "write true or false", "expose_new_columns must be true or false, not %s", describe(n))
	case m.Kind == Rows:
		r.problem(nodePos(n), "remove it", "expose_new_columns is for kind columns: with kind rows the new shape is a table of its own")
	default:
		m.ExposeNewColumns = strings.ToLower(n.Value) == "true"
	}
}

func (r *reader) cutover(n *yaml.Node, m *Migration) {
	const rename = "rename"
	if n == nil {
		return
	}
	text, ok := r.text(n, "cutover")
	switch {
	case !ok:
	case text != rename:
		r.problem(r.textPos(n), suggest(text, []string{rename}), "unknown cutover %s", quoted(text))
	case m.Kind == Rows:
		r.problem(r.textPos(n), "remove it, or make it kind: columns", "cutover: rename renames columns, and kind rows has none")
	default:
		m.Cutover = text
	}
}
