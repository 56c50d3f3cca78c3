package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

func install(t testing.TB, dsn string, set *rules.Set) {
	pgtest.Exec(t, dsn, `CREATE SCHEMA IF NOT EXISTS pgjanus; CREATE TABLE IF NOT EXISTS pgjanus.migration (name text primary key, cursor_key text[], batch bigint not null default 0, ahead_key text[], ahead_batch bigint not null default 0)`)
	for _, m := range set.Migrations {
		pgtest.Exec(t, dsn, "CREATE SEQUENCE IF NOT EXISTS "+rewrite.FillSequence(m.Name)+" MINVALUE 0 START 0", "SELECT setval('"+rewrite.FillSequence(m.Name)+"', 0)", "INSERT INTO pgjanus.migration (name) VALUES ('"+m.Name+"') ON CONFLICT DO NOTHING")
	}
}
