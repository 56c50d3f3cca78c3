package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// mayInstall: whether the schema is there or may be made, who owns it where that
// is another role, the role, and what lets it make the schema.
const mayInstall = `
SELECT pg_catalog.to_regnamespace('pgjanus') IS NOT NULL OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
	coalesce((SELECT n.nspowner::pg_catalog.regrole::text FROM pg_catalog.pg_namespace n
		WHERE n.nspname = 'pgjanus' AND NOT pg_catalog.pg_has_role(n.nspowner, 'USAGE')), ''),
	pg_catalog.format('%I', current_user), pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I;', pg_catalog.current_database(), current_user)`

// mayTrigger: whether the trigger is there or may be made, and whether it may be
// removed, which only the owner may.
const mayTrigger = `
SELECT pg_catalog.has_table_privilege(c.oid, 'TRIGGER') OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = $2),
	pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relowner::pg_catalog.regrole::text
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)`

// Lacking says what the role of control may not do that bringing the rules of
// planner into force needs; and, as warnings, what it will not be able to undo.
func Lacking(ctx context.Context, conn *pgx.Conn, file string, planner *rewrite.Planner) (rules.Problems, []string, error) {
	var problems rules.Problems
	var warnings []string
	var install bool
	var maker, role, grant string
	if err := conn.QueryRow(ctx, mayInstall).Scan(&install, &maker, &role, &grant); err != nil {
		return nil, nil, fmt.Errorf("reading the privileges of the setting control: %w", err)
	}
	seen := map[rules.Table]bool{}
	for _, m := range planner.Migrations() {
		if m.Rule.Active() && !install {
			problems = append(problems, rules.Problem{
				File: file, Pos: m.Rule.PhasePos, Hint: "run: " + grant,
				Message: fmt.Sprintf("role %s of the setting control cannot create the schema pgjanus", role),
			})
			install = true // once is enough
		}
		if m.Rule.Active() && maker != "" {
			problems = append(problems, rules.Problem{
				File: file, Pos: m.Rule.PhasePos, Hint: fmt.Sprintf("name %s in control, or a role that is a member of it", maker),
				Message: fmt.Sprintf("the schema pgjanus is of role %s, and role %s of the setting control cannot change it", maker, role),
			})
			maker = ""
		}
		for _, t := range m.Triggers() {
			if seen[t.Table] {
				continue
			}
			seen[t.Table] = true
			var add, remove bool
			var owner string
			if err := conn.QueryRow(ctx, mayTrigger, rewrite.QName(t.Table), t.Name).Scan(&add, &remove, &owner); err != nil {
				return nil, nil, fmt.Errorf("reading the privileges on %s: %w", t.Table, err)
			}
			switch {
			case !add:
				problems = append(problems, rules.Problem{
					File: file, Pos: m.Rule.Old.Pos, Hint: fmt.Sprintf("run: GRANT TRIGGER ON %s TO %s;", t.Table, role),
					Message: fmt.Sprintf("role %s of the setting control lacks TRIGGER on %s, which the guard needs", role, t.Table),
				})
			case !remove:
				warnings = append(warnings, fmt.Sprintf("%s: migration %s could not go back to off: role %s of the setting control does not own %s, and only the owner removes the triggers of the guard (make it the owner, or a member of %s)",
					file, m.Rule.Name, role, t.Table, owner))
			}
		}
	}
	return problems, warnings, nil
}
