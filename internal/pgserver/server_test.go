package pgserver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, opts Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask returns the one value that sql yields.
func ask(t *testing.T, s *Server, sql string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var v string
	if err := conn.QueryRow(ctx, sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestStartedServerHasTheSettingsAskedFor(t *testing.T) {
	var log bytes.Buffer
	s := start(t, Options{Settings: map[string]string{"work_mem": "7MB", "max_connections": "40"}, Log: &log})
	for name, want := range map[string]string{
		"work_mem": "7MB", "max_connections": "40", "fsync": "off", "max_prepared_transactions": "20",
		"server_encoding": "UTF8", "unix_socket_directories": s.SocketDir(), "synchronous_commit": "on",
	} {
		if got := ask(t, s, "SHOW "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "ready to accept connections") {
		t.Errorf("the log was not copied to Options.Log:\n%s", log.String())
	}
}

func TestStopRemovesTheDirectoryAndIsIdempotent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	s := start(t, Options{Dir: dir})
	if s.SocketDir() != dir || s.PID() == 0 {
		t.Fatalf("dir %s, pid %d", s.SocketDir(), s.PID())
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if s.PID() != 0 {
		t.Errorf("pid is %d after Stop", s.PID())
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("a stopped server was restarted")
	}
}

func TestRestartKeepsDataAndPort(t *testing.T) {
	s := start(t, Options{})
	port, pid := s.Port(), s.PID()
	do(t, s, "CREATE TABLE kept AS SELECT 'yes'::text AS v")
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Port() != port || s.PID() == pid {
		t.Errorf("port %d then %d, pid %d then %d", port, s.Port(), pid, s.PID())
	}
	if got := ask(t, s, "SELECT v FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
}

func TestKilledServerRestartsAndStops(t *testing.T) {
	s := start(t, Options{})
	do(t, s, "CREATE TABLE kept AS SELECT 'yes'::text AS v")
	busy, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close(context.Background())
	// A backend that computes does not look whether its postmaster lives.
	busy.PgConn().Frontend().SendQuery(&pgproto3.Query{String: "SELECT count(*) FROM generate_series(1, 1e12::bigint)"})
	if err := busy.PgConn().Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	kill(t, s)
	if s.PID() != 0 {
		t.Errorf("pid is %d after a kill", s.PID())
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "SELECT v FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
	kill(t, s)
	dir := s.SocketDir()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestStartOnATakenPortSaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "c")
	_, err = Start(t.Context(), Options{Dir: dir, Port: l.Addr().(*net.TCPAddr).Port})
	if !errors.Is(err, errPortTaken) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestStartErrorQuotesTheServersLog(t *testing.T) {
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
}

func TestStartRefusesADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "c")
	if _, err := Start(ctx, Options{Dir: dir}); err == nil {
		t.Error("started")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func do(t *testing.T, s *Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func kill(t *testing.T, s *Server) {
	t.Helper()
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); s.PID() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the killed postmaster is still there")
		}
	}
}
