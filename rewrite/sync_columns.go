package rewrite

import "fmt"

// columnsByKeys updates the new columns of the touched rows that disagree.
func (b *block) columnsByKeys(s syncText) {
	b.takeKeys(s)
	b.columnsOfKeys(s)
}

// columnsOfKeys updates the new columns of the rows of the keys in k0..
func (b *block) columnsOfKeys(s syncText) {
	b.keepLastval(s.triggered(onUpdate), func() { b.forward(s, func() { b.columns(s) }) })
}

// columns updates the new columns of the touched rows that disagree, and where a
// trigger of the user for UPDATE has seen to it that some still do, fails.
func (b *block) columns(s syncText) {
	b.stirring(s, func() { b.statement(s, "", syncText.columnsUpdate) })
	if s.triggered(onUpdate) {
		b.raise(s, syncText.kept, "27000", "a trigger of "+s.Old.Name.String()+" has kept the new shape from being written", "Let the trigger pass updates that change no column but "+quoted(s.UpColumns())+".")
	}
}

// kept is the condition under which some touched row still disagrees.
func (s syncText) kept() string {
	keys, where := s.touched()
	if keys != "" {
		keys = ", " + keys
	}
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %s old%s WHERE %s AND %s)", QName(s.Rule.Old.Table), keys, where, s.Disagree("old"))
}

func (s syncText) columnsUpdate() string {
	keys, where := s.touched()
	if keys != "" {
		keys = " FROM " + keys
	}
	set := list(s.UpColumns(), func(i int, c string) string {
		return s.mended(s.strands.new[i], s.New.Column(c), s.UpSQL(i, "old"), s.up[i].value)
	})
	return fmt.Sprintf("UPDATE %s old SET %s%s WHERE %s AND %s", QName(s.Rule.Old.Table), set, keys, where, s.Disagree("old"))
}
