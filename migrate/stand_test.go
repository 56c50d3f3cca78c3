package migrate

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// stand is a database whose migrations are in a phase, as pgjanus serve leaves
// it behind.
type stand struct {
	t       *testing.T
	dsn     string
	conn    *pgx.Conn
	planner *rewrite.Planner
}

func canon(t *testing.T, rows int) *stand {
	t.Helper()
	s := &stand{t: t, dsn: pgtest.Database(t)}
	pgtest.Canon(t, s.dsn, rows)
	s.conn = pgtest.Connect(t, s.dsn)
	s.rules(pgtest.CanonRules("dualwrite"))
	return s
}

// in is the same stand for a subtest.
func (s *stand) in(t *testing.T) *stand {
	sub := *s
	sub.t = t
	return &sub
}

// forget brings back order-items as it was before its backfill.
func (s *stand) forget() {
	s.t.Helper()
	s.exec(`TRUNCATE order_items; UPDATE orders SET items = '[{"sku": "a", "qty": 1, "price_cents": 1}, {"sku": "b", "qty": 2, "price_cents": 2}]' WHERE id % 6 > 0;
		UPDATE pgjanus.migration SET generation = generation + 1`)
}

func (s *stand) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	return ctx
}

// rules puts a rules file in force.
func (s *stand) rules(text string) {
	s.t.Helper()
	ctx := s.context()
	set, err := rules.Parse("rules.yaml", []byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	s.planner, err = Load(ctx, s.conn, set, 1)
	if err == nil {
		err = Install(ctx, s.conn)
	}
	if err == nil {
		err = Enact(ctx, s.conn, s.planner)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) backfill(opts BackfillOptions) *BackfillResult {
	s.t.Helper()
	opts.Planner = s.planner
	res, err := Backfill(s.context(), s.conn, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

func (s *stand) verify(migration string) *VerifyResult {
	s.t.Helper()
	res, err := Verify(s.context(), s.conn, VerifyOptions{Planner: s.planner, Migration: migration, page: 7})
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

// clean fails the test unless the shapes agree.
func (s *stand) clean(migration string) {
	s.t.Helper()
	if res := s.verify(migration); res.Drift != 0 || len(res.Keys) != 0 || res.Compared == 0 {
		s.t.Errorf("drift: %+v", res)
	}
}

func (s *stand) exec(sql string) { s.t.Helper(); pgtest.Exec(s.t, s.dsn, sql) }

func (s *stand) state(migration string) state {
	s.t.Helper()
	st, err := scanState(s.context(), s.conn, migration)
	if err != nil {
		s.t.Fatal(err)
	}
	return *st
}

// sync is what the proxy runs behind the application's statement.
func (s *stand) sync(tx pgx.Tx, migration string, keys ...string) error {
	m := s.planner.Migration(migration)
	for _, k := range m.Key {
		list := ""
		for _, key := range keys {
			list += "," + key
		}
		if _, err := tx.Exec(s.context(), "SELECT set_config($1, $2, true)", k.Setting, list); err != nil {
			return err
		}
	}
	_, err := tx.Exec(s.context(), m.SyncSQL())
	return err
}
