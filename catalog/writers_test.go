package catalog_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
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
CREATE FUNCTION unused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Things" SET n = 2; RETURN NULL; END $$;
CREATE FUNCTION on_itself() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE "Things" SET n = 2; RETURN NULL; END $$;
CREATE TRIGGER also AFTER UPDATE ON "Things" FOR EACH ROW EXECUTE FUNCTION on_itself();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "Things" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_itself();
CREATE TRIGGER disabled AFTER DELETE ON "Things" FOR EACH ROW EXECUTE FUNCTION on_itself();
ALTER TABLE "Things" DISABLE TRIGGER disabled;
CREATE FUNCTION assigns() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := coalesce(NEW.n, 0) + 1; RETURN NEW; END $$;
CREATE TRIGGER assigns BEFORE INSERT OR UPDATE ON "Things" FOR EACH ROW EXECUTE FUNCTION assigns();
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
		"foreign key \"Things_kind_fkey\" to public.kinds, which changes kind",
		"function public.unused()",
		"function public.writes(integer)",
		"procedure public.fills()",
		"rule moves on public.other",
		"trigger also on public.\"Things\" itself, by function public.on_itself()",
		"trigger late on public.\"Things\" itself, by function public.on_itself()",
		"trigger passes on public.other, by function public.passes_on()",
	}
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

// What writes a table by the name of a view or a partition is found, and what has
// a name that only contains one of theirs is not.
func TestWritersByTheNameOfAViewOrAPartition(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Exec(t, dsn, `
CREATE TABLE refs (id int PRIMARY KEY);
CREATE TABLE ev (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_a PARTITION OF ev FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE "Part B" PARTITION OF part_a FOR VALUES FROM (0) TO (5);
ALTER TABLE "Part B" ADD FOREIGN KEY (n) REFERENCES refs ON DELETE SET NULL;
CREATE VIEW seen AS SELECT * FROM ev;
CREATE VIEW seen_twice AS SELECT * FROM seen WHERE n > 0;
CREATE TABLE other (id int);
CREATE TABLE ev_a (id int);
CREATE FUNCTION by_view() RETURNS void LANGUAGE sql AS 'UPDATE seen SET n = 1';
CREATE FUNCTION by_view_of_view() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.seen_twice; END';
CREATE FUNCTION by_part() RETURNS void LANGUAGE sql AS 'INSERT INTO part_a VALUES (1)';
CREATE FUNCTION by_part_of_part() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('UPDATE %I SET n = 1', 'Part B'); END $$;
CREATE FUNCTION by_longer_name() RETURNS void LANGUAGE sql AS 'UPDATE ev_a SET id = 1';
CREATE FUNCTION reads() RETURNS void LANGUAGE sql AS 'INSERT INTO ev_a SELECT id FROM ev';
CREATE RULE by_view AS ON DELETE TO other DO ALSO UPDATE seen_twice SET n = 0;
CREATE RULE by_part AS ON INSERT TO other DO ALSO DELETE FROM "Part B";
CREATE RULE reads AS ON UPDATE TO other DO ALSO INSERT INTO ev_a SELECT id FROM seen;
CREATE FUNCTION on_part() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE ev SET n = 1; RETURN NULL; END';
CREATE TRIGGER on_part AFTER INSERT ON "Part B" FOR EACH ROW EXECUTE FUNCTION on_part();
CREATE TRIGGER on_all AFTER DELETE ON ev FOR EACH ROW EXECUTE FUNCTION on_part();
`)
	want := []string{
		`foreign key "Part B_n_fkey" of public."Part B" to public.refs, which changes n`,
		"function public.by_part()",
		"function public.by_part_of_part()",
		"function public.by_view()",
		"function public.by_view_of_view()",
		"rule by_part on public.other",
		"rule by_view on public.other",
		"trigger on_all on public.ev itself, by function public.on_part()",
		`trigger on_part on public."Part B", by function public.on_part()`,
	}
	if pgtest.Value[int](t, dsn, "SELECT current_setting('server_version_num')::int") >= 140000 {
		// BEGIN ATOMIC came with Postgres 14.
		pgtest.Exec(t, dsn, `
CREATE FUNCTION atomic_by_view() RETURNS void LANGUAGE sql BEGIN ATOMIC UPDATE seen SET n = 1; END;
CREATE FUNCTION atomic_by_part() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT 1; DELETE FROM "Part B"; END;
CREATE FUNCTION atomic_itself() RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO ev VALUES (1); END;
CREATE FUNCTION atomic_reads() RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO ev_a SELECT id FROM seen; END;
CREATE FUNCTION atomic_returns() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM ev);
`)
		want = slices.Insert(want, 1, "function public.atomic_by_part()", "function public.atomic_by_view()", "function public.atomic_itself()")
	}
	name := func(s string) catalog.Name { return catalog.Name{Schema: "public", Name: s} }
	found, err := catalog.Writers(context.Background(), pgtest.Connect(t, dsn), catalog.Written{
		Table: name("ev"), Through: []catalog.Name{name("part_a"), name("Part B"), name("seen"), name("seen_twice")}, Columns: []string{"id", "n"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, w := range found {
		got = append(got, w.Object)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
