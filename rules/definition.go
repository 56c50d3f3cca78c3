package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Definition returns a hex SHA-256 of what defines the mapping: kind, tables,
// key, columns, parents, up and down. It is the same in every process and does
// not depend on name, phase, cutover, places, or the order in which parents,
// columns and down are written. State that was computed under one definition
// is void under another.
func (m *Migration) Definition() string {
	h := sha256.New()
	hashList(h, "kind", m.Kind.String())
	hashList(h, "old.table", m.Old.Table.Schema, m.Old.Table.Name)
	hashList(h, "old.key", m.Old.Key...)
	hashList(h, "old.columns", sorted(m.Old.Columns)...)
	hashList(h, "new.table", m.New.Table.Schema, m.New.Table.Name)
	hashList(h, "new.columns", sorted(m.New.Columns)...)
	parents := slices.Clone(m.New.Parents)
	slices.SortFunc(parents, func(a, b Parent) int { return strings.Compare(a.New, b.New) })
	for _, p := range parents {
		hashList(h, "new.parent", p.New, p.Old)
	}
	hashExprs(h, "up", m.Up)
	hashExprs(h, "down", m.Down)
	return hex.EncodeToString(h.Sum(nil))
}

func hashExprs(h hash.Hash, label string, exprs []Expr) {
	exprs = slices.Clone(exprs)
	slices.SortFunc(exprs, func(a, b Expr) int { return strings.Compare(a.Column, b.Column) })
	for _, e := range exprs {
		hashList(h, label, e.Column, e.SQL)
	}
}

// hashList writes each text with its length, so that no two lists look alike.
func hashList(h hash.Hash, label string, values ...string) {
	_, _ = fmt.Fprintf(h, "%s %d\n", label, len(values)) // a hash never fails
	for _, v := range values {
		_, _ = fmt.Fprintf(h, "%d %s\n", len(v), v)
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
