package migrate

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A backfill of kind columns is an UPDATE like any other to triggers of the user,
// which check warns of, and the ways out that it names are some.
func TestABackfillFiresTriggersThatAreWarnedOf(t *testing.T) {
	const rows, inactive = 30, 10 // every third user is not what the default says
	s := canon(t, rows)
	fired := func(migration string) string {
		t.Helper()
		said, err := Fired(s.context(), s.conn, s.planner.Migration(migration))
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	for _, migration := range canonical {
		if said := fired(migration); said != "" {
			t.Errorf("without triggers: %s", said)
		}
	}
	s.exec(`
ALTER TABLE users ADD COLUMN version int NOT NULL DEFAULT 0;
CREATE TABLE audit (name text, id int);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (TG_NAME, NEW.id); RETURN NULL; END';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.version := OLD.version + 1; RETURN NEW; END';
CREATE TRIGGER touches BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER audits AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION audit();
CREATE FUNCTION whole() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (TG_NAME, 0); RETURN NULL; END';
CREATE TRIGGER whole AFTER UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION whole();
CREATE TRIGGER of_old AFTER UPDATE OF is_active, email ON users FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER spared AFTER UPDATE ON users FOR EACH ROW
	WHEN (current_setting('application_name') NOT LIKE 'pgjanus backfill %') EXECUTE FUNCTION audit();
CREATE TRIGGER audits AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit();`)
	s.rules(pgtest.CanonRules("dualwrite"))
	const want = "user-status: the backfill updates each row of public.users that differs, which may fire these triggers: audits, spared, touches, whole " +
		"(where that is too much, give one WHEN (current_setting('application_name') NOT LIKE 'pgjanus backfill %'), or UPDATE OF columns that are not new)"
	if said := fired("user-status"); said != want {
		t.Errorf("got\n%s\nwant\n%s", said, want)
	}
	if said := fired("order-items"); said != "" {
		t.Errorf("of kind rows, whose backfill leaves the old table alone: %s", said)
	}
	for run := range 2 { // the second one has nothing to update
		s.backfill(BackfillOptions{Migration: "user-status", Batch: 10, Restart: true})
		s.clean("user-status")
		if n := pgtest.Value[int](t, s.dsn, "SELECT sum(version)::int FROM users"); n != inactive {
			t.Errorf("the trigger for each row was fired %d times, want %d", n, inactive)
		}
		if n := pgtest.Value[int](t, s.dsn, "SELECT count(*)::int FROM audit WHERE name = 'audits'"); n != inactive {
			t.Errorf("the audit has %d entries, want %d", n, inactive)
		}
		if n, batches := pgtest.Value[int](t, s.dsn, "SELECT count(*)::int FROM audit WHERE name = 'whole'"), 3*(run+1); n != batches {
			t.Errorf("the trigger for each statement was fired %d times, want %d", n, batches)
		}
		if n := pgtest.Value[int](t, s.dsn, "SELECT count(*)::int FROM audit WHERE name NOT IN ('audits', 'whole')"); n != 0 {
			t.Errorf("%d entries of triggers that the ways out spare", n)
		}
	}
	s.backfill(BackfillOptions{Migration: "order-items"})
	if n := pgtest.Value[int](t, s.dsn, "SELECT count(*)::int FROM audit WHERE name <> 'whole'"); n != inactive {
		t.Errorf("the backfill of kind rows has fired triggers of the old table: %d entries", n)
	}
}
