package test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgserver"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rules"
)

// kills is how often each of the two is killed.
const kills = 25

// amidst is how many transactions are committed before the kill, so that it
// comes in the middle of writes.
const amidst = 20

func TestKilledProxyLeavesNoHalfWrite(t *testing.T) {
	dsn := pgtest.Database(t)
	stage(t, dsn)
	total := load{level: "all levels"}
	for n := range kills {
		c := newChild(t, dsn)
		l := &load{dsn: c.dsn, level: levels[n%len(levels)], movesKeys: true, mortal: true}
		l.disturb(t, c.kill)
		c.kill()
		waitUntil(t, "the backends have noticed", func() bool { return len(backends(t, dsn)) == 0 })
		if pgtest.Agree(t, dsn); t.Failed() {
			t.Fatalf("after kill %d", n+1)
		}
		total.add(l)
	}
	total.log(t)
}

func TestKilledBackendLeavesNoHalfWrite(t *testing.T) {
	server, err := pgserver.Start(context.Background(), pgserver.Options{Settings: map[string]string{"restart_after_crash": "on"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	dsn := server.DSN("postgres")
	stage(t, dsn)
	c := newChild(t, dsn)
	total := load{level: "all levels"}
	for n := range kills {
		l := &load{dsn: c.dsn, level: levels[n%len(levels)], movesKeys: true, mortal: true}
		l.disturb(t, func() {
			victims := backends(t, dsn)
			if len(victims) == 0 {
				t.Error("there is no backend to kill")
				return
			}
			if err := syscall.Kill(victims[rand.IntN(len(victims))], syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		})
		waitUntil(t, "Postgres has recovered", func() bool { return answers(dsn) })
		if pgtest.Agree(t, dsn); t.Failed() {
			t.Fatalf("after kill %d", n+1)
		}
		total.add(l)
	}
	total.log(t)
}

// stage makes the canonical tables, and records that dualwrite is in force.
func stage(t *testing.T, dsn string) {
	t.Helper()
	pgtest.Canon(t, dsn, 0)
	arena(t, dsn)
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		t.Fatal(err)
	}
	install(t, dsn, set)
}

// disturb runs the load, kills in the middle of it, and waits until every
// client has lost its connection or is otherwise done.
func (l *load) disturb(t *testing.T, kill func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	l.start(ctx)
	waitUntil(t, "the load is under way", func() bool { return l.commits.Load() >= amidst })
	kill()
	stop()
	if err := l.wait(); err != nil {
		t.Error(err)
	}
}

func (l *load) add(other *load) {
	l.commits.Add(other.commits.Load())
	l.rollbacks.Add(other.rollbacks.Load())
	l.conflicts.Add(other.conflicts.Load())
}

// backends returns the server processes of a load.
func backends(t *testing.T, dsn string) []int {
	t.Helper()
	return pgtest.Value[[]int](t, dsn, "SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity WHERE application_name = $1", loadName)
}

// answers reports whether a server accepts connections.
func answers(dsn string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return false
	}
	_, err = conn.Exec(ctx, "SELECT")
	hangUp(conn)
	return err == nil
}
