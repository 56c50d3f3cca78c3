package migrate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

// A rehearsal beside a session that has read the state, as syncs at REPEATABLE READ
// do, waits for nobody: whoever came behind would wait for it.
func TestARehearsalDoesNotWait(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	set, err := rules.Parse("rules.yaml", []byte(`migrations:
  - name: user-status
    phase: dualwrite
    kind: columns
    old: {table: public.users, key: [id], columns: [is_active]}
    new: {table: public.users, columns: [status]}
    up: {status: "CASE WHEN old.is_active THEN 'active' ELSE 'disabled' END"}
`))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	conn := pgtest.Connect(t, dsn)
	planner, err := migrate.Load(ctx, conn, set, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate.Rehearse(ctx, conn, planner); err != nil {
		t.Fatal(err)
	}
	if err := migrate.Install(ctx, conn); err != nil {
		t.Fatal(err)
	}
	if err := migrate.Enact(ctx, conn, planner); err != nil {
		t.Fatal(err)
	}
	reader := pgtest.Connect(t, dsn)
	for _, sql := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT FROM pgjanus.migration"} {
		if _, err := reader.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	if err := migrate.Rehearse(ctx, conn, planner); err != nil {
		t.Errorf("the rehearsal: %v", err)
	}
	for _, sql := range []string{"ROLLBACK", "BEGIN", "LOCK TABLE users"} {
		if _, err := reader.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(ctx, `DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE proname LIKE 'user-status %' LOOP EXECUTE 'DROP FUNCTION ' || f; END LOOP; END $$`); err != nil {
		t.Fatal(err)
	}
	if err := migrate.Rehearse(ctx, conn, planner); err == nil || !strings.Contains(err.Error(), "locked by others, and was not free within 2s: try again") {
		t.Errorf("beside a lock, the rehearsal: %v", err)
	}
}
