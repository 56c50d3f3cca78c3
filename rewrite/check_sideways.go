package rewrite

import (
	"slices"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// sideways refuses foreign keys by which a write of one key, or the sync of it, would
// reach new rows of another, or more rows of its own: those of the new table to
// itself or to the old one, apart from that along the parents. No statement shows
// which rows they write. Of those along the parents it refuses what does more to new
// rows than to let them go and move with their old row.
func (c *check) sideways(m *Migration) {
	tables := append(m.oldTables(), m.Rule.New.Table)
	for i := range m.New.ForeignKeys {
		fk := &m.New.ForeignKeys[i]
		to := slices.Index(tables, rules.Table{Schema: fk.RefTable.Schema, Name: fk.RefTable.Name})
		if fk.Idle || to < 0 {
			continue
		}
		along := to < len(tables)-1 && m.along(fk)
		if fk.OnDelete == 'c' && !along {
			c.fail(c.rule.New.Pos, "let it be ON DELETE NO ACTION or SET NULL", "the foreign key %s of %s to %s deletes rows that are there in the old shape", fk.Name, m.New.Name, fk.RefTable)
			continue
		}
		changes := slices.Clone(fk.Sets)
		if fk.OnUpdate != 'a' && fk.OnUpdate != 'r' {
			changes = append(changes, fk.Columns...)
		}
		for _, column := range changes {
			parent := along && m.parentOf(column)
			if parent && fk.OnUpdate == 'c' && !has(fk.Sets, column) || !parent && !m.downReads([]string{column}) {
				continue
			}
			hint, effect := "let it be ON DELETE and ON UPDATE NO ACTION", "which would not be changed in the old shape"
			if parent {
				hint, effect = "let it be ON DELETE CASCADE, and ON UPDATE NO ACTION or CASCADE", "so that new rows would lose their old one"
			}
			c.fail(c.rule.New.Pos, hint, "the foreign key %s of %s to %s changes %s, %s", fk.Name, m.New.Name, fk.RefTable, column, effect)
			break
		}
	}
}

// along reports whether a foreign key to the old table leads from each row to the
// old row that it belongs to: by the parents, by some of them, or by more.
func (m *Migration) along(fk *catalog.ForeignKey) bool {
	pairs := 0
	for i, column := range fk.Columns {
		if slices.ContainsFunc(m.Rule.New.Parents, func(p rules.Parent) bool { return p.New == column && p.Old == fk.RefColumns[i] }) {
			pairs++
		}
	}
	return pairs == min(len(fk.Columns), len(m.Rule.New.Parents))
}
