package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// Report is what came of it; its JSON form is demo-report.json.
type Report struct {
	Requests   int64              `json:"requests"` // of the application, through pgjanus
	Errors     int64              `json:"errors"`   // unexpected errors and wrong answers
	Retries    int64              `json:"retries"`  // serialization failures and deadlocks, tried again
	Migrations []*MigrationReport `json:"migrations"`
	LatencyMS  Latencies          `json:"latency_ms"`
	// Audited rows of the application were compared with its own memory of
	// them; each that differs is one of Errors.
	Audited      int      `json:"audited_rows"`
	ErrorSamples []string `json:"error_samples,omitempty"`
	Connections  int      `json:"connections"`
	Seconds      float64  `json:"seconds"`
}

// MigrationReport is what came of one migration.
type MigrationReport struct {
	Name            string  `json:"name"`
	Phase           string  `json:"phase"`
	Backfilled      int64   `json:"backfilled"` // rows the backfill went over
	Compared        int64   `json:"compared"`   // keys, by the last verification
	Drift           int64   `json:"drift"`      // keys, by the last verification
	DriftUnderLoad  int64   `json:"drift_under_load"`
	CrossCheckDrift int64   `json:"cross_check_drift"` // keys, by a query of the demo's own
	BackfillSeconds float64 `json:"backfill_seconds"`
}

// Latencies compares the same requests on two paths, in milliseconds.
type Latencies struct {
	Direct Quantiles `json:"direct"`
	Proxy  Quantiles `json:"proxy"`
}

// Quantiles of the durations of some requests.
type Quantiles struct {
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Requests int     `json:"requests"`
}

// Problem says why the demo has failed, or is empty: no error and no drift,
// by any of the checks.
func (r *Report) Problem() string {
	var drift int64
	for _, m := range r.Migrations {
		drift += m.Drift + m.DriftUnderLoad + m.CrossCheckDrift
	}
	var faults []string
	if r.Errors != 0 {
		faults = append(faults, fmt.Sprintf("%d errors", r.Errors))
	}
	if drift != 0 {
		faults = append(faults, fmt.Sprintf("%d drifting keys", drift))
	}
	return strings.Join(faults, " and ")
}

// write stores the report as JSON.
func (r *Report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // a report is to be read
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// print writes the table.
func (r *Report) print(w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-16s %-10s %12s %12s %8s %12s\n", "migration", "phase", "backfilled", "compared", "drift", "cross-check")
	for _, m := range r.Migrations {
		fmt.Fprintf(&b, "%-16s %-10s %12s %12s %8s %12s\n", m.Name, m.Phase,
			thousands(m.Backfilled), thousands(m.Compared), thousands(m.Drift), thousands(m.CrossCheckDrift))
	}
	fmt.Fprintf(&b, "\n%-16s %10s %12s %12s\n", "latency", "p50 ms", "p99 ms", "requests")
	for _, row := range []struct {
		name string
		q    Quantiles
	}{{"direct", r.LatencyMS.Direct}, {"through pgjanus", r.LatencyMS.Proxy}} {
		fmt.Fprintf(&b, "%-16s %10.2f %12.2f %12s\n", row.name, row.q.P50, row.q.P99, thousands(int64(row.q.Requests)))
	}
	fmt.Fprintf(&b, "\n%-16s %10s\n%-16s %10s\n%-16s %10s   after serialization failures and deadlocks, as Postgres asks for\n%-16s %10s   compared with what the application remembers\n",
		"requests", thousands(r.Requests), "errors", thousands(r.Errors), "retries", thousands(r.Retries), "rows audited", thousands(int64(r.Audited)))
	for _, sample := range r.ErrorSamples {
		fmt.Fprintf(&b, "  %s\n", sample)
	}
	_, _ = io.WriteString(w, b.String()) // as narrator.say
}
