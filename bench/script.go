package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
)

// Each dual-write script comes in as many copies as there are values, one of
// which pgbench picks at random: its own variables hold numbers only.
const (
	values   = 8
	rowsEach = 3
)

// fill is what one copy of a script is filled with: SQL literals in the simple
// protocol, names of pgbench variables, which become parameters, in the others.
type fill struct {
	Customer, Items, Active, Status string
	Rows                            []fillRow
}

type fillRow struct{ SKU, Qty, Price string }

// binding is a pgbench variable, given by -D.
type binding struct{ name, value string }

// filling returns copy k of the values, spelled by spell.
func filling(k int, spell func(name, value string, quoted bool) string) fill {
	name := func(stem string) string { return stem + strconv.Itoa(k) }
	f := fill{Customer: spell(name("customer"), fmt.Sprintf("customer-%d", k), true)}
	active, status := k%2 == 0, "disabled"
	if active {
		status = "active"
	}
	f.Active = spell(name("active"), strconv.FormatBool(active), false)
	f.Status = spell(name("status"), status, true)

	items := &bytes.Buffer{}
	for j := range rowsEach {
		sku, qty, price := fmt.Sprintf("sku-%d-%d", k, j), k+j+1, 100*k+j
		row := name(fmt.Sprintf("row%d_", j))
		f.Rows = append(f.Rows, fillRow{
			SKU:   spell(row+"sku", sku, true),
			Qty:   spell(row+"qty", strconv.Itoa(qty), false),
			Price: spell(row+"price", strconv.Itoa(price), false),
		})
		if j > 0 {
			items.WriteString(", ")
		}
		// A space behind each colon, or pgbench might take what follows for a variable.
		fmt.Fprintf(items, `{"sku": "%s", "qty": %d, "price_cents": %d}`, sku, qty, price)
	}
	f.Items = spell(name("items"), "["+items.String()+"]", true)
	return f
}

// literal spells a value as SQL. Our own values have no quotes in them.
func literal(_, value string, quoted bool) string {
	if quoted {
		return "'" + value + "'"
	}
	return value
}

// bindings lists every variable that the scripts with parameters use.
func bindings() []binding {
	var out []binding
	for k := range values {
		filling(k, func(name, value string, _ bool) string {
			out = append(out, binding{name, value})
			return ""
		})
	}
	return out
}

// writeScripts puts every copy of every script where pgbench finds it.
func (s *stage) writeScripts() error {
	for _, file := range []string{"insert.sql", "insert_both.sql", "update.sql", "update_both.sql", "status.sql", "status_both.sql"} {
		t, err := template.ParseFS(sqlFiles, "sql/"+file)
		if err != nil {
			return fmt.Errorf("reading script %s: %w", file, err)
		}
		for k := range values {
			err := s.writeScript(t, scriptFile(file, "simple", k), filling(k, literal))
			if err != nil {
				return err
			}
			variable := func(name, _ string, _ bool) string { return ":" + name }
			if err := s.writeScript(t, scriptFile(file, "prepared", k), filling(k, variable)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) writeScript(t *template.Template, file string, f fill) error {
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return fmt.Errorf("filling script %s: %w", file, err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, file), b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing script %s: %w", file, err)
	}
	return nil
}

// scriptFile names copy k of a script. Only the simple protocol takes literals.
func scriptFile(file, protocol string, k int) string {
	style := "params"
	if protocol == "simple" {
		style = "literals"
	}
	return fmt.Sprintf("%d-%s-%s", k, style, file)
}
