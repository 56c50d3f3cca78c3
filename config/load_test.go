package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

const dsn = "postgres://me:s3cret@db:5433/app"

func TestDefaultsFillWhatIsNotSet(t *testing.T) {
	file := write(t, "limits: # all commented out\ncontrol: "+dsn)
	got := load(t, Options{File: file, LookupEnv: env(nil)})
	want := Settings{
		File:        file,
		Listen:      "127.0.0.1:6432",
		Upstream:    "127.0.0.1:5432",
		Control:     dsn,
		Rules:       filepath.Join(filepath.Dir(file), "rules.yaml"),
		Admin:       Admin{Listen: "127.0.0.1:6480"},
		Log:         Log{Level: "info", Format: "json"},
		Limits:      Limits{LoginTimeout: time.Minute, MaxStatementBytes: 4 << 20},
		Usage:       Usage{Window: time.Hour, Entries: 2000},
		CatalogPoll: 2 * time.Second,
		Drain:       30 * time.Second,
	}
	if *got != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestEveryKeyCanBeSetInTheFile(t *testing.T) {
	got := load(t, Options{LookupEnv: env(nil), File: write(t, `
listen: "[::1]:1"
upstream: /var/run/postgresql/.s.PGSQL.5433
control: host=db user=me dbname=app
rules: /etc/pgjanus/rules.yaml
admin: {listen: ":0"}
log:
  level: debug
  format: console
limits: {login_timeout: 500ms, max_statement_bytes: 64kB, max_sessions: 7}
usage: {window: 5m, entries: 9}
strict_flips: true
catalog_poll: 1m
drain: "0"
`)})
	want := Settings{
		File:        got.File,
		Listen:      "[::1]:1",
		Upstream:    "/var/run/postgresql/.s.PGSQL.5433",
		Control:     "host=db user=me dbname=app",
		Rules:       "/etc/pgjanus/rules.yaml",
		Admin:       Admin{Listen: ":0"},
		Log:         Log{Level: "debug", Format: "console"},
		Limits:      Limits{LoginTimeout: 500 * time.Millisecond, MaxStatementBytes: 64_000, MaxSessions: 7},
		Usage:       Usage{Window: 5 * time.Minute, Entries: 9},
		StrictFlips: true,
		CatalogPoll: time.Minute,
	}
	if *got != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if network, address := got.UpstreamAddress(); network != "unix" || address != got.Upstream {
		t.Errorf("upstream is dialled as %s %s", network, address)
	}
}

func TestFlagsOutrankEnvironmentOutranksFile(t *testing.T) {
	file := write(t, "control: "+dsn+"\nlisten: file:1\nadmin: {listen: file:2}\nlog: {level: debug}\ndrain: 1s")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String("listen", "", "an own flag of the command")
	AddFlags(flags)
	if err := flags.Parse([]string{"--admin-listen=flag:2", "--limits-max-sessions", "3", "--drain=3s"}); err != nil {
		t.Fatal(err)
	}
	got := load(t, Options{
		File:  file,
		Flags: flags,
		Set:   map[string]string{"drain": "4s"},
		LookupEnv: env(map[string]string{
			"PGJANUS_LISTEN": "env:1", "PGJANUS_ADMIN_LISTEN": "env:2", "PGJANUS_LOG_LEVEL": "", "PGJANUS_OTHER": "x", "PGJANUS_DRAIN": "2s",
		}),
	})
	if got.Listen != "env:1" || got.Admin.Listen != "flag:2" || got.Log.Level != "debug" || got.Limits.MaxSessions != 3 || got.Drain != 4*time.Second {
		t.Errorf("got %v", got)
	}
	if network, address := got.UpstreamAddress(); network != "tcp" || address != "127.0.0.1:5432" {
		t.Errorf("upstream is dialled as %s %s", network, address)
	}
}

func TestRulesAreRelativeToWhoNamesThem(t *testing.T) {
	file := write(t, "control: "+dsn+"\nrules: conf/r.yaml")
	if got, want := load(t, Options{File: file, LookupEnv: env(nil)}).Rules, filepath.Join(filepath.Dir(file), "conf/r.yaml"); got != want {
		t.Errorf("from the file: %s, want %s", got, want)
	}
	if got := load(t, Options{File: file, LookupEnv: env(map[string]string{"PGJANUS_RULES": "r.yaml"})}).Rules; got != "r.yaml" {
		t.Errorf("from the environment: %s", got)
	}
}

func TestTheDefaultFileMayBeAbsentOnlyWhenControlIsSet(t *testing.T) {
	t.Chdir(t.TempDir())
	control := env(map[string]string{"PGJANUS_CONTROL": dsn})
	if got := load(t, Options{LookupEnv: control}); got.File != "" || got.Rules != "rules.yaml" {
		t.Errorf("got %v", got)
	}
	for name, opts := range map[string]Options{
		"default": {LookupEnv: env(nil)},
		"named":   {LookupEnv: control, File: "pgjanus.yaml"},
	} {
		_, err := Load(opts)
		dir, wdErr := os.Getwd()
		if wdErr != nil {
			t.Fatal(wdErr)
		}
		want := filepath.Join(dir, "pgjanus.yaml") + ": no such file (create it with at least the line control: postgres://user@host:5432/database, or name another one with --config)"
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	if err := os.WriteFile("pgjanus.yaml", []byte("listen: a:1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := load(t, Options{LookupEnv: control}); got.File != "pgjanus.yaml" || got.Listen != "a:1" {
		t.Errorf("got %v", got)
	}
}

func load(t *testing.T, opts Options) *Settings {
	t.Helper()
	s, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pgjanus.yaml")
	if err := os.WriteFile(path, []byte(strings.TrimLeft(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := vars[name]
		return text, ok
	}
}
