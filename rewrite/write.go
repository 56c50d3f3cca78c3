package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// write is a planned INSERT, UPDATE or DELETE of a migrating table.
type write struct {
	rel       *relation
	rv        *pg_query.RangeVar // how the statement names it
	returning []*pg_query.Node   // the application's own list
	record    string             // what has to be appended to it, or ""
}

// clause is the text that goes behind the write's last token.
func (wr *write) clause() string {
	if len(wr.returning) > 0 {
		return ", " + wr.own()
	}
	return " RETURNING " + wr.own()
}

// own is the record for rows of the table itself. An unqualified name may stand
// for a temporary table that a function has made, or for one that another session
// created a moment ago, and the rows of that are none of ours.
func (wr *write) own() string {
	t := wr.rel.table()
	if wr.rv.GetSchemaname() != "" || wr.rel.base != nil || t.Kind != 'r' || t.Partition || len(t.Parents)+len(t.Children) > 0 {
		return wr.record
	}
	return fmt.Sprintf("CASE WHEN %s.tableoid OPERATOR(pg_catalog.=) %s::pg_catalog.regclass THEN %s ELSE false END",
		rowName(wr.rv), asciiLiteral(t.Name.SQL()), wr.record)
}

// sync notes that the new shape of the rows has to follow for m, by a sync
// behind the statement.
func (w *planning) sync(wr *write, m *Migration, row string) {
	w.settle(wr, m, row, forward)
}

// settle notes that a sync of that direction runs behind the statement. All the
// keys that a statement records for m go to one sync.
func (w *planning) settle(wr *write, m *Migration, row string, to direction) {
	if !m.sees(m.ofKey()...) {
		if to != forward || !wr.rel.guarded() {
			w.mixed = &Refusal{
				Migration: m.Rule.Name, Offset: int(wr.rv.GetLocation()),
				Reason: fmt.Sprintf("%s does not show the key of %s, so what the statement writes cannot be told", wr.rel.name, m.Old.Name),
				Hint:   fmt.Sprintf("write to %s itself, let the view show %s, or set guard: sync for the migration", m.Old.Name, quoted(m.self().ofKey())),
			}
		}
		return
	}
	wr.add(m.Record(row))
	w.follow(m, to)
}

// follow is settle for keys that are recorded already.
func (w *planning) follow(m *Migration, to direction) {
	was := w.touched[m.self()]
	switch {
	case was == backward && to == partial:
	case was == partial && to == backward:
		to = partial
	case was != 0 && was != to:
		w.mixed = &Refusal{
			Migration: m.Rule.Name, Offset: -1,
			Reason: "one statement writes the old shape in one place and the new shape in another", Hint: "write them in two statements",
		}
	}
	w.touched[m.self()] = to
	w.concern(m)
}

// call notes that f brings the new shape of each row up to date for m.
func (w *planning) call(wr *write, m *Migration, f *Function, row string) {
	if !m.sees(m.rowArguments()...) {
		w.sync(wr, m, row)
		return
	}
	wr.add(m.call(f, row))
	w.concern(m)
}

func (wr *write) add(record string) {
	if wr.record != "" {
		wr.record += " OR "
	}
	wr.record += record
}

// concern notes that the statement is rewritten for m.
func (w *planning) concern(m *Migration) {
	w.stmt.Outcome = Rewrite
	for _, name := range w.stmt.Migrations {
		if name == m.Rule.Name {
			return
		}
	}
	w.stmt.Migrations = append(w.stmt.Migrations, m.Rule.Name)
}

func has(set []string, s string) bool {
	for _, x := range set {
		if x == s {
			return true
		}
	}
	return false
}

func quoted(names []string) string { return strings.Join(names, ", ") }
