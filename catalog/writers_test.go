package catalog_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestWritersThatNoStatementShows(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Exec(t, dsn, `
CREATE TABLE kinds (name text PRIMARY KEY);
CREATE TABLE owners (id int PRIMARY KEY);
CREATE TABLE makers (id int PRIMARY KEY);
CREATE TABLE "Things" (id int PRIMARY KEY, kind text REFERENCES kinds ON UPDATE CASCADE, owner int REFERENCES owners ON DELETE SET NULL, maker int REFERENCES makers ON DELETE CASCADE, n int);
CREATE TABLE other (id int);
CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM "Things"';
CREATE FUNCTION writes(k int) RETURNS void LANGUAGE sql AS 'UPDATE "Things" SET n = 1 WHERE id = k';
CREATE PROCEDURE fills() LANGUAGE plpgsql AS $$ BEGIN insert into public."Things" (id) VALUES (1); END $$;
CREATE FUNCTION elsewhere() RETURNS void LANGUAGE sql AS 'DELETE FROM other';
CREATE FUNCTION passes_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Things" SET n = 2; RETURN NULL; END $$;
CREATE TRIGGER passes AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION passes_on();
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Things" SET n = 2; RETURN NULL; END $$;
CREATE FUNCTION soon() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Things" SET n = 3; RETURN NULL; END $$;
CREATE TRIGGER soon AFTER DELETE ON "Things" FOR EACH ROW EXECUTE FUNCTION soon();
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Things" SET n = 4; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "Things" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
CREATE RULE moves AS ON DELETE TO other DO ALSO DELETE FROM "Things" WHERE id = OLD.id;
CREATE VIEW seen AS SELECT * FROM "Things";
`)
	conn := pgtest.Connect(t, dsn)
	writers := func(w catalog.Written) []string {
		t.Helper()
		w.Table = catalog.Name{Schema: "public", Name: "Things"}
		found, err := catalog.Writers(context.Background(), conn, w)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, w := range found {
			names = append(names, w.Object)
		}
		return names
	}
	want := []string{
		"foreign key Things_kind_fkey to public.kinds, which changes kind",
		"function public.own()",
		"function public.writes(integer)",
		"procedure public.fills()",
		"rule moves on public.other",
		`trigger late on public."Things", by function public.late()`,
		"trigger passes on public.other, by function public.passes_on()",
	}
	want[0] = `foreign key "Things_kind_fkey" to public.kinds, which changes kind`
	if got := writers(catalog.Written{Columns: []string{"id", "kind"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if got := writers(catalog.Written{Columns: []string{"n"}}); !reflect.DeepEqual(got, want[1:]) {
		t.Errorf("of a column without a foreign key: %q", got)
	}
	owners := catalog.Name{Schema: "public", Name: "owners"}
	if got := writers(catalog.Written{Columns: []string{"owner"}, With: owners}); !reflect.DeepEqual(got, append([]string{`foreign key "Things_maker_fkey" to public.makers, which deletes rows`}, want[1:]...)) {
		t.Errorf("of rows that go with owners: %q", got)
	}
}
