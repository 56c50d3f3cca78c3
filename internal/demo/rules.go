package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

// The migrations in the order in which the operator moves them.
const (
	orderItems    = "order-items"
	userStatus    = "user-status"
	counterBigint = "counter-bigint"
)

// migrations lists them; every loop of the demo goes through this.
func migrations() []string { return []string{orderItems, userStatus, counterBigint} }

// phases is the phase of every migration in rules.yaml.
type phases map[string]string

func allOff() phases {
	p := phases{}
	for _, name := range migrations() {
		p[name] = "off"
	}
	return p
}

// rulesText is rules.yaml with the given phases.
func rulesText(p phases) string {
	return fmt.Sprintf(`migrations:
  - name: order-items
    phase: %s
    kind: rows
    old: {table: public.orders, key: [id], columns: [items]}
    new: {table: public.order_items, parent: {order_id: id}}
    up: |
      SELECT i.sku, i.qty, i.price_cents
      FROM jsonb_to_recordset(old.items) AS i(sku text, qty int, price_cents int)
    down:
      items: |
        SELECT coalesce(jsonb_agg(jsonb_build_object('sku', sku, 'qty', qty, 'price_cents', price_cents)
               ORDER BY id), '[]') FROM new

  - name: user-status
    phase: %s
    kind: columns
    old: {table: public.users, key: [id], columns: [is_active]}
    new: {table: public.users, columns: [status]}
    up:   {status: "CASE WHEN old.is_active THEN 'active' ELSE 'disabled' END"}
    down: {is_active: "new.status = 'active'"}

  - name: counter-bigint
    phase: %s
    kind: columns
    old: {table: public.counters, key: [id], columns: [id]}
    new: {table: public.counters, columns: [id_big]}
    up:   {id_big: "old.id::bigint"}
    down: {id: "new.id_big::int"}
    cutover: rename
`, p[orderItems], p[userStatus], p[counterBigint])
}

// settings is what pgjanus.yaml says.
type settings struct {
	listen, upstream, control, admin string
}

// text is pgjanus.yaml; JSON strings are YAML strings, whatever a DSN contains.
func (s settings) text() string {
	return fmt.Sprintf(`listen: %s
upstream: %q
control: %q
rules: rules.yaml
admin: {listen: %s}
log: {level: info, format: json}
`, s.listen, s.upstream, s.control, s.admin)
}

// replaceFile writes a file as editors do that care: a new one beside it, then
// a rename, so that nobody ever reads half of it. It may hold a password.
func replaceFile(path, text string) error {
	fresh := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
