package migrate_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

// TestWrongRulesAreNamedWithPlaceAndWayOut runs testdata/check/*.txt against the
// canonical tables: "sql" changes the database, "rules" loads a rules file as
// serve does and prints what is wrong with it. Each file has a database of its
// own.
func TestWrongRulesAreNamedWithPlaceAndWayOut(t *testing.T) {
	datadriven.Walk(t, "testdata/check", func(t *testing.T, path string) {
		dsn := pgtest.Database(t)
		pgtest.Canon(t, dsn, 0)
		conn := pgtest.Connect(t, dsn)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "sql" {
				pgtest.Exec(t, dsn, d.Input)
				return ""
			}
			set, err := rules.Parse("rules.yaml", []byte(d.Input))
			if err != nil {
				return err.Error() + "\n"
			}
			ctx := context.Background()
			planner, err := migrate.Load(ctx, conn, set, 1)
			if err != nil {
				return strings.ReplaceAll(err.Error(), conn.Config().Database, "app") + "\n"
			}
			if err := migrate.Install(ctx, conn); err != nil {
				t.Fatal(err)
			}
			if err := migrate.Enact(ctx, conn, planner); err != nil {
				return err.Error() + "\n"
			}
			return "ok\n"
		})
	})
}
