package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pgjanus/pgjanus/internal/live"
	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func good() State {
	return State{
		Epoch: 7, Ready: true, RulesFile: "rules.yaml", ControlOK: true,
		LoadedAt: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
		Since:    map[string]uint64{"user-status": 6},
		Set: &rules.Set{Migrations: []rules.Migration{{
			Name: "user-status", Phase: rules.Dualwrite, Kind: rules.Columns,
			Old: rules.Old{Table: rules.Table{Schema: "public", Name: "users"}},
			New: rules.New{Table: rules.Table{Schema: "public", Name: "users"}},
		}}},
	}
}

func options() Options {
	return Options{
		Version:  "v1",
		State:    good,
		Reload:   func(context.Context, string, live.Strictness) (Reloaded, error) { return Reloaded{Epoch: 7}, nil },
		Sessions: func() map[uint64]int { return map[uint64]int{6: 1, 7: 3} },
		Statements: func(migration string) usage.Report {
			return usage.Report{
				Since: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), WindowSeconds: 3600, Limit: 2000, Refused: []usage.Refused{},
				Statements: []usage.Statement{{ID: "1f", Migration: migration, Kind: "SELECT", Outcome: "pass", Text: "SELECT ?", Clients: []usage.Usage{}}},
			}
		},
		Settled:  func(epoch uint64) bool { return epoch <= 5 },
		Upstream: func(context.Context) error { return nil },
		Gatherer: prometheus.NewRegistry(),
	}
}

