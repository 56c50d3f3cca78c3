package catalog

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// volatilitySQL names what is not immutable among functions, the functions
// behind operators and casts through text, and those an aggregate that is not
// built in is made of. Transaction ids are stable to Postgres, but no two
// transactions agree on them, so they count as volatile here. Some functions that
// make text of a value are immutable to Postgres though they look at a setting
// (bytea_output, IntervalStyle, extra_float_digits); they count as stable.
const volatilitySQL = `
WITH used(oid) AS (
  SELECT unnest($1::oid[])
  UNION SELECT oprcode FROM pg_operator WHERE oid = ANY($2::oid[])
  UNION SELECT typinput FROM pg_type WHERE oid = ANY($3::oid[])
  UNION SELECT typoutput FROM pg_type WHERE oid = ANY($4::oid[])
  UNION SELECT f FROM pg_aggregate g, unnest(ARRAY[g.aggtransfn, g.aggfinalfn]) f
    WHERE g.aggfnoid = ANY($1::oid[]) AND g.aggfnoid >= 16384
)
SELECT DISTINCT CASE WHEN n.nspname = 'pg_catalog' THEN p.proname::text ELSE n.nspname || '.' || p.proname END,
  p.provolatile = 'v' OR (n.nspname = 'pg_catalog'
    AND p.proname IN ('txid_current', 'txid_current_if_assigned', 'txid_current_snapshot',
      'pg_current_xact_id', 'pg_current_xact_id_if_assigned', 'pg_current_snapshot'))
FROM used u JOIN pg_proc p ON p.oid = u.oid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.provolatile <> 'i' OR n.nspname = 'pg_catalog' AND p.proname IN ('byteaout', 'interval_out', 'float4out', 'float8out')`

// volatility returns the names of the volatile and of the stable functions
// used, sorted; nil for none. A function is what it is declared to be: bodies,
// views that a query reads and checks of domains are not looked into.
func (n *nodes) volatility(ctx context.Context, tx pgx.Tx) (volatile, stable []string, err error) {
	stable = append(stable, n.values...)
	if len(n.functions)+len(n.operators)+len(n.inputs)+len(n.outputs) > 0 {
		args := []any{n.functions, n.operators, n.inputs, n.outputs}
		err = each(ctx, tx, "functions", volatilitySQL, args, func(row pgx.Rows) error {
			var name string
			var isVolatile bool
			if err := row.Scan(&name, &isVolatile); err != nil {
				return err
			}
			if isVolatile {
				volatile = append(volatile, name)
			} else {
				stable = append(stable, name)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(volatile)
	slices.Sort(stable)
	return slices.Compact(volatile), slices.Compact(stable), nil
}
