package catalog

import (
	"slices"
	"testing"
)

// What each view says of itself is what Postgres does with a write through it.
func TestViewsAreUpdatableWherePostgresWritesThroughThem(t *testing.T) {
	conn := database(t, `
CREATE TABLE t (id int PRIMARY KEY, a text, b text DEFAULT 'b');
CREATE TABLE other (id int PRIMARY KEY);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE VIEW plain AS SELECT * FROM t;
CREATE VIEW renamed (k, upper, v) AS SELECT id, upper(a), a FROM t x WHERE id > 0;
CREATE VIEW twice AS SELECT v, k FROM renamed WHERE k < 100 WITH CHECK OPTION;
CREATE VIEW defaulted AS SELECT id, b FROM t;
ALTER VIEW defaulted ALTER b SET DEFAULT 'view';
CREATE VIEW joined AS SELECT t.id FROM t JOIN other USING (id);
CREATE VIEW among AS SELECT id, a FROM t WHERE id NOT IN (SELECT id FROM other);
CREATE VIEW distinct_ones AS SELECT DISTINCT a FROM t;
CREATE VIEW counted AS SELECT a, count(*) FROM t GROUP BY a;
CREATE VIEW limited AS SELECT id FROM t LIMIT 1;
CREATE VIEW united AS SELECT id FROM t UNION ALL SELECT id FROM other;
CREATE VIEW windowed AS SELECT id, row_number() OVER () FROM t;
CREATE VIEW sets AS SELECT id, generate_series(1, 2) FROM t;
CREATE VIEW system AS SELECT id, ctid AS place FROM t;
CREATE VIEW whole AS SELECT id, t AS r FROM t;
CREATE VIEW fixed AS SELECT 1 AS one FROM t;
CREATE VIEW with_trigger AS SELECT * FROM t;
CREATE TRIGGER instead INSTEAD OF INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE VIEW over_trigger AS SELECT * FROM with_trigger;
CREATE VIEW with_rule AS SELECT * FROM t;
CREATE RULE r AS ON UPDATE TO with_rule DO INSTEAD NOTHING;
CREATE VIEW with_also AS SELECT * FROM t;
CREATE RULE r AS ON UPDATE TO with_also DO ALSO INSERT INTO other VALUES (1);
CREATE MATERIALIZED VIEW stored AS SELECT * FROM t;
`)
	table := Name{"public", "t"}
	s := load(t, conn, Request{Tables: []Name{table}})
	want := map[string][]string{
		"plain": {"id", "a", "b"}, "renamed": {"k", "v"}, "twice": {"v", "k"}, "defaulted": {"id", "b"}, "among": {"id", "a"},
		"system": {"id"}, "whole": {"id"}, "fixed": {}, "over_trigger": {"id", "a", "b"},
	}
	for _, name := range s.Tables[table].Views {
		v := s.Views[name]
		if name.Name == "stored" {
			if v != nil {
				t.Error("a materialized view is listed")
			}
			continue
		}
		if v == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		columns, updatable := want[name.Name]
		if v.Updatable != updatable {
			t.Errorf("%s: updatable is %v", name, v.Updatable)
		}
		var got []string
		for _, c := range v.Columns {
			if v.Updatable && c.Updatable {
				got = append(got, c.Name)
			}
			if c.Default != (name.Name == "defaulted" && c.Name == "b") {
				t.Errorf("%s.%s has a default: %v", name, c.Name, c.Default)
			}
		}
		if !slices.Equal(got, columns) {
			t.Errorf("%s: %v can be written, want %v", name, got, columns)
		}
	}
	if len(s.Views) != 19 {
		t.Errorf("there are %d views", len(s.Views))
	}
}
