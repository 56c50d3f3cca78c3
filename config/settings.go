package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path"
	"strings"
	"time"
)

// Settings is what a process of pgjanus runs with. Each field has the tags
//
//	key      its name in the file; the environment variable and the flag follow from it
//	default  its value when nothing sets it
//	kind     what is allowed, see value.go
//	doc      a sentence for docs/settings.md and --help
//
// Control may hold a password: print Redacted, never the field.
type Settings struct {
	// File is the settings file that was read; empty when there was none.
	File string

	Listen   string `key:"listen" default:"127.0.0.1:6432" kind:"listen" doc:"Address on which applications connect, host:port. An empty host means every interface."`
	Upstream string `key:"upstream" default:"127.0.0.1:5432" kind:"upstream" doc:"Postgres, as host:port or as the path of its socket, such as /var/run/postgresql/.s.PGSQL.5432."`
	Control  string `key:"control" kind:"dsn" doc:"Required. Connection string of pgjanus's own connection. Its database is the one the rules apply to; sessions to other databases pass through untouched. Keep a password in the environment, the file, or ~/.pgpass: a flag can be seen by other processes."`
	Rules    string `key:"rules" default:"rules.yaml" kind:"path" doc:"The rules file. In the settings file, and by default, relative to the directory of the settings file; in the environment and in flags, relative to the working directory."`

	Admin  Admin
	Log    Log
	Limits Limits
	Usage  Usage

	StrictFlips bool          `key:"strict_flips" default:"false" kind:"true|false" doc:"Whether rules that take a migration from off to dualwrite are rejected while statements that dualwrite refuses were seen within usage.window. Else they come into force with a warning. A reload may ask for either (pgjanus reload --strict)."`
	CatalogPoll time.Duration `key:"catalog_poll" default:"2s" kind:"positive" doc:"How often to look whether the migrating tables were changed by DDL that did not pass through pgjanus."`
	Drain       time.Duration `key:"drain" default:"30s" kind:"duration" doc:"How long serve waits for open sessions when it is told to stop. 0 closes them at once."`
}

// Admin is the operator's HTTP interface.
type Admin struct {
	Listen string `key:"admin.listen" default:"127.0.0.1:6480" kind:"listen" doc:"Address of the operator's HTTP interface (metrics, health, API), host:port. It has no authentication: keep it on a private interface."`
}

// Log says how the process logs.
type Log struct {
	Level  string `key:"log.level" default:"info" kind:"debug|info|warn|error" doc:"The least level that is logged."`
	Format string `key:"log.format" default:"json" kind:"json|console" doc:"Layout of the log."`
}

// Limits bounds what clients can make the process do.
type Limits struct {
	LoginTimeout      time.Duration `key:"limits.login_timeout" default:"60s" kind:"positive" doc:"How long a client may take from connecting to being logged in."`
	MaxStatementBytes int           `key:"limits.max_statement_bytes" default:"4MiB" kind:"bytes" doc:"The longest statement that is parsed. A longer one that might touch a migrating table is refused."`
	Threads           int           `key:"limits.threads" default:"0" kind:"count" doc:"How many threads serve the sessions. 0 means half of the processors, at least one, or what the environment variable GOMAXPROCS says: next to Postgres, fewer threads cost less than they bring."`
	MaxSessions       int           `key:"limits.max_sessions" default:"0" kind:"count" doc:"The most sessions at once. 0 means no limit."`
}

// Usage is what is remembered of the statements that touch a migration.
type Usage struct {
	Window  time.Duration `key:"usage.window" default:"60m" kind:"positive" doc:"How long a refused statement counts as seen lately, for warnings and for strict_flips."`
	Entries int           `key:"usage.entries" default:"2000" kind:"count" doc:"The most statements that are remembered, in about 2 KiB each; the least recent make room. 0 remembers none."`
}

// UpstreamAddress returns the network and address to dial Postgres with.
func (s *Settings) UpstreamAddress() (network, address string) {
	if strings.HasPrefix(s.Upstream, "/") {
		return "unix", path.Clean(s.Upstream)
	}
	return "tcp", s.Upstream
}

// Redacted returns every setting by its key, fit for logs and the API: of the
// control connection only what is no secret.
func (s Settings) Redacted() map[string]string {
	out := map[string]string{}
	for _, f := range fields(&s) {
		out[f.key] = f.text()
		if f.kind == kindDSN {
			out[f.key] = redactDSN(s.Control)
		}
	}
	return out
}

// String prints Redacted, so that Settings in a log line gives nothing away.
func (s Settings) String() string { return fmt.Sprint(s.Redacted()) }

// GoString is String.
func (s Settings) GoString() string { return s.String() }

// MarshalJSON writes Redacted.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(s.Redacted()) }

// check looks at what several settings may not be at once.
func (s *Settings) check() []error {
	var problems []error
	same := func(a, b string) bool {
		host, port, err := net.SplitHostPort(a)
		otherHost, otherPort, otherErr := net.SplitHostPort(b)
		return err == nil && otherErr == nil && host == otherHost && port == otherPort && port != "0"
	}
	if same(s.Listen, s.Admin.Listen) {
		problems = append(problems, fmt.Errorf("listen and admin.listen are both %s (give each a port of its own)", s.Listen))
	}
	if same(s.Listen, s.Upstream) {
		problems = append(problems, fmt.Errorf("listen and upstream are both %s (pgjanus would connect to itself; upstream is Postgres)", s.Listen))
	}
	if s.StrictFlips && s.Usage.Entries == 0 {
		problems = append(problems, errors.New("strict_flips is true and usage.entries is 0 (nothing would be remembered that a flip could be held against; give usage.entries a number)"))
	}
	return problems
}
