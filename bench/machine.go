package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// facts say where the figures come from. What cannot be found out is empty.
type facts struct {
	Date     time.Time         `json:"date"`
	CPUs     int               `json:"cpus"`
	CPUModel string            `json:"cpu_model"`
	OS       string            `json:"os"`
	Kernel   string            `json:"kernel"` // known on Linux only
	Versions map[string]string `json:"versions"`
	Settings map[string]string `json:"postgres_settings"`
	Notes    []string          `json:"notes,omitempty"`
}

func (s *stage) facts(ctx context.Context) facts {
	f := facts{
		Date:     time.Now().UTC().Truncate(time.Second),
		CPUs:     runtime.NumCPU(),
		CPUModel: cpuModel(),
		OS:       runtime.GOOS + "/" + runtime.GOARCH,
		Kernel:   fileText("/proc/sys/kernel/osrelease"),
		Versions: map[string]string{"go": runtime.Version(), "pgbench": firstLine(ctx, s.pgbench, "--version")},
		Settings: make(map[string]string),
		Notes:    s.notes,
	}
	if s.bouncer != nil {
		f.Versions[pgbouncer] = firstLine(ctx, s.bouncer.cmd.Path, "--version")
	}
	if s.janus != nil {
		f.Versions[pgjanus] = firstLine(ctx, "git", "describe", "--always", "--dirty")
	}
	s.askServer(ctx, &f)
	return f
}

func (s *stage) askServer(ctx context.Context, f *facts) {
	conn, err := pgx.Connect(ctx, s.server.DSN(rulesDB))
	if err != nil {
		f.Notes = append(f.Notes, "the server's settings are unknown: "+err.Error())
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, name := range []string{"server_version", "fsync", "synchronous_commit", "shared_buffers", "autovacuum"} {
		var value string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			f.Notes = append(f.Notes, "the server's settings are unknown: "+err.Error())
			return
		}
		f.Settings[name] = value
	}
	f.Versions["postgres"] = f.Settings["server_version"]
	delete(f.Settings, "server_version")
}

func cpuModel() string {
	for line := range strings.Lines(fileText("/proc/cpuinfo")) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func fileText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func firstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
