package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// tablesByOID are the tables of a snapshot under construction.
type tablesByOID map[uint32]*Table

// oids returns the keys, the form in which the tables are sent to Postgres.
func (ts tablesByOID) oids() []uint32 {
	list := make([]uint32, 0, len(ts))
	for oid := range ts {
		list = append(list, oid)
	}
	return list
}

const tablesSQL = `
WITH named AS (
  SELECT DISTINCT c.oid, c.relkind FROM unnest($1::name[], $2::name[]) AS w(s, r)
  JOIN pg_namespace n ON n.nspname = w.s
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.r
), wanted AS (
  SELECT oid FROM named
  UNION SELECT t.relid FROM named, LATERAL pg_partition_tree(named.oid) t WHERE named.relkind = 'p'
)
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind, c.relrowsecurity, c.relispartition, c.relpersistence = 'u',
  t.typname::text, tn.nspname::text
FROM wanted JOIN pg_class c ON c.oid = wanted.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_type t ON t.oid = c.reloftype LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`

func (s *Snapshot) readTables(ctx context.Context, tx pgx.Tx, names []Name) (tablesByOID, error) {
	schemas, relations := split(names)
	byOID := tablesByOID{}
	err := each(ctx, tx, "tables", tablesSQL, []any{schemas, relations}, func(row pgx.Rows) error {
		t := &Table{}
		var of, schema *string
		err := row.Scan(&t.OID, &t.Name.Schema, &t.Name.Name, &t.Kind, &t.RowSecurity, &t.Partition, &t.Unlogged, &of, &schema)
		if of != nil {
			t.Of = &Name{*schema, *of}
		}
		byOID[t.OID], s.Tables[t.Name] = t, t
		return err
	})
	return byOID, err
}

// each calls fn for every row of a query; noun says in errors what was read.
func each(ctx context.Context, tx pgx.Tx, noun, sql string, args []any, fn func(pgx.Rows) error) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("reading %s: %w", noun, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return fmt.Errorf("reading %s: %w", noun, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", noun, err)
	}
	return nil
}
