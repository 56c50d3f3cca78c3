package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sample is what one run of pgbench came to.
type sample struct {
	TPS          float64 `json:"tps"`
	LatencyMS    float64 `json:"latency_ms"`
	Transactions int     `json:"transactions"`
	// CPUMicros is the CPU time of the proxy per transaction, in microseconds;
	// nil for direct connections and where the system does not tell.
	CPUMicros *float64 `json:"cpu_us,omitempty"`
}

// once runs pgbench for one variant of a group.
func (s *stage) once(ctx context.Context, g *group, v *variant, seconds int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.pgbench, s.arguments(g, v, seconds)...)
	cmd.WaitDelay = time.Second
	var errs strings.Builder
	cmd.Stderr = &errs

	before, known := cpuTime(s.proxy(v.Route))
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("running pgbench for %s by %s: %w\n%s", g.name(), v.Name, err, strings.TrimSpace(errs.String()))
	}
	after, still := cpuTime(s.proxy(v.Route))

	r, err := parsePgbench(string(out))
	if err != nil {
		return sample{}, fmt.Errorf("running pgbench for %s by %s: %w\n%s", g.name(), v.Name, err, out)
	}
	if known && still && r.Transactions > 0 {
		us := float64((after - before).Nanoseconds()) / 1e3 / float64(r.Transactions)
		r.CPUMicros = &us
	}
	return r, nil
}

func (s *stage) arguments(g *group, v *variant, seconds int) []string {
	args := []string{
		"-n", "-M", g.Protocol, "-T", strconv.Itoa(seconds),
		"-c", strconv.Itoa(g.Clients), "-j", strconv.Itoa(min(g.Clients, 2)),
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.ports[v.Route]), "-U", "postgres",
	}
	switch {
	case v.Script != "":
		for k := range values {
			args = append(args, "-f", filepath.Join(s.dir, scriptFile(v.Script, g.Protocol, k)))
		}
		if g.Protocol != "simple" {
			for _, b := range bindings() {
				args = append(args, "-D", b.name+"="+b.value)
			}
		}
	case g.Work == "select":
		args = append(args, "-b", "select-only", "-s", strconv.Itoa(scale))
	default:
		args = append(args, "-b", "tpcb-like", "-s", strconv.Itoa(scale))
	}
	return append(args, v.Database)
}

// parsePgbench reads the report that pgbench prints (versions 13 and later).
func parsePgbench(out string) (sample, error) {
	var r sample
	for line := range strings.Lines(out) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			key, value, ok = strings.Cut(strings.TrimSpace(line), ":")
		}
		fields := strings.Fields(value)
		if !ok || len(fields) == 0 {
			continue
		}
		var err error
		switch strings.TrimSpace(key) {
		case "tps":
			if strings.Contains(value, "including") {
				continue // connection time, in version 13
			}
			r.TPS, err = strconv.ParseFloat(fields[0], 64)
		case "latency average":
			r.LatencyMS, err = strconv.ParseFloat(fields[0], 64)
		case "number of transactions actually processed":
			r.Transactions, err = strconv.Atoi(strings.Split(fields[0], "/")[0])
		case "number of failed transactions":
			if fields[0] != "0" {
				err = fmt.Errorf("%s transactions failed", fields[0])
			}
		}
		if err != nil {
			return sample{}, fmt.Errorf("reading %q: %w", strings.TrimSpace(line), err)
		}
	}
	if r.TPS <= 0 || r.Transactions <= 0 {
		return sample{}, fmt.Errorf("pgbench reported no transactions")
	}
	return r, nil
}
