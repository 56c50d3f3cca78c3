package rules

import (
	"fmt"
	"strings"
)

// canonical writes a Set as a rules file: one layout for everything.
func canonical(s *Set) string {
	if len(s.Migrations) == 0 {
		return "migrations: []\n"
	}
	var b strings.Builder
	b.WriteString("migrations:\n")
	for i := range s.Migrations {
		m := &s.Migrations[i]
		fmt.Fprintf(&b, "- name: %s\n  phase: %s\n  kind: %s\n", m.Name, m.Phase, m.Kind)
		fmt.Fprintf(&b, "  old: {table: %s, key: %s, columns: %s}\n", yamlTable(m.Old.Table), yamlNames(m.Old.Key), yamlNames(m.Old.Columns))
		if m.Kind == Columns {
			fmt.Fprintf(&b, "  new: {table: %s, columns: %s}\n", yamlTable(m.New.Table), yamlNames(m.New.Columns))
		} else {
			fmt.Fprintf(&b, "  new: {table: %s, parent: {", yamlTable(m.New.Table))
			for i, p := range m.New.Parents {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(&b, "%s: %s", yamlName(p.New), yamlName(p.Old))
			}
			b.WriteString("}}\n")
		}
		if m.Kind == Rows {
			fmt.Fprintf(&b, "  up: %s\n", yamlText(m.Up[0].SQL))
		} else {
			yamlExprs(&b, "up", m.Up)
		}
		yamlExprs(&b, "down", m.Down)
		if m.Cutover != "" {
			fmt.Fprintf(&b, "  cutover: %s\n", m.Cutover)
		}
	}
	return b.String()
}

func yamlExprs(b *strings.Builder, key string, exprs []Expr) {
	if len(exprs) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s:\n", key)
	for _, e := range exprs {
		fmt.Fprintf(b, "    %s: %s\n", yamlName(e.Column), yamlText(e.SQL))
	}
}

func yamlNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = yamlName(n)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func yamlTable(t Table) string {
	if isPlain(t.Schema) && isPlain(t.Name) {
		return t.String()
	}
	return yamlText(quoteIdent(t.Schema) + "." + quoteIdent(t.Name))
}

func yamlName(s string) string {
	if isPlain(s) {
		return s
	}
	return yamlText(quoteIdent(s))
}

// yamlWords are plain names that YAML does not read as strings.
const yamlWords = " null true false "

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || !identByte(s[i], i == 0) {
			return false
		}
	}
	return !strings.Contains(yamlWords, " "+s+" ")
}

// yamlText writes a double-quoted scalar.
func yamlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < 0x20 || c >= 0x7f:
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// places lists every recorded place with the text that the file has there.
func places(s *Set, input string) string {
	lines := strings.Split(input, "\n")
	var b strings.Builder
	show := func(what string, p Pos) {
		line := []rune(lines[p.Line-1])
		rest := line[min(p.Column-1, len(line)):]
		fmt.Fprintf(&b, "%s %d:%d %s\n", what, p.Line, p.Column, string(rest[:min(len(rest), 12)]))
	}
	for i := range s.Migrations {
		m := &s.Migrations[i]
		show("item", m.Pos)
		show("name", m.NamePos)
		show("phase", m.PhasePos)
		show("old.table", m.Old.Pos)
		for i, p := range m.Old.KeyPos {
			show("old.key "+m.Old.Key[i], p)
		}
		for i, p := range m.Old.ColPos {
			show("old.columns "+m.Old.Columns[i], p)
		}
		show("new.table", m.New.Pos)
		for i, p := range m.New.ColPos {
			show("new.columns "+m.New.Columns[i], p)
		}
		for i, p := range m.New.ParentPos {
			show("new.parent "+m.New.Parents[i].New, p)
		}
		for _, e := range append(append([]Expr(nil), m.Up...), m.Down...) {
			show("sql "+e.Column, e.Pos)
			for _, mark := range []string{"MARK1", "MARK2"} {
				if at := strings.Index(e.SQL, mark); at >= 0 {
					show("  "+mark, e.At(at))
				}
			}
		}
	}
	return b.String()
}
