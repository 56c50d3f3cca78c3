package migrate

import (
	"fmt"
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// columnsDrift finds, among the rows that within selects, those that break the law
// of lossy maps.
func (v *verifier) columnsDrift(within string) string {
	m := v.m
	up, there := []string{}, []string{}
	for i, name := range m.UpColumns() {
		same := m.UpSameness(i)
		up, there = append(up, same.Value(m.UpSQL(i, "old"))), append(there, "old."+rewrite.Ident(name))
	}
	image := func(values []string) string {
		return fmt.Sprintf("pg_catalog.left(ROW(%s)::text, %d)", strings.Join(values, ", "), imageLength)
	}
	return fmt.Sprintf(`SELECT %s, pg_catalog.format('up gives %%s, the new columns have %%s', %s, %s) FROM (SELECT * FROM %s old WHERE %s OFFSET 0) old WHERE %s`,
		v.keys.array("old"), image(up), image(there), v.table, within, m.Disagree("old"))
}
