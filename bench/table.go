package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// print writes the tables and the goals as text.
func (r *report) print(w io.Writer) error {
	out := &strings.Builder{}
	m := r.Machine
	fmt.Fprintf(out, "\n%s  %d CPUs %s  %s %s  Postgres %s  %s\n", m.Date.Format("2006-01-02 15:04"), m.CPUs, m.CPUModel, m.OS, m.Kernel, m.Versions["postgres"], m.Versions[pgbouncer])
	fmt.Fprintf(out, "medians of %d rounds of %d s; ratios are medians of the ratios within a round\n", r.Rounds, r.RunSecs)
	for _, note := range m.Notes {
		out.WriteString(note + "\n")
	}
	printTable(out, "pass-through, transactions/s", passRows(r.groups))
	printTable(out, "dual writes, 4 clients, transactions/s; rivals through PgBouncer where it is", dualRows(r.groups))
	printTable(out, "what a guard and on_fanout_error: dirty cost, through pgjanus, transactions/s", guardRows(r.groups))
	if len(r.Goals) > 0 {
		out.WriteString("\ngoals\n")
	}
	for _, g := range r.Goals {
		verdict := "met"
		if !g.Met {
			verdict = "missed"
		}
		fmt.Fprintf(out, "  %-6s  %.2f (want %.2f)  %s\n", verdict, g.Got, g.Want, g.Name)
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("printing the tables: %w", err)
	}
	return nil
}

func passRows(groups []*group) [][]string {
	rows := [][]string{{"work", "protocol", "clients", "direct", "pgbouncer", "pgjanus", "janus/bouncer", "janus/direct", "bouncer CPU us", "janus CPU us"}}
	for _, g := range groups {
		if g.Table != passThrough {
			continue
		}
		d, b, j := g.find(direct), g.find(pgbouncer), g.find(pgjanus)
		rows = append(rows, []string{
			g.Work, g.Protocol, strconv.Itoa(g.Clients), rate(d), rate(b), rate(j),
			decimal(ratio(j, b), 2), decimal(ratio(j, d), 2), cpuCell(b), cpuCell(j),
		})
	}
	return rows
}

func dualRows(groups []*group) [][]string {
	rows := [][]string{{"work", "protocol", oldOnly, byTrigger, byPgjanus, "app writes both", byTriggerNo, "janus/trigger", "janus/app", "janus CPU us"}}
	for _, g := range groups {
		if g.Table != dualWrite {
			continue
		}
		old, trigger, janus, app := g.find(oldOnly), g.find(byTrigger), g.find(byPgjanus), g.find(byApp)
		rows = append(rows, []string{
			g.Work, g.Protocol, rate(old), rate(trigger), rate(janus), rate(app), rate(g.find(byTriggerNo)),
			decimal(ratio(janus, trigger), 2), decimal(ratio(janus, app), 2), cpuCell(janus),
		})
	}
	return rows
}

// printTable aligns words to the left and figures to the right. The first row
// is the head; a table of nothing but its head is not printed.
func printTable(w *strings.Builder, title string, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], len(text))
		}
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, row := range rows {
		var line strings.Builder
		for i, text := range row {
			if i < 2 {
				fmt.Fprintf(&line, "  %-*s", widths[i], text)
			} else {
				fmt.Fprintf(&line, "  %*s", widths[i], text)
			}
		}
		w.WriteString(line.String() + "\n")
	}
}

func rate(v *variant) string {
	switch {
	case v == nil:
		return "-"
	case v.Err != nil:
		return "failed"
	}
	return count(v.tps())
}

func cpuCell(v *variant) string { return decimal(v.cpu(), 1) }

// decimal prints x with so many digits behind the point, and NaN as a dash.
func decimal(x float64, digits int) string {
	if math.IsNaN(x) {
		return "-"
	}
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// count prints a whole number with its thousands apart, and NaN as a dash.
func count(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
