package rewrite_test

import (
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/rewrite"
)

// Chains that nest to the left are as deep as they are long, and the parser copies
// them by recursion in C: one that is too long must not be given to it. Here the
// process would end.
func TestDeepTextsAreNotParsed(t *testing.T) {
	const many = 40000
	active, off := canonical(t, "dualwrite", nil), canonical(t, "off", nil)
	for _, c := range []struct{ head, link, tail string }{
		{"UPDATE users SET email = 'a'", "||'a'", ", is_active = false"},
		{"UPDATE users SET is_active = (1", "+1", ") > 2"},
		{"UPDATE users SET is_active = b[1", "+1", "]"},
		{"SELECT 1 -- users\n", "::int", ""},
		{"SELECT * FROM users u WHERE u.or", "||u.or", " = 'a'"},
		{"SELECT * FROM users u WHERE u.select", "||u.end", " = 'a'"},
		{"SELECT id FROM users", " UNION ALL SELECT id FROM users WHERE id = 1 OR id = 2", ""},
		{"SELECT FROM users u", " JOIN users v ON u.id = 1 AND true", ""},
		{"SELECT 1 FROM users WHERE CASE WHEN true THEN 1 ELSE 2 END", " + CASE WHEN true THEN 1 ELSE 2 END", " = 3"},
		{"SELECT 1; SELECT 1", " - f(a, b OR c)", " FROM users; SELECT 1, 2"},
		{"SELECT set_config('client_encoding', 'UTF8'", "||''", ", false)"},
		{"SELECT 1 case, 'a'", "||'a'", " FROM users"},
	} {
		text := c.head + strings.Repeat(c.link, many) + c.tail
		plan := active.PlanAnew(text)
		if strings.Contains(text, "users") && (plan.Outcome != rewrite.Refuse || plan.Refusal.Code != "54001") {
			t.Errorf("%s%s..: %v", c.head, c.link, plan)
		}
		if plan := off.PlanAnew(text); plan.Outcome != rewrite.Pass {
			t.Errorf("%s%s.. in phase off: %v", c.head, c.link, plan)
		}
		off.Touches(off.PlanAnew(text))
		if !rewrite.ChangesReading(text) {
			t.Errorf("%s%s.. is said to change nothing", c.head, c.link)
		}
	}
}

// What is long and flat is parsed.
func TestLongTextsAreParsed(t *testing.T) {
	const many = 6000
	p := canonical(t, "dualwrite", nil)
	for _, c := range []struct{ head, link, tail string }{
		{"INSERT INTO users (id, is_active) VALUES (1, true)", ", (-2 + 1, 'a' || 'b' <> 'c')", ""},
		{"UPDATE users SET is_active = true WHERE id = 1", " OR id = 2 AND email = 'a'", ""},
		{"UPDATE users SET is_active = true WHERE id IN (1", ", 2", ")"},
		{"UPDATE users SET is_active = CASE id WHEN 1 THEN true", " WHEN 2 THEN false", " ELSE NULL END"},
		{"UPDATE users SET is_active = true", "; UPDATE users SET is_active = true", ""},
	} {
		if plan := p.PlanAnew(c.head + strings.Repeat(c.link, many) + c.tail); plan.Outcome != rewrite.Rewrite {
			t.Errorf("%s%s..: %v", c.head, c.link, plan.Refusal)
		}
	}
}
