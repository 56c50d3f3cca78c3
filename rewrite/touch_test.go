package rewrite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rewrite"
)

// unexpanded takes the new shapes of the canon out of a catalog.
func unexpanded(s *catalog.Snapshot) {
	delete(s.Tables, catalog.Name{Schema: "public", Name: "order_items"})
	for table, added := range map[string]string{"users": "status", "counters": "id_big"} {
		t := s.Tables[catalog.Name{Schema: "public", Name: table}]
		var kept []catalog.Column
		for _, c := range t.Columns {
			if c.Name != added {
				kept = append(kept, c)
			}
		}
		t.Columns, t.Unique = kept, nil
	}
	for id := range s.Exprs {
		if strings.Contains(id, "/down/") {
			e := catalog.Expr{Err: &catalog.ExprError{Code: "42703", Offset: -1}}
			if strings.HasPrefix(id, "order-items") {
				e = catalog.Expr{}
			}
			s.Exprs[id] = e
		}
	}
}

// TestTouches runs testdata/touches/*.txt: touches takes SQL and prints what
// its statements are to each migration. The migrations are off; arguments:
// phase=PHASE, unexpanded (the new shapes do not exist), escapes, max=N.
func TestTouches(t *testing.T) {
	planners := map[string]*rewrite.Planner{} // by what they are made for
	datadriven.Walk(t, "testdata/touches", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			phase, change := "off", func(*catalog.Snapshot) {}
			d.MaybeScanArgs(t, "phase", &phase)
			if d.HasArg("unexpanded") {
				change = unexpanded
			}
			made := fmt.Sprint(phase, d.HasArg("unexpanded"))
			if planners[made] == nil {
				planners[made] = canonical(t, phase, change)
			}
			p := planners[made]
			env := rewrite.Env{BackslashEscapes: d.HasArg("escapes"), UnsafeEncoding: d.HasArg("sjis")}
			d.MaybeScanArgs(t, "max", &env.MaxBytes)
			var b strings.Builder
			text := []byte(strings.TrimSuffix(d.Input, "\n"))
			for _, touch := range p.Touches(p.Plan(text, env)) {
				is := "is"
				if touch.Forecast {
					is = "would be"
				}
				fmt.Fprintf(&b, "%s: %s\n  %s %s %s\n", touch.Kind, touch.Text, touch.Migration, is, touch.Outcome)
				if touch.Reason != "" {
					fmt.Fprintf(&b, "  because: %s\n", touch.Reason)
				}
			}
			if b.Len() == 0 {
				return "nothing\n"
			}
			return b.String()
		})
	})
}

func TestTextsThatShareAPlanShareItsNote(t *testing.T) {
	p := canonical(t, "dualwrite", nil)
	var plans []*rewrite.Plan
	for _, email := range []string{"a", "b", "c"} {
		plans = append(plans, p.Plan([]byte("UPDATE users SET is_active = $1 WHERE email = '"+email+"'"), rewrite.Env{}))
	}
	if plans[0].Note() != plans[1].Note() || plans[1].Note() != plans[2].Note() {
		t.Error("each text has a note of its own")
	}
	if other := p.Plan([]byte("UPDATE users SET is_active = $1 WHERE note = 'a'"), rewrite.Env{}); other.Note() == plans[0].Note() {
		t.Error("another statement has the same note")
	}
}
