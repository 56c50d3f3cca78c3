package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Change is one difference between two sets of rules.
type Change struct {
	Migration string
	// What names the key that changed; "added" and "removed" are whole
	// migrations, whose phase is in To and From.
	What string
	From string
	To   string
}

// String is for logs, such as "order-items: phase off -> dualwrite". SQL
// appears as a short digest only.
func (c Change) String() string {
	switch c.What {
	case "added":
		return c.Migration + ": added in phase " + c.To
	case "removed":
		return c.Migration + ": removed in phase " + c.From
	}
	return c.Migration + ": " + c.What + " " + c.From + " -> " + c.To
}

// Diff lists what changed from prev to next: the migrations of next in order,
// then those that were removed. Either may be nil, which counts as empty.
// Places and layout do not matter.
func Diff(prev, next *Set) []Change {
	if prev == nil {
		prev = &Set{}
	}
	if next == nil {
		next = &Set{}
	}
	var changes []Change
	for i := range next.Migrations {
		m := &next.Migrations[i]
		p := prev.Find(m.Name)
		if p == nil {
			changes = append(changes, Change{Migration: m.Name, What: "added", To: m.Phase.String()})
			continue
		}
		before, after := p.aspects(), m.aspects()
		for i := range after {
			if before[i].value != after[i].value {
				changes = append(changes, Change{Migration: m.Name, What: after[i].name, From: before[i].value, To: after[i].value})
			}
		}
	}
	for i := range prev.Migrations {
		if p := &prev.Migrations[i]; next.Find(p.Name) == nil {
			changes = append(changes, Change{Migration: p.Name, What: "removed", From: p.Phase.String()})
		}
	}
	return changes
}

type aspect struct{ name, value string }

// aspects is what Diff compares, always in the same order.
func (m *Migration) aspects() []aspect {
	parents := make([]string, len(m.New.Parents))
	for i, p := range m.New.Parents {
		parents[i] = p.New + ": " + p.Old
	}
	return []aspect{
		{"phase", m.Phase.String()},
		{"kind", m.Kind.String()},
		{"old.table", m.Old.Table.String()},
		{"old.key", list(m.Old.Key)},
		{"old.columns", list(m.Old.Columns)},
		{"new.table", m.New.Table.String()},
		{"new.columns", list(m.New.Columns)},
		{"new.parent", list(parents)},
		{"up", digest(m.Up)},
		{"down", digest(m.Down)},
		{"cutover", orNone(m.Cutover)},
		{"guard", m.Guard.String()},
		{"on_fanout_error", m.OnFanoutError.String()},
		{"expose_new_columns", strconv.FormatBool(m.ExposeNewColumns)},
	}
}

func list(names []string) string { return "[" + strings.Join(names, ", ") + "]" }

// digest stands for SQL, which may hold data and does not belong in a log.
func digest(exprs []Expr) string {
	if len(exprs) == 0 {
		return orNone("")
	}
	h := sha256.New()
	hashExprs(h, "sql", exprs)
	return hex.EncodeToString(h.Sum(nil)[:4])
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
