package migrate

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

func TestNothingIsRecordedBeforeInstall(t *testing.T) {
	s := &stand{t: t, dsn: pgtest.Database(t)}
	phases, err := RecordedPhases(s.context(), pgtest.Connect(t, s.dsn))
	if err != nil || phases == nil || len(phases) != 0 {
		t.Errorf("%v, %v", phases, err)
	}
}

func TestInstallAndEnactMayRunAtTheSameTime(t *testing.T) {
	s := &stand{t: t, dsn: pgtest.Database(t)}
	pgtest.Canon(t, s.dsn, 0)
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		t.Fatal(err)
	}
	ctx := s.context()
	planner, err := Load(ctx, pgtest.Connect(t, s.dsn), set, 1)
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	for range 6 {
		conn := pgtest.Connect(t, s.dsn)
		group.Go(func() error {
			for range 3 {
				if err := Install(ctx, conn); err != nil {
					return err
				}
				if err := Enact(ctx, conn, planner); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	phases, err := RecordedPhases(ctx, pgtest.Connect(t, s.dsn))
	want := map[string]rules.Phase{"order-items": rules.Dualwrite, "user-status": rules.Dualwrite, "counter-bigint": rules.Dualwrite}
	if err != nil || !reflect.DeepEqual(phases, want) {
		t.Errorf("%v, %v", phases, err)
	}
	if n := pgtest.Value[int64](t, s.dsn, "SELECT max(generation) FROM pgjanus.migration"); n != 1 {
		t.Errorf("generation %d of what never changed", n)
	}
}

func TestGenerationCountsEveryTimeWritesMayGoBy(t *testing.T) {
	s := canon(t, 1)
	on, off, none := pgtest.CanonRules("dualwrite"), pgtest.CanonRules("off"), "migrations: []"
	other := strings.Replace(on, "ELSE 'disabled'", "ELSE 'paused'", 1)
	for i, step := range []struct {
		rules      string
		phase      string
		generation int64
	}{
		{on, "dualwrite", 1},
		{off, "off", 2},
		{off, "off", 2},
		{none, "off", 2},
		{on, "dualwrite", 3},
		{other, "dualwrite", 4},
		{none, "off", 5},
		{none, "off", 5},
		{off, "off", 6},
		{on, "dualwrite", 7},
	} {
		s.rules(step.rules)
		if st := s.state("user-status"); st.phase != step.phase || st.generation != step.generation {
			t.Errorf("step %d: %s, generation %d; want %s, %d", i, st.phase, st.generation, step.phase, step.generation)
		}
	}
	if st := s.state("order-items"); st.generation != 5 { // its definition never changed
		t.Errorf("order-items: generation %d", st.generation)
	}
}

func TestSyncRunsWithTheRightsOfTheApplication(t *testing.T) {
	s := canon(t, 10)
	role := fmt.Sprintf("app_%d", s.conn.PgConn().PID())
	s.exec(fmt.Sprintf(`CREATE ROLE %s; GRANT SELECT, UPDATE ON orders TO %[1]s; GRANT ALL ON order_items TO %[1]s; GRANT ALL ON order_items_id_seq TO %[1]s`, role))
	defer s.exec(fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %[1]s`, role))
	w := s.writer(pgx.Serializable)
	if _, err := w.tx.Exec(s.context(), "SET LOCAL ROLE "+role); err != nil {
		t.Fatal(err)
	}
	if err := w.write(4); err != nil {
		t.Error(err)
	}
}

func TestInstallSyncsGivesThePlaceOfTheMigration(t *testing.T) {
	s := canon(t, 1)
	s.exec("ALTER TABLE order_items RENAME COLUMN sku TO label") // behind the planner's back
	err := InstallSyncs(s.context(), s.conn, s.planner)
	if ps := rules.AsProblems(err); len(ps) != 1 || !strings.HasPrefix(ps[0].String(), "rules.yaml:2:11: Postgres refuses the statement that keeps order-items in sync: ") {
		t.Error(err)
	}
}

// A rules file that is rejected because of a lock that is not granted, or of what
// Postgres says of its statements, costs no backfill.
func TestWhatCannotBeEnactedLeavesTheCheckpoint(t *testing.T) {
	s := canon(t, 3)
	s.backfill(BackfillOptions{Migration: "user-status"})
	before := s.state("user-status")
	planner := func(text string) *rewrite.Planner {
		set, err := rules.Parse("rules.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Load(s.context(), s.conn, set, 2)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	changed := planner(strings.Replace(pgtest.CanonRules("dualwrite"), "'disabled'", "'paused'", 1))
	s.exec("ALTER TABLE order_items RENAME COLUMN sku TO label") // behind the planner's back
	if err := Enact(s.context(), s.conn, changed); len(rules.AsProblems(err)) == 0 {
		t.Error(err)
	}
	if after := s.state("user-status"); !reflect.DeepEqual(after, before) {
		t.Errorf("the state is %+v, want %+v", after, before)
	}
	s.exec("ALTER TABLE order_items RENAME COLUMN label TO sku")
	if err := Enact(s.context(), s.conn, changed); err != nil {
		t.Error(err)
	}
	if after := s.state("user-status"); after.valid() {
		t.Error("the checkpoint is valid under another definition")
	}
}

func TestLoadReportsProblemsOfTheRules(t *testing.T) {
	s := canon(t, 1)
	s.exec("DROP TABLE order_items")
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(s.context(), s.conn, set, 2); len(rules.AsProblems(err)) == 0 {
		t.Error(err)
	}
}
