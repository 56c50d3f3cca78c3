package rewrite

import (
	"fmt"

	"github.com/pgjanus/pgjanus/rules"
)

// A sync makes the new shape of some keys what up says of their old rows. Each
// migration has its syncs as functions in the database, because a statement
// inside a VOLATILE function takes a snapshot of its own (see
// https://www.postgresql.org/docs/current/xfunc-volatility.html). That is what
// makes them right: whoever calls one holds the row locks of the keys until the
// transaction ends, and at READ COMMITTED a snapshot that is taken after those
// locks were granted has whatever the previous holder of the lock committed. A
// single statement that writes both shapes works on a snapshot that is older
// than the lock, and loses that.
//
//   - byRow is called in the RETURNING list of the application's statement, for
//     each row that it wrote.
//   - byKeys is called by a statement of its own behind the application's. It is
//     for what comes about after RETURNING: triggers that write the row again,
//     keys that change with ON UPDATE CASCADE, the backfill. The keys come to it
//     through settings; see keys.go.
//   - fresh is byRow for rows that were inserted just now and can have no new
//     shape yet.
//
// For columns there is only byKeys; what else there is to do is done inline.
type syncs struct {
	byRow, byKeys, fresh *Function
	guard                *Function // of the triggers that sync, whether or not there are any
	watch, watchNew      *Function // of the triggers that watch the tables of the old and the new shape; nil without any
	partBack             *Function // back where rows may keep new columns that they had; kind columns only
	back, check          *Function // for who writes the new shape; nil where down does not cover the old columns
}

// Sync is a statement that runs behind an application's statement, in the same
// transaction: a SELECT of one row, without parameters.
type Sync struct {
	Migration string
	// Name is what the statement is prepared under on a server connection. It
	// is different for every epoch.
	Name string
	SQL  string
}

// syncText builds the statements of a sync's function.
type syncText struct {
	*Migration
	one   bool // there is one key in k0..
	byRow bool // the old row comes as arguments; else its key through settings
	// probe: variables and arguments are NULL, so that the statements stand by
	// themselves and Postgres can be asked what it thinks of them.
	probe bool
}

// variable is a PL/pgSQL variable of the function.
func (s syncText) variable(name, typ string) string {
	if s.probe {
		return "(NULL::" + typ + ")"
	}
	return label + "." + name
}

// buildSyncs makes the functions of an active migration.
func (m *Migration) buildSyncs() (err error) {
	build := func(kind string, byRow bool, code func(b *block, s syncText)) *Function {
		f, buildErr := m.function(kind, byRow, code)
		if err == nil {
			err = buildErr
		}
		return f
	}
	m.syncs.guard = build("guard", false, (*block).guardTrigger)
	if m.Rule.Guard.Watches() {
		m.syncs.watch = build("watch", false, (*block).watchOld)
		if m.Rule.Kind == rules.Rows {
			m.syncs.watchNew = build("watch new", false, (*block).watchNew)
		}
	}
	if m.Rule.Kind == rules.Columns {
		m.syncs.byKeys = build("keys", false, (*block).columnsByKeys)
		if m.lossy() {
			m.syncs.back = build("back", false, (*block).columnsBack)
			m.syncs.check = build("check", false, (*block).columnsCheck)
			m.syncs.partBack = build("back part", false, (*block).columnsPartBack)
		}
		return err
	}
	m.syncs.byKeys = build("keys", false, (*block).rowsByKeys)
	if m.lossy() {
		m.syncs.back = build("back", false, (*block).rowsBack)
		m.syncs.check = build("check", false, (*block).rowsCheck)
	}
	if m.byKeysOnly() {
		return err
	}
	m.syncs.byRow = build("row", true, (*block).rowsByRow)
	m.syncs.fresh = build("fresh", true, (*block).rowsFresh)
	return err
}

// Functions returns the functions that the database must have before the first
// statement is rewritten: none in phase off.
func (m *Migration) Functions() []*Function {
	guard := m.syncs.guard
	if m.Rule.Guard != rules.SyncGuard {
		guard = nil
	}
	var all []*Function
	for _, f := range []*Function{m.syncs.byKeys, m.syncs.byRow, m.syncs.fresh, guard, m.syncs.watch, m.syncs.watchNew, m.syncs.back, m.syncs.partBack, m.syncs.check} {
		if f != nil {
			all = append(all, f)
		}
	}
	return all
}

// SyncSQL is a statement that syncs the keys that are in the settings.
func (m *Migration) SyncSQL() string { return "SELECT " + m.syncs.byKeys.Name + "()" }

// syncFor returns the statement that syncs the keys behind a statement.
func (p *Planner) syncFor(m *Migration, to direction) *Sync {
	name := fmt.Sprintf("pgjanus_%d_%s", p.epoch, m.Rule.Name)
	switch to {
	case backward:
		return &Sync{Migration: m.Rule.Name, Name: name + "_back", SQL: "SELECT " + m.syncs.back.Name + "()"}
	case partial:
		return &Sync{Migration: m.Rule.Name, Name: name + "_back_part", SQL: "SELECT " + m.syncs.partBack.Name + "()"}
	case checking:
		return &Sync{Migration: m.Rule.Name, Name: name + "_check", SQL: "SELECT " + m.syncs.check.Name + "()"}
	}
	return &Sync{Migration: m.Rule.Name, Name: name, SQL: m.SyncSQL()}
}
