package test

import (
	"context"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

// install records the phases of set, as a reload does before any session works
// under them.
func install(t testing.TB, dsn string, set *rules.Set) {
	t.Helper()
	ctx := context.Background()
	conn := pgtest.Connect(t, dsn)
	defer conn.Close(ctx)
	if err := migrate.Install(ctx, conn); err != nil {
		t.Fatal(err)
	}
	planner, err := migrate.Load(ctx, conn, set, 1)
	if err == nil {
		err = migrate.Enact(ctx, conn, planner)
	}
	if err != nil {
		t.Fatal(err)
	}
}
