package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// usesSQL names what is not immutable or not built in among functions, the
// functions behind operators and casts through text, and those an aggregate that
// is not built in is made of. Transaction ids are stable to Postgres, but no two
// transactions agree on them, so they count as volatile here. Some functions that
// make text of a value are immutable to Postgres though they look at a setting
// (bytea_output, IntervalStyle, extra_float_digits); they count as stable.
const usesSQL = `
WITH used(oid) AS (
  SELECT unnest($1::oid[])
  UNION SELECT oprcode FROM pg_operator WHERE oid = ANY($2::oid[])
  UNION SELECT typinput FROM pg_type WHERE oid = ANY($3::oid[])
  UNION SELECT typoutput FROM pg_type WHERE oid = ANY($4::oid[])
  UNION SELECT f FROM pg_aggregate g, unnest(ARRAY[g.aggtransfn, g.aggfinalfn]) f
    WHERE g.aggfnoid = ANY($1::oid[]) AND g.aggfnoid >= 16384
)
SELECT DISTINCT n.nspname, p.proname, p.oid >= 16384,
  CASE WHEN n.nspname = 'pg_catalog' AND p.proname IN ('txid_current', 'txid_current_if_assigned', 'txid_current_snapshot',
      'pg_current_xact_id', 'pg_current_xact_id_if_assigned', 'pg_current_snapshot') THEN 'v'
    WHEN n.nspname = 'pg_catalog' AND p.proname IN ('byteaout', 'interval_out', 'float4out', 'float8out') THEN 's'
    ELSE p.provolatile::text END
FROM used u JOIN pg_proc p ON p.oid = u.oid JOIN pg_namespace n ON n.oid = p.pronamespace`

// used is what an expression calls; each list is sorted, and nil for none.
type used struct {
	volatile, stable []string // qualified unless built in
	functions        []Name   // those that are not built in
}

// uses looks up what an expression calls. A function is what it is declared to
// be: bodies, views that a query reads and checks of domains are not looked into.
func (n *nodes) uses(ctx context.Context, tx pgx.Tx) (u used, err error) {
	u.stable = append(u.stable, n.values...)
	if len(n.functions)+len(n.operators)+len(n.inputs)+len(n.outputs) > 0 {
		args := []any{n.functions, n.operators, n.inputs, n.outputs}
		err = each(ctx, tx, "functions", usesSQL, args, func(row pgx.Rows) error {
			var f Name
			var user bool
			var volatility string
			if err := row.Scan(&f.Schema, &f.Name, &user, &volatility); err != nil {
				return err
			}
			name := f.Name
			if f.Schema != "pg_catalog" {
				name = f.String()
			}
			switch volatility {
			case "v":
				u.volatile = append(u.volatile, name)
			case "s":
				u.stable = append(u.stable, name)
			}
			if user {
				u.functions = append(u.functions, f)
			}
			return nil
		})
		if err != nil {
			return used{}, err
		}
	}
	slices.Sort(u.volatile)
	slices.Sort(u.stable)
	slices.SortFunc(u.functions, func(a, b Name) int { return strings.Compare(a.String(), b.String()) })
	u.volatile, u.stable, u.functions = slices.Compact(u.volatile), slices.Compact(u.stable), slices.Compact(u.functions)
	return u, nil
}
