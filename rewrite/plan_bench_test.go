package rewrite_test

import (
	"strconv"
	"testing"

	"github.com/pgjanus/pgjanus/rewrite"
)

// What a text costs that was never seen before, as in the simple protocol: one
// that differs from others in a literal only, one that has no shape, because of
// its comment, and one that mentions no migration.
func BenchmarkPlan(b *testing.B) {
	p := canonical(b, "dualwrite", nil)
	for name, text := range map[string]string{
		"insert":          `INSERT INTO orders (customer, total_cents, items) VALUES ('someone', 12, '[{"sku":"a","qty":1,"price_cents":100}]') RETURNING id -- `,
		"insert, literal": `INSERT INTO orders (customer, items, total_cents) SELECT 'someone', '[{"sku":"a","qty":1,"price_cents":100}]', 1`,
		"update":          `UPDATE orders SET items = '[{"sku":"a","qty":1,"price_cents":100}]' WHERE id = 17 -- `,
		"update, literal": `UPDATE orders SET items = '[{"sku":"a","qty":1,"price_cents":100}]' WHERE id = 17`,
		"select":          `SELECT * FROM orders WHERE id = 17 -- `,
		"select, literal": `SELECT * FROM orders WHERE id = 17`,
		"unmentioned":     `SELECT abalance FROM pgbench_accounts WHERE aid = 17 -- `,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			buf := []byte(text)
			for i := range b.N {
				p.Plan(strconv.AppendInt(buf, int64(i), 10), rewrite.Env{})
			}
		})
	}
}
