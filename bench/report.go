package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

// report is the JSON file. Field names are stable.
type report struct {
	Machine facts   `json:"machine"`
	Rounds  int     `json:"rounds"`
	RunSecs int     `json:"seconds_per_run"`
	Quick   bool    `json:"quick"`
	Seconds float64 `json:"measured_seconds"`
	Cells   []cell  `json:"cells"`
	Goals   []goal  `json:"goals"`

	groups []*group
}

// cell is one variant of one group. Figures are medians over the rounds, and
// absent when the variant failed.
type cell struct {
	Name      string   `json:"name"`
	Table     string   `json:"table"`
	Work      string   `json:"work"`
	Protocol  string   `json:"protocol"`
	Clients   int      `json:"clients"`
	Variant   string   `json:"variant"`
	Route     string   `json:"route"`
	TPS       *float64 `json:"tps,omitempty"`
	LatencyMS *float64 `json:"latency_ms,omitempty"`
	CPUMicros *float64 `json:"proxy_cpu_us_per_transaction,omitempty"`
	// Ratios are this variant's rate over that of the other ones of its group.
	Ratios  map[string]float64 `json:"ratios,omitempty"`
	Samples []sample           `json:"samples,omitempty"`
	Error   string             `json:"error,omitempty"`
}

func newReport(f facts, opts options, rounds int, groups []*group) *report {
	rep := &report{
		Machine: f, Rounds: rounds, RunSecs: opts.Seconds, Quick: opts.Quick,
		Goals: goals(groups), groups: groups,
	}
	for _, g := range groups {
		for _, v := range g.Variants {
			rep.Cells = append(rep.Cells, newCell(g, v))
		}
	}
	return rep
}

func newCell(g *group, v *variant) cell {
	c := cell{
		Name: g.name() + "/" + v.Name, Table: g.Table, Work: g.Work, Protocol: g.Protocol,
		Clients: g.Clients, Variant: v.Name, Route: v.Route, Samples: v.Samples,
		TPS: number(v.tps()), LatencyMS: number(v.latency()), CPUMicros: number(v.cpu()),
		Ratios: make(map[string]float64),
	}
	for _, other := range g.Variants {
		if r := ratio(v, other); other != v && !math.IsNaN(r) {
			c.Ratios[other.Name] = r
		}
	}
	if v.Err != nil {
		c.Error = v.Err.Error()
	}
	return c
}

// number returns nil for NaN, which JSON cannot say.
func number(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}

// save writes the JSON file; an empty name means none.
func (r *report) save(file string) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // a report for everyone
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// failed joins the failures of the variants. A goal that is missed is a figure,
// not a failure.
func (r *report) failed() error {
	var errs []error
	for _, g := range r.groups {
		for _, v := range g.Variants {
			errs = append(errs, v.Err)
		}
	}
	return errors.Join(errs...)
}