// call asks s and returns code and body.
func call(s *Server, method, path string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestStatusHasStableFields(t *testing.T) {
	_, got := call(New(options()), "GET", "/api/status")
	want := `{"version":"v1","uptime_seconds":0,"ready":true,"problems":[],"epoch":7,"rules_file":"rules.yaml",` +
		`"loaded_at":"2024-05-06T07:08:09Z","control_connected":true,"sessions":{"open":4,"by_epoch":{"6":1,"7":3}},` +
		`"migrations":[{"name":"user-status","kind":"columns","phase":"dualwrite","settled":false,"old":"public.users","new":"public.users","since_epoch":6}]}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStatusBeforeTheFirstGoodLoadIsStillComplete(t *testing.T) {
	opt := options()
	opt.State = func() State { return State{RulesFile: "r.yaml", Problems: []string{"r.yaml:1:1: no"}} }
	opt.Sessions = func() map[uint64]int { return map[uint64]int{} }
	_, got := call(New(opt), "GET", "/api/status")
	want := `{"version":"v1","uptime_seconds":0,"ready":false,"problems":["r.yaml:1:1: no"],"epoch":0,"rules_file":"r.yaml",` +
		`"loaded_at":null,"control_connected":false,"sessions":{"open":0,"by_epoch":{}},"migrations":[]}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What /readyz and status say is the same.
func TestStatusIsNotReadyWhilePostgresDoesNotAnswer(t *testing.T) {
	opt := options()
	opt.Upstream = func(context.Context) error { return errors.New("connection refused") }
	_, got := call(New(opt), "GET", "/api/status")
	if !strings.Contains(got, `"ready":false,"problems":["upstream: connection refused"],"epoch":7`) {
		t.Error(got)
	}
}

func TestReloadAnswers(t *testing.T) {
	problem := rules.Problems{{File: "rules.yaml", Pos: rules.Pos{Line: 3, Column: 5}, Message: "unknown key phace"}}
	for _, c := range []struct {
		name   string
		report Reloaded
		err    error
		code   int
		body   string
	}{
		{"nothing changed", Reloaded{Epoch: 7}, nil, 200, `{"epoch":7,"changes":[]}`},
		{"changed", Reloaded{Epoch: 8, Changes: []string{"a: phase off -> dualwrite"}}, nil, 200, `{"epoch":8,"changes":["a: phase off -> dualwrite"]}`},
		{"warned", Reloaded{Epoch: 8, Changes: []string{"a: phase off -> dualwrite"}, Warnings: []string{"a: COPY was seen"}}, nil, 200, `{"epoch":8,"changes":["a: phase off -> dualwrite"],"warnings":["a: COPY was seen"]}`},
		{"bad rules", Reloaded{}, problem, 422, `{"problems":["rules.yaml:3:5: unknown key phace"]}`},
		{"no database", Reloaded{}, errors.New("control connection: refused"), 503, `{"problems":["control connection: refused"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			opt := options()
			opt.Reload = func(context.Context, string, live.Strictness) (Reloaded, error) { return c.report, c.err }
			code, body := call(New(opt), "POST", "/api/reload")
			if code != c.code || body != c.body {
				t.Errorf("got %d %s, want %d %s", code, body, c.code, c.body)
			}
		})
	}
}

func TestReloadIsAsStrictAsItIsAskedToBe(t *testing.T) {
	for query, want := range map[string]live.Strictness{"": live.AsSet, "?strict=true": live.Strict, "?strict=false": live.Lenient} {
		opt, got := options(), live.Strictness(-1)
		opt.Reload = func(_ context.Context, _ string, s live.Strictness) (Reloaded, error) {
			got = s
			return Reloaded{}, nil
		}
		if code, body := call(New(opt), "POST", "/api/reload"+query); code != 200 || got != want {
			t.Errorf("%q: %d %s, %v", query, code, body, got)
		}
	}
	if code, body := call(New(options()), "POST", "/api/reload?strict=very"); code != 400 || !strings.Contains(body, "strict=very is not allowed") {
		t.Errorf("%d %s", code, body)
	}
}

func TestStatementsHaveStableFields(t *testing.T) {
	s := New(options())
	s.started = time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)
	code, got := call(s, "GET", "/api/statements?migration=user-status")
	host, _ := os.Hostname()
	want := fmt.Sprintf(`{"process":{"host":%q,"pid":%d,"version":"v1","started_at":"2024-05-06T00:00:00Z"},"migration":"user-status","phase":"dualwrite",`, host, os.Getpid()) +
		`"since":"2024-05-06T07:08:09Z","window_seconds":3600,"limit":2000,"evicted":0,"refused":[],"statements":[{"id":"1f","migration":"user-status","kind":"SELECT",` +
		`"outcome":"pass","forecast":false,"reason":"","text":"SELECT ?","count":0,"first_seen":"0001-01-01T00:00:00Z","last_seen":"0001-01-01T00:00:00Z","epoch":0,"clients":[],"other_clients":0}]}`
	if code != 200 || got != want {
		t.Errorf("%d\n%s\nwant\n%s", code, got, want)
	}
	if code, _ := call(s, "GET", "/api/statements"); code != 200 {
		t.Errorf("of all migrations: %d", code)
	}
	if code, body := call(s, "GET", "/api/statements?migration=none"); code != 404 || !strings.Contains(body, `no migration \"none\"`) {
		t.Errorf("%d %s", code, body)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	s := New(options())
	for _, c := range [][2]string{{"GET", "/api/reload"}, {"POST", "/api/status"}, {"DELETE", "/metrics"}} {
		if code, _ := call(s, c[0], c[1]); code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", c[0], c[1], code)
		}
	}
	if code, _ := call(s, "GET", "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles are served: %d", code)
	}
}

func TestReadinessGivesTheReasons(t *testing.T) {
	opt := options()
	opt.State = func() State { return State{RulesFile: "rules.yaml", Problems: []string{"rules.yaml:1:1: no"}} }
	opt.Upstream = func(context.Context) error { return errors.New("connection refused") }
	s := New(opt)
	code, body := call(s, "GET", "/readyz")
	if code != 503 || body != "there are no good rules yet: rules.yaml\nrules.yaml:1:1: no\nupstream: connection refused" {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := call(s, "GET", "/healthz"); code != 200 {
		t.Errorf("healthz %d", code)
	}
}

func TestARejectedFileDoesNotMakeAFleetVanish(t *testing.T) {
	opt := options()
	opt.State = func() State {
		s := good()
		s.Problems = []string{"rules.yaml:1:1: no"}
		return s
	}
	if code, body := call(New(opt), "GET", "/readyz"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}

func TestDrainingIsNotReady(t *testing.T) {
	s := New(options())
	s.Drain()
	if code, body := call(s, "GET", "/readyz"); code != 503 || body != "shutting down" {
		t.Errorf("%d %s", code, body)
	}
}

func TestClientSpeaksToServer(t *testing.T) {
	opt := options()
	opt.Reload = func(context.Context, string, live.Strictness) (Reloaded, error) {
		return Reloaded{}, rules.Problems{{File: "r", Message: "no"}}
	}
	ln := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(opt).Serve(ctx, ln) }()
	transport := &http.Transport{}
	client := &Client{Address: ln.Addr().String(), HTTP: &http.Client{Transport: transport}}

	s, err := client.Status(ctx)
	if err != nil || s.Find("user-status") == nil || s.Find("user-status").Phase != "dualwrite" {
		t.Errorf("status %+v, %v", s, err)
	}
	seen, err := client.Statements(ctx, "user-status")
	if err != nil || len(seen.Statements) != 1 || seen.Statements[0].Migration != "user-status" || seen.Phase != "dualwrite" {
		t.Errorf("statements %+v, %v", seen, err)
	}
	var refused *RejectedError
	if _, err := client.Statements(ctx, "none"); !errors.As(err, &refused) {
		t.Errorf("statements of none: %v", err)
	}
	if _, err := client.Reload(ctx, live.AsSet); !errors.As(err, &refused) || refused.Error() != "r: no" {
		t.Errorf("reload %v", err)
	}
	transport.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := client.Status(context.Background()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("after the end: %v", err)
	}
}

func TestClientReachesAServerThatListensEverywhere(t *testing.T) {
	for address, want := range map[string]string{
		":6480":          "http://127.0.0.1:6480",
		"0.0.0.0:6480":   "http://127.0.0.1:6480",
		"[::]:6480":      "http://127.0.0.1:6480",
		"[::1]:6480":     "http://[::1]:6480",
		"localhost:6480": "http://localhost:6480",
	} {
		if got := (&Client{Address: address}).URL(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestProbeTellsAPostgresFromAnythingElse(t *testing.T) {
	for reply, good := range map[string]bool{"N": true, "S": true, "H": false, "": false} {
		ln := listen(t)
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.ReadFull(conn, make([]byte, len(sslRequest)))
			_, _ = io.WriteString(conn, reply)
		}()
		if err := Probe(ln.Addr().String())(context.Background()); (err == nil) != good {
			t.Errorf("reply %q: %v", reply, err)
		}
		<-served
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}
