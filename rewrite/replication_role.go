package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/rules"
)

// replicationRole is the setting under which Postgres fires no trigger but those
// that ask for it: neither the cascade that takes new rows along with their old
// one, nor a guard. Statements under it would leave the shapes apart.
const replicationRole = "session_replication_role"

// relyingOnTriggers names a migration that relies on triggers being fired, or "".
func (p *Planner) relyingOnTriggers() string {
	for _, m := range p.migrations {
		if m.Rule.Active() && (m.Rule.Kind == rules.Rows || m.Rule.Guard == rules.SyncGuard) {
			return m.Rule.Name
		}
	}
	return ""
}

// setsReplicationRole refuses a statement that sets it, as far as the text says
// so: SET, also as a property of a function, role or database, set_config, an
// update of pg_settings, and a DO block that speaks of it.
func (w *planning) setsReplicationRole(text string) error {
	migration := w.relyingOnTriggers()
	if migration == "" {
		return nil
	}
	spoken := strings.Contains(lowerASCII(text), replicationRole)
	var err error
	for _, n := range w.nodes {
		offset, sets := -1, false
		switch n := n.(type) {
		case *pg_query.VariableSetStmt:
			sets = strings.EqualFold(n.Name, replicationRole) && n.Kind == pg_query.VariableSetKind_VAR_SET_VALUE && !(len(n.Args) == 1 && firesTriggers(n.Args[0]))
		case *pg_query.FuncCall:
			sets, offset = w.setsConfig(n, spoken), int(n.Location)
		case *pg_query.UpdateStmt:
			if n.GetRelation().GetRelname() == "pg_settings" {
				sets, offset = spoken || firesNone(n), int(n.GetRelation().GetLocation())
				w.byLiteral()
			}
		case *pg_query.DoStmt:
			sets = strings.Contains(lowerASCII(text), "replica")
		}
		if sets && err == nil {
			err = &Refusal{
				Migration: migration, Offset: offset,
				Reason: replicationRole + " would keep foreign keys and guards from doing their part",
				Hint:   "run it directly on Postgres, and run pgjanus verify afterwards",
			}
		}
	}
	return err
}

// setsConfig reports whether f is set_config of the setting to what it must not
// be. Where the name is no constant, the text speaks of the setting, or of the value.
func (w *planning) setsConfig(f *pg_query.FuncCall, spoken bool) bool {
	if f.Funcname[len(f.Funcname)-1].GetString_().GetSval() != "set_config" || len(f.Args) < 2 {
		return false
	}
	if name := f.Args[0].GetAConst().GetSval(); name != nil {
		return strings.EqualFold(name.Sval, replicationRole) && !firesTriggers(f.Args[1])
	}
	w.byLiteral()
	return (spoken || firesNone(f.Args[1])) && !firesTriggers(f.Args[1])
}

// firesTriggers reports whether a value of the setting is one of those under
// which triggers are fired.
func firesTriggers(value *pg_query.Node) bool {
	v := value.GetAConst().GetSval().GetSval()
	return strings.EqualFold(v, "origin") || strings.EqualFold(v, "local")
}

// firesNone reports whether the other value occurs in a tree.
func firesNone(tree node) bool {
	found := false
	walk(tree, func(n node) {
		if c, ok := n.(*pg_query.A_Const); ok && strings.EqualFold(c.GetSval().GetSval(), "replica") {
			found = true
		}
	})
	return found
}
