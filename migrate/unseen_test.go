package migrate_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

// A foreign key of a new column changes it when what it refers to changes.
func TestForeignKeysThatChangeANewColumnAreUnseen(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	pgtest.Exec(t, dsn, "CREATE TABLE statuses (name text PRIMARY KEY)", "ALTER TABLE users ADD CONSTRAINT known FOREIGN KEY (status) REFERENCES statuses ON UPDATE CASCADE")
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, conn := context.Background(), pgtest.Connect(t, dsn)
	planner, err := migrate.Load(ctx, conn, set, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range planner.Migrations() {
		unseen, err := migrate.Unseen(ctx, conn, m)
		if err != nil {
			t.Fatal(err)
		}
		found := strings.Contains(strings.Join(unseen, "\n"), "foreign key known to public.statuses, which changes status")
		if found != (m.Rule.Name == "user-status") {
			t.Errorf("%s: %q", m.Rule.Name, unseen)
		}
	}
}
