package migrate

import (
	"fmt"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

const notesRules = `migrations:
  - name: notes
    phase: dualwrite
    kind: rows
    old: {table: public.docs, key: [%s], columns: [body]}
    new: {table: public.lines, parent: {%s}}
    up: "SELECT l.text FROM regexp_split_to_table(old.body, ';') AS l(text) WHERE old.body <> ''"
  - name: sizes
    phase: dualwrite
    kind: columns
    old: {table: public.docs, key: [%[1]s], columns: [body]}
    new: {table: public.docs, columns: [size]}
    up: {size: "length(old.body)"}
`

// TestBackfillKnowsEveryKindOfKey fills tables whose keys are hard to write, to
// sort or to compare.
func TestBackfillKnowsEveryKindOfKey(t *testing.T) {
	for name, c := range map[string]struct {
		columns string   // of the key
		names   []string // of them
		values  string   // over g
	}{
		"text with everything in it": {
			`k text`,
			[]string{"k"},
			`(ARRAY['', ' ', 'NULL', 'a,b', '{a}', '"q"', 'back\slash', '''', E'new\nline', 'ü', 'Ü', 'Z', '%', 'null'])[g % 14 + 1] || CASE WHEN g < 14 THEN '' ELSE g::text END`,
		},
		"text in another collation": {
			`k text COLLATE "C"`, []string{"k"}, `(ARRAY['a', 'B', 'c', 'D', 'ä', 'z_'])[g % 6 + 1] || g`,
		},
		"varchar":                  {`k varchar(20)`, []string{"k"}, `'k ' || g`},
		"uuid":                     {`k uuid`, []string{"k"}, `md5(g::text)::uuid`},
		"numeric":                  {`k numeric`, []string{"k"}, `CASE WHEN g = 7 THEN 'NaN' ELSE g / 3.0 END`},
		"timestamptz":              {`k timestamptz`, []string{"k"}, `CASE WHEN g = 3 THEN 'infinity' ELSE '2024-10-27 00:30+00'::timestamptz + g * interval '1 minute' END`},
		"date before our time":     {`k date`, []string{"k"}, `'0044-03-15 BC'::date + g * 400`},
		"integer, text, timestamp": {`k int, "K 2" text, k3 timestamp`, []string{"k", `"K 2"`, "k3"}, `g % 5, 'it''s ' || g % 7, '2020-01-01'::timestamp + g * interval '1 day'`},
		"boolean, bigint":          {`k bool, n bigint`, []string{"k", "n"}, `g % 2 = 0, -g`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stand{t: t, dsn: pgtest.Database(t)}
			key, quoted, parents, refs := "", "", "", ""
			for i, n := range c.names {
				sep := ", "
				if i == 0 {
					sep = ""
				}
				key += sep + n
				quoted += sep + "'" + n + "'"
				parents += fmt.Sprintf("%sparent%d: '%s'", sep, i, n)
				refs += fmt.Sprintf("%sparent%d", sep, i)
			}
			s.exec(fmt.Sprintf(`CREATE TABLE docs (%s, body text, size int, PRIMARY KEY (%s));
				INSERT INTO docs SELECT %s, CASE WHEN g %% 4 > 0 THEN 'a;' || g || ';b' ELSE '' END FROM generate_series(0, 60) g;
				CREATE TABLE lines AS SELECT %[2]s FROM docs LIMIT 0`, c.columns, key, c.values))
			for i, n := range c.names {
				s.exec(fmt.Sprintf("ALTER TABLE lines RENAME COLUMN %s TO parent%d", n, i))
			}
			s.exec(fmt.Sprintf(`ALTER TABLE lines ADD COLUMN id bigserial PRIMARY KEY, ADD COLUMN text text,
				ADD FOREIGN KEY (%s) REFERENCES docs (%s) ON DELETE CASCADE`, refs, key))
			s.conn = pgtest.Connect(t, s.dsn)
			s.rules(fmt.Sprintf(notesRules, quoted, parents))
			for _, m := range []string{"notes", "sizes"} {
				if res := s.verify(m); res.Drift == 0 || res.Compared != 61 {
					t.Errorf("before: %+v", res)
				}
				if res := s.backfill(BackfillOptions{Migration: m, Batch: 9}); res.Filled != 61 {
					t.Errorf("%+v", res)
				}
				s.clean(m)
			}
			if n := pgtest.Value[int64](t, s.dsn, "SELECT count(*) FROM lines"); n != 45*3 {
				t.Errorf("%d lines", n)
			}
		})
	}
}
