package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgjanus/pgjanus/internal/pgserver"
)

// asFake returns options that run this test binary in the place of pgjanus.
func asFake(t *testing.T, out io.Writer) Options {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakeVariable, "1")
	report := filepath.Join(t.TempDir(), "report.json")
	dir, err := os.MkdirTemp("", "demo-test-") // that of t is closed to the user Postgres runs as
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	scale := SmallScale()
	scale.Steady, scale.Between, scale.Round = 300*time.Millisecond, 100*time.Millisecond, 150*time.Millisecond
	return Options{Stdout: out, Stderr: out, Binary: binary, Scale: scale, Report: report}
}

func TestDemoTakesThreeMigrationsToDualwriteUnderLoad(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	opts := asFake(t, &out)
	t.Setenv(fakeVariable, "")
	opts.Scale = SmallScale()
	opts.Binary = filepath.Join(filepath.Dir(opts.Report), "pgjanus")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", opts.Binary, "github.com/pgjanus/pgjanus/cmd/pgjanus")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building pgjanus: %v\n%s", err, text)
	}
	report, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if problem := report.Problem(); problem != "" {
		t.Errorf("%s\n%s", problem, &out)
	}
	expectReportFile(t, opts.Report)
	expectNothingLeft(t)
}

// A demo that cannot fail shows nothing.
func TestDemoFailsWhenNobodyDualWrites(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	opts := asFake(t, &out)
	report, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if report.Errors != 0 {
		t.Errorf("%d errors: %q", report.Errors, report.ErrorSamples)
	}
	for _, m := range report.Migrations {
		if m.Drift == 0 || m.CrossCheckDrift == 0 {
			t.Errorf("%s: no drift found", m.Name)
		}
	}
	if !strings.Contains(report.Problem(), "drifting keys") {
		t.Errorf("problem %q does not speak of drift", report.Problem())
	}
	expectReportFile(t, opts.Report)
	expectNothingLeft(t)
	if testing.Verbose() {
		t.Log(out.String())
	}
}

func TestDemoUsesAnExistingServerAndLeavesItAsFound(t *testing.T) {
	server, err := pgserver.Start(t.Context(), pgserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop() //nolint:errcheck // the end of a test
	var out bytes.Buffer
	opts := asFake(t, &out)
	opts.DSN = server.DSN("postgres")
	if _, err := Run(t.Context(), opts); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	h, err := openHost(t.Context(), opts.DSN)
	if err != nil {
		t.Fatalf("databases are left behind: %v", err)
	}
	if err := h.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "only works in databases it has created itself") {
		t.Errorf("with a database of that name: %v", err)
	}
	conn, err := h.connect(t.Context(), database)
	if err != nil {
		t.Fatalf("the database that was there is gone: %v", err)
	}
	closeConn(t.Context(), conn)
}

func TestInterruptLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, moment := range []string{"Filling", "order-items goes", "backfill user-status", "Everything stays up"} {
		t.Run(moment, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &trigger{at: moment, then: cancel}
			opts := asFake(t, out)
			opts.Keep = true
			_, err := Run(ctx, opts)
			if moment == "Everything stays up" && err != nil {
				t.Errorf("Ctrl-C of a demo that was kept up: %v", err)
			} else if moment != "Everything stays up" && !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want the interruption", err)
			}
			if ctx.Err() == nil {
				t.Error("the moment never came")
			}
			expectNothingLeft(t)
		})
	}
}

func TestEndOfTheProxyEndsTheDemo(t *testing.T) {
	out := &trigger{at: "user-status goes"}
	opts := asFake(t, out)
	d := &demo{}
	out.then = func() { _ = d.serve.signal(syscall.SIGKILL) }
	if _, err := run(t.Context(), d, opts); !errors.Is(err, errServeEnded) {
		t.Errorf("error %v", err)
	}
	expectNothingLeft(t)
}

// trigger is a writer that acts when a text comes by.
type trigger struct {
	at   string
	then func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.at) {
		w.then()
	}
	return len(p), nil
}

// expectNothingLeft fails when a directory of the demo or of its server is
// left, or a process of either.
func expectNothingLeft(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(os.TempDir())
	if err != nil || len(entries) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", entries, err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if text, err := os.ReadFile(line); err == nil && bytes.Contains(text, []byte(os.TempDir())) {
			t.Errorf("left running: %q", text)
		}
	}
}

// expectReportFile checks the keys that others read.
func expectReportFile(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Requests   *int64
		Errors     *int64
		Migrations []struct {
			Name, Phase                 *string
			Backfilled, Compared, Drift *int64
		}
		LatencyMS struct{ Direct, Proxy struct{ P50, P99 float64 } } `json:"latency_ms"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Requests == nil || r.Errors == nil || *r.Requests == 0 || len(r.Migrations) != 3 {
		t.Fatalf("report: %s", text)
	}
	for _, m := range r.Migrations {
		if m.Name == nil || m.Phase == nil || *m.Phase != "dualwrite" || m.Backfilled == nil || *m.Backfilled == 0 || m.Compared == nil || m.Drift == nil {
			t.Errorf("report of a migration: %s", text)
		}
	}
	if l := r.LatencyMS; l.Direct.P50 == 0 || l.Direct.P99 == 0 || l.Proxy.P50 == 0 || l.Proxy.P99 == 0 {
		t.Errorf("latencies: %s", text)
	}
}
