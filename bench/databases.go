package main

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sqlFiles are the schema, the scripts that pgbench runs, and the rules.
//
//go:embed sql
var sqlFiles embed.FS

// scale is that of pgbench -i: 100,000 accounts each.
const scale = 10

// createDatabases makes one database per dual-write variant. Only the variant
// of the trigger has triggers, and only rulesDB has the tables of pgbench.
func (s *stage) createDatabases(ctx context.Context) error {
	for _, db := range []string{rulesDB, oldDB, triggerDB, appDB} {
		if err := s.createDatabase(ctx, db); err != nil {
			return err
		}
	}
	if err := s.execFile(ctx, triggerDB, "triggers.sql"); err != nil {
		return err
	}
	return s.initPgbench(ctx)
}

// createDatabase makes a database with the canonical tables, both shapes equal.
func (s *stage) createDatabase(ctx context.Context, db string) error {
	if err := s.exec(ctx, "postgres", "CREATE DATABASE "+pgx.Identifier{db}.Sanitize()); err != nil {
		return err
	}
	for _, f := range []string{"schema.sql", "refresh_orders.sql", "refresh_users.sql"} {
		if err := s.execFile(ctx, db, f); err != nil {
			return err
		}
	}
	return nil
}

// prepare brings the tables of a group back to where every run begins, so that
// no variant works on bigger or more bloated ones than its rivals.
func (s *stage) prepare(ctx context.Context, g *group, v *variant) error {
	switch {
	case g.Table == passThrough && g.Work == "select":
		return nil
	case g.Table == passThrough:
		return s.exec(ctx, v.Database,
			"TRUNCATE pgbench_history",
			"VACUUM pgbench_branches, pgbench_tellers, pgbench_accounts")
	case g.Work == "status":
		if err := s.execFile(ctx, v.Database, "refresh_users.sql"); err != nil {
			return err
		}
		return s.exec(ctx, v.Database, "VACUUM ANALYZE users")
	default:
		if err := s.execFile(ctx, v.Database, "refresh_orders.sql"); err != nil {
			return err
		}
		return s.exec(ctx, v.Database, "VACUUM ANALYZE orders, order_items")
	}
}

// verify fails when a variant that promises both shapes has left them unequal:
// speed without the work does not count.
func (s *stage) verify(ctx context.Context, g *group, v *variant) error {
	if g.Table == passThrough || v.Name == oldOnly {
		return nil
	}
	file := "drift_orders.sql"
	if g.Work == "status" {
		file = "drift_users.sql"
	}
	sql, err := sqlFiles.ReadFile("sql/" + file)
	if err != nil {
		return fmt.Errorf("reading the drift query: %w", err)
	}
	conn, err := pgx.Connect(ctx, s.server.DSN(v.Database))
	if err != nil {
		return fmt.Errorf("counting drift in %s: %w", v.Database, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var drift int
	if err := conn.QueryRow(ctx, string(sql)).Scan(&drift); err != nil {
		return fmt.Errorf("counting drift in %s: %w", v.Database, err)
	}
	if drift != 0 {
		return fmt.Errorf("the two shapes disagree for %d keys after %s by %s", drift, g.name(), v.Name)
	}
	return nil
}

func (s *stage) execFile(ctx context.Context, db, file string) error {
	sql, err := sqlFiles.ReadFile("sql/" + file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return s.exec(ctx, db, string(sql))
}

// exec runs each text, which may hold several statements, on a connection of
// its own straight to Postgres.
func (s *stage) exec(ctx context.Context, db string, texts ...string) error {
	conn, err := pgx.Connect(ctx, s.server.DSN(db))
	if err != nil {
		return fmt.Errorf("preparing database %s: %w", db, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range texts {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("preparing database %s: %w", db, err)
		}
	}
	return nil
}
