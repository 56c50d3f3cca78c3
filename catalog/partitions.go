package catalog

// gatherFromPartitions gives each partitioned table what its partitions add to
// what happens in a statement that names the table itself: their unique keys,
// and their triggers for each row. A row that an UPDATE moves to another
// partition fires the triggers for INSERT there, so these count for UPDATE.
func (s *Snapshot) gatherFromPartitions() {
	for _, t := range s.Tables {
		if t.Kind != 'p' {
			continue
		}
		for i := range t.Triggers {
			t.Triggers[i].Update = t.Triggers[i].Update || t.Triggers[i].Row && t.Triggers[i].Insert
		}
		for _, name := range t.Children {
			child := s.Tables[name]
			if child == nil {
				continue // made just now: the fingerprint tells
			}
			t.Unique = append(t.Unique, child.Unique...)
			for _, g := range child.Triggers {
				if g.Row {
					g.Update = g.Update || g.Insert
					t.Triggers = append(t.Triggers, g)
				}
			}
		}
	}
}
