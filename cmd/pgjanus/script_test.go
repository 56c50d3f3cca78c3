package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// withCluster runs the tests and then stops the Postgres they may have started.
type withCluster struct{ m *testing.M }

func (c withCluster) Run() int { return pgtest.Main(c.m) }

func TestMain(m *testing.M) {
	testscript.Main(withCluster{m}, map[string]func(){
		"pgjanus": func() { os.Exit(execute()) },
	})
}

func TestVerbsWithoutADatabase(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/offline", Cmds: commands(), RequireExplicitExec: true})
}

// The scripts find PGJANUS_* set so that pgjanus serves a database of their
// own on free ports; DIRECT and PROXY are DSNs of it, ADMIN the API's URL.
func TestVerbsWithADatabase(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/online", Cmds: commands(), RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			dsn := pgtest.Database(t)
			pgtest.Canon(t, dsn, 500)
			u, err := url.Parse(dsn)
			if err != nil {
				return err
			}
			listen, admin := freeAddress(t), freeAddress(t)
			env.Setenv("PGJANUS_CONTROL", dsn)
			env.Setenv("PGJANUS_UPSTREAM", u.Host)
			env.Setenv("PGJANUS_LISTEN", listen)
			env.Setenv("PGJANUS_ADMIN_LISTEN", admin)
			env.Setenv("PGJANUS_CATALOG_POLL", "200ms")
			env.Setenv("DIRECT", dsn)
			u.Host = listen
			env.Setenv("PROXY", u.String())
			env.Setenv("ADMIN", "http://"+admin)
			for _, phase := range []string{"off", "dualwrite"} {
				if err := os.WriteFile(env.WorkDir+"/"+phase+".yaml", []byte(pgtest.CanonRules(phase)), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// commands are what the scripts know beyond testscript's own.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "until": until, "http": ask, "sql": query, "hangup": hangup,
	}
}

// exits CODE command...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if got := strconv.Itoa(code(ts, args[1:])); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func code(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.ExitCode()
	}
	ts.Fatalf("%v", err)
	return -1
}

// until REGEXP METHOD PATH polls the admin API until an answer matches.
func until(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	last := ""
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if last = call(ts, args[1], args[2]); want.MatchString(last) {
			return
		}
	}
	ts.Fatalf("no answer of %s matches within a minute; the last: %s", args[2], last)
}

// http METHOD PATH prints the status code and the body.
func ask(ts *testscript.TestScript, _ bool, args []string) {
	_, err := io.WriteString(ts.Stdout(), call(ts, args[0], args[1]))
	ts.Check(err)
}

func call(ts *testscript.TestScript, method, path string) string {
	r, err := http.NewRequestWithContext(context.Background(), method, ts.Getenv("ADMIN")+path, http.NoBody)
	ts.Check(err)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}

// sql DSN QUERY prints the rows, or the error; ! sql wants an error.
func query(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := func() error {
		conn, err := pgx.Connect(ctx, args[0])
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		rows, err := conn.Query(ctx, args[1])
		if err != nil {
			return err
		}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintln(ts.Stdout(), values...)
		}
		return rows.Err()
	}()
	if err != nil {
		_, _ = fmt.Fprintln(ts.Stderr(), err)
	}
	if (err != nil) != neg {
		ts.Fatalf("error %v", err)
	}
}

// hangup sends SIGHUP to the one background command.
func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	running := ts.BackgroundCmds()
	if len(running) != 1 {
		ts.Fatalf("%d background commands", len(running))
	}
	ts.Check(running[0].Process.Signal(syscall.SIGHUP))
}
