package rewrite_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// canonical returns the planner of the three canonical migrations in a phase.
func canonical(t testing.TB, phase string, change func(*catalog.Snapshot)) *rewrite.Planner {
	t.Helper()
	return planned(t, pgtest.CanonRules(phase), change)
}

// planned returns the planner of rules over the canonical catalog.
func planned(t testing.TB, text string, change func(*catalog.Snapshot)) *rewrite.Planner {
	t.Helper()
	data, err := os.ReadFile("testdata/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	var snap catalog.Snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&snap)
	}
	set, err := rules.Parse("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rewrite.Compile(set, &snap, 7)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ownRows is the condition that a row is one of the table itself.
var ownRows = regexp.MustCompile(`CASE WHEN "(\w+)"\.tableoid OPERATOR\(pg_catalog\.=\) '"public"\."\w+"'::pg_catalog\.regclass THEN (.*?) ELSE false END`)

// shorten leaves out the condition that rows are the table's own, which
// names/rows.txt shows, and names the long expression that records a key, which is the same in
// every statement, so that goldens show what differs.
func shorten(p *rewrite.Planner, text string) string {
	for _, m := range p.Migrations() {
		for _, row := range []string{`"orders"`, `"users"`, `"counters"`, `"public"."orders"`, `"public"."users"`, `"o"`, `"u"`, `"c"`, `"Order"`} {
			text = strings.ReplaceAll(text, m.Record(row), "<record "+m.Rule.Name+" of "+row+">")
		}
		if m.Rule.Kind == rules.Rows && m.New != nil {
			for _, row := range []string{`"order_items"`, `"i"`} {
				text = strings.ReplaceAll(text, m.ParentRecord(row, false), "<record parent of "+row+">")
				text = strings.ReplaceAll(text, m.ParentRecord(row, true), "<record parent of "+row+", or NULL>")
			}
		}
		for _, f := range m.Functions() {
			text = strings.ReplaceAll(text, f.Name, f.Name[:len(f.Name)-len(` 01234567"`)]+`"`)
		}
	}
	return ownRows.ReplaceAllString(lensRecord.ReplaceAllString(text, "<record ${1} of ${2}>"), "$2")
}

// lensRecord is a record of a key that has another name than in the table.
var lensRecord = regexp.MustCompile(`\(CASE WHEN pg_catalog\.octet_length\(pg_catalog\.current_setting\('pgjanus\.k_(\w+)_1', true\)\).*?pg_catalog\.concat\(',', ("\w+"\."\w+")\), true\) IS NULL ELSE [^)]*\([^)]*\([^)]*\([^)]*\)[^)]*\)[^)]*\) IS NULL END\)`)

// partition makes a table one with a single partition, which has its columns in
// the opposite order and no default that is a constant.
func partition(s *catalog.Snapshot, table, name string) {
	whole := s.Tables[catalog.Name{Schema: "public", Name: table}]
	part := *whole
	part.Name.Name, part.Partition, part.Views, part.Parents = name, true, nil, []catalog.Name{whole.Name}
	part.Columns = nil
	for _, c := range whole.Columns {
		c.Constant = false
		part.Columns = append([]catalog.Column{c}, part.Columns...)
	}
	s.Tables[part.Name] = &part
	whole.Kind, whole.Children = 'p', []catalog.Name{part.Name}
}

// identities makes the keys identity columns, and adds a generated column.
func identities(s *catalog.Snapshot) {
	for table, kind := range map[string]byte{"orders": 'd', "users": 'a', "counters": 'd', "order_items": 'a'} {
		id := s.Tables[catalog.Name{Schema: "public", Name: table}].Column("id")
		id.Default, id.Constant, id.Identity = "", false, kind
	}
	orders := s.Tables[catalog.Name{Schema: "public", Name: "orders"}]
	label := *orders.Column("note")
	label.Num, label.Name, label.Constant, label.Generated = int16(len(orders.Columns)+1), "label", false, 's'
	orders.Columns = append(orders.Columns, label)
}

// down is that of a migration in a file of rules.
var down = regexp.MustCompile(`(?m)^    down:.*\n(?:      .*\n)*`)

// TestGoldens runs testdata/KIND/*.txt: plan takes SQL and prints the plan.
// Arguments: phase=off, guard, reject, dirty, expose, no-down, cascades, partitioned, identity, generated, refers, before-trigger=TABLE,
// version=N; namesake=TABLE, shadowed and names=ANSWER for what names stand for; whole shows all of it.
func TestGoldens(t *testing.T) {
	planners := map[string]*rewrite.Planner{} // by what they are made for
	datadriven.Walk(t, "testdata/plans", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			phase := "dualwrite"
			d.MaybeScanArgs(t, "phase", &phase)
			var trigger, namesake string
			d.MaybeScanArgs(t, "before-trigger", &trigger)
			d.MaybeScanArgs(t, "namesake", &namesake)
			text := pgtest.CanonRules(phase)
			if d.HasArg("guard") {
				text = strings.ReplaceAll(text, "    kind:", "    guard: sync\n    kind:")
			}
			if d.HasArg("dirty") {
				text = strings.ReplaceAll(text, "    kind:", "    on_fanout_error: dirty\n    kind:")
			}
			if d.HasArg("reject") {
				text = strings.ReplaceAll(text, "    kind:", "    guard: reject\n    kind:")
			}
			if d.HasArg("expose") {
				text = strings.ReplaceAll(text, "    kind: columns", "    expose_new_columns: true\n    kind: columns")
			}
			if d.HasArg("no-down") {
				text = down.ReplaceAllString(text, "")
			}
			version := 0
			d.MaybeScanArgs(t, "version", &version)
			made := fmt.Sprintf("%s %q %q %d %t %t %t %t %t", text, trigger, namesake, version, d.HasArg("partitioned"), d.HasArg("cascades"), d.HasArg("identity"), d.HasArg("generated"), d.HasArg("refers"))
			if planners[made] == nil {
				planners[made] = planned(t, text, func(s *catalog.Snapshot) {
					if version != 0 {
						s.Version = version
					}
					if trigger != "" {
						tab := s.Tables[catalog.Name{Schema: "public", Name: trigger}]
						tab.Triggers = append(tab.Triggers, catalog.Trigger{Name: "t", Before: true, Row: true, Insert: true, Update: true})
					}
					if d.HasArg("identity") {
						identities(s)
					}
					if d.HasArg("generated") {
						id := s.Tables[catalog.Name{Schema: "public", Name: "users"}].Column("id")
						id.Default, id.Constant, id.Generated = "", false, 's'
					}
					if d.HasArg("refers") {
						items := s.Tables[catalog.Name{Schema: "public", Name: "order_items"}]
						items.Referenced = append(items.Referenced, catalog.Name{Schema: "public", Name: "staging"})
					}
					if d.HasArg("partitioned") {
						partition(s, "orders", "orders_eu")
						partition(s, "users", "users_0")
					}
					if d.HasArg("cascades") {
						for i := range s.Tables[catalog.Name{Schema: "public", Name: "order_items"}].ForeignKeys {
							s.Tables[catalog.Name{Schema: "public", Name: "order_items"}].ForeignKeys[i].OnUpdate = 'c'
						}
					}
					if namesake != "" {
						s.Namesakes[namesake] = []string{"archive", "public"}
					}
				})
			}
			p := planners[made]
			env := rewrite.Env{BackslashEscapes: d.HasArg("escapes"), UnsafeEncoding: d.HasArg("sjis"), Prepared: true}
			d.MaybeScanArgs(t, "max", &env.MaxBytes)
			d.MaybeScanArgs(t, "names", &env.Names)
			env.Shadowed = d.HasArg("shadowed")
			text = p.Plan([]byte(strings.TrimSuffix(d.Input, "\n")), env).String()
			if d.HasArg("whole") {
				return text
			}
			return shorten(p, text)
		})
	})
}
