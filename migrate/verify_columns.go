package migrate

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// columnsDrift finds, among the rows that within selects, those that break the
// law of lossy maps: neither is every new column what up says, nor does down of
// the new columns give every old one.
func (v *verifier) columnsDrift(within string) string {
	m := v.m
	up, there, wrong := []string{}, []string{}, []string{}
	for i, name := range m.UpColumns() {
		same := m.UpSameness(i)
		value := same.Value(m.UpSQL(i, "old"))
		stored := "old." + rewrite.Ident(name)
		up, there = append(up, value), append(there, stored)
		wrong = append(wrong, same.Differ(value, stored))
	}
	conditions := []string{"(" + strings.Join(wrong, " OR ") + ")"}
	if back := v.downDiffers(); back != "" {
		conditions = append(conditions, back)
	}
	image := func(values []string) string {
		return fmt.Sprintf("pg_catalog.left(ROW(%s)::text, %d)", strings.Join(values, ", "), imageLength)
	}
	return fmt.Sprintf(`SELECT %s, pg_catalog.format('up gives %%s, the new columns have %%s', %s, %s) FROM (SELECT * FROM %s old WHERE %s OFFSET 0) old WHERE %s`,
		v.keys.array("old"), image(up), image(there), v.table, within, strings.Join(conditions, " AND "))
}

// downDiffers is the condition that down of the new columns is not what is in
// the old ones; "" where down does not cover them all.
func (v *verifier) downDiffers() string {
	m := v.m
	parts := make([]string, 0, len(m.Rule.Old.Columns))
	for i, name := range m.Rule.Old.Columns {
		down := m.DownSQL(i, "old") // both shapes are in the same row
		if down == "" {
			return ""
		}
		same := m.DownSameness(i)
		parts = append(parts, same.Differ(same.Value(down), "old."+rewrite.Ident(name)))
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}
