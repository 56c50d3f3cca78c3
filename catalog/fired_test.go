package catalog

import (
	"slices"
	"testing"
)

func TestFiredAreTheTriggersForAnUpdateOfThoseColumns(t *testing.T) {
	conn := database(t, `
CREATE SCHEMA pgjanus;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION pgjanus.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE refs (id int PRIMARY KEY);
CREATE TABLE t (id int PRIMARY KEY REFERENCES refs ON UPDATE CASCADE, a int, b int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TRIGGER every AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER "Whole" BEFORE UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION f();
CREATE TRIGGER of_it AFTER UPDATE OF a, b ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER of_others AFTER UPDATE OF id, a ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER inserts AFTER INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER disabled AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION f();
ALTER TABLE t DISABLE TRIGGER disabled;
CREATE TRIGGER ours AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION pgjanus.f();
CREATE TRIGGER own BEFORE UPDATE ON part FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER not_named AFTER UPDATE ON part FOR EACH STATEMENT EXECUTE FUNCTION f();`)
	got, err := Fired(bounded(t), conn, Name{"public", "t"}, []string{"b"})
	if want := []string{`"Whole"`, "every", "of_it", "own on public.part"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
}
