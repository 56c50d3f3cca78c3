package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestEachProblemNamesPlaceReasonAndWayOut(t *testing.T) {
	const c = "control: " + dsn + "\n" // one line: what is tested begins on line 2
	for _, test := range []struct {
		name, file string
		env        map[string]string
		want       string
	}{
		{"no control", "listen: a:1", nil, `FILE: control: it is required (write postgres://user@host:port/database or host=.. port=.. user=.. dbname=..)`},
		{"empty file", "", nil, `FILE: control: it is required (write postgres://user@host:port/database or host=.. port=.. user=.. dbname=..)`},
		{"control without a value", "control:", nil, `FILE:1:9: control has no value (write one, or remove the line for the default)`},
		{"control without a database", "control: postgres://me:s3cret@db", nil, `FILE:1:10: control: it names no database, and that is the one the rules apply to (write postgres://user@host:port/database or host=.. port=.. user=.. dbname=..)`},
		{"unparsable control", "control: postgres://me:s3cret#x@db:port/app", nil, `FILE:1:10: control: it is not a connection string (write postgres://user@host:port/database or host=.. port=.. user=.. dbname=..; in the first form, a password with special characters must be percent-encoded; the text is not shown, it may hold one)`},
		{"unreadable certificate", "control: " + dsn + "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", nil, `FILE:1:10: control: a file that it names cannot be read: /nowhere/ca.pem: no such file or directory (the text is not shown, it may hold a password)`},
		{"unknown key", c + "lissten: a:1", nil, `FILE:2:1: unknown key lissten (did you mean listen?)`},
		{"unknown nested key", c + "admin: {listne: a:1}", nil, `FILE:2:9: unknown key admin.listne (did you mean admin.listen?)`},
		{"a flag that is none", c + "strict_flips: maybe", nil, `FILE:2:15: strict_flips: "maybe" is not allowed (allowed: true, false)`},
		{"strict without evidence", c + "strict_flips: true\nusage: {entries: 0}", nil, `strict_flips is true and usage.entries is 0 (nothing would be remembered that a flip could be held against; give usage.entries a number)`},
		{"unknown section", c + "limit: {login_timeout: 1s}", nil, `FILE:2:1: unknown key limit (allowed: listen, upstream, control, rules, admin.listen, log.level, log.format, limits.login_timeout, limits.max_statement_bytes, limits.threads, limits.max_sessions, usage.window, usage.entries, strict_flips, catalog_poll, drain)`},
		{"case matters", c + "Listen: a:1", nil, `FILE:2:1: unknown key Listen (did you mean listen?)`},
		{"dotted key", c + "admin.listen: a:1", nil, `FILE:2:1: unknown key admin.listen (the parts of a key are written below one another: admin: listen)`},
		{"key twice", c + "listen: a:1\nlisten: a:1", nil, `FILE:3:1: listen is given twice (remove one)`},
		{"section that is a value", c + "log: debug", nil, `FILE:2:6: log is not a mapping (write its keys below it, indented: log.level, log.format)`},
		{"value that is a list", c + "listen: [a:1]", nil, `FILE:2:9: listen is not a single value (write listen: value)`},
		{"no mapping", "- listen", nil, `FILE:1:1: the file is not a mapping (write key: value, one a line)`},
		{"listen", c + "listen: 6432", nil, `FILE:2:9: listen: "6432" is not an address (write host:port, such as 127.0.0.1:6432 or [::1]:6432)`},
		{"port", c + "listen: a:70000", nil, `FILE:2:9: listen: "a:70000" is not an address (write host:port, such as 127.0.0.1:6432 or [::1]:6432)`},
		{"upstream", c + "upstream: localhost", nil, `FILE:2:11: upstream: "localhost" is not an address (write host:port, such as 127.0.0.1:5432, or the path of a socket, such as /var/run/postgresql/.s.PGSQL.5432)`},
		{"socket directory", c + "upstream: /var/run/postgresql/", nil, `FILE:2:11: upstream: "/var/run/postgresql/" is not the path of a Postgres socket (write /var/run/postgresql/.s.PGSQL.5432)`},
		{"level", c + "log: {level: warm}", nil, `FILE:2:14: log.level: "warm" is not allowed (did you mean warn?)`},
		{"format", c + "log: {format: xml}", nil, `FILE:2:15: log.format: "xml" is not allowed (allowed: json, console)`},
		{"duration without a unit", c + "drain: 30", nil, `FILE:2:8: drain: "30" is not a duration (write a number with a unit, such as 500ms, 60s or 2m)`},
		{"duration of nothing", c + "catalog_poll: 0s", nil, `FILE:2:15: catalog_poll: "0s" is too short (write a duration above 0)`},
		{"size", c + "limits: {max_statement_bytes: 4mb}", nil, `FILE:2:31: limits.max_statement_bytes: "4mb" is not a size (write a number of bytes, or one with kB, MB, GB, KiB, MiB or GiB, such as 4MiB)`},
		{"count", c + "limits: {max_sessions: -1}", nil, `FILE:2:24: limits.max_sessions: "-1" is not a count (write 0 or more)`},
		{"empty path", c + "rules: ''", nil, `FILE:2:8: rules: the path is empty (name a file)`},
		{"environment", c, map[string]string{"PGJANUS_LOG_LEVEL": "loud"}, `PGJANUS_LOG_LEVEL: log.level: "loud" is not allowed (allowed: debug, info, warn, error)`},
		{"same port twice", c + "listen: a:1\nadmin: {listen: a:1}", nil, `listen and admin.listen are both a:1 (give each a port of its own)`},
		{"itself as upstream", c + "listen: a:1\nupstream: a:1", nil, `listen and upstream are both a:1 (pgjanus would connect to itself; upstream is Postgres)`},
		{"two documents", c + "---\nlisten: a:1", nil, `FILE: not valid YAML: the file goes on behind its first document; a settings file is a single one (check the indentation and the quotes near this line)`},
		{"several at once", "lissten: a:1\nlog: {level: loud, format: xml}", nil, `FILE:1:1: unknown key lissten (did you mean listen?)
FILE: control: it is required (write postgres://user@host:port/database or host=.. port=.. user=.. dbname=..)
FILE:2:14: log.level: "loud" is not allowed (allowed: debug, info, warn, error)
FILE:2:28: log.format: "xml" is not allowed (allowed: json, console)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, test.file)
			_, err := Load(Options{File: file, LookupEnv: env(test.env)})
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), file, "FILE"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSyntaxErrorsOfTheFileHaveALine(t *testing.T) {
	file := write(t, "control: x\nlisten: a: b: c\n")
	_, err := Load(Options{File: file, LookupEnv: env(nil)})
	if err == nil || !strings.HasPrefix(err.Error(), file+":2: not valid YAML: ") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownKeysOfSetAreErrors(t *testing.T) {
	_, err := Load(Options{File: write(t, "control: "+dsn), LookupEnv: env(nil), Set: map[string]string{"lisen": "a:1"}})
	if err == nil || err.Error() != "unknown key lisen (did you mean listen?)" {
		t.Errorf("got %v", err)
	}
}

func TestPasswordsAreNeverPrinted(t *testing.T) {
	t.Setenv("PGPASSWORD", "")
	for control, want := range map[string]string{
		dsn: "postgres://me:xxxxx@db:5433/app",
		"postgres://me@db:5433/app?password=s3cret":                     "postgres://me:xxxxx@db:5433/app",
		"host=db port=5433 user=me password='s3cret' dbname=app":        "postgres://me:xxxxx@db:5433/app",
		"host=/run/pg user=me password=s3cret dbname=app":               "postgres://me:xxxxx@/app?host=%2Frun%2Fpg&port=5432",
		"postgres://me:s3cret@db:5433,other:5434/app":                   "postgres://me:xxxxx@db:5433/app",
		"postgres://me:s3cret@db:5433/app?sslmode=disable&sslpassword=": "postgres://me:xxxxx@db:5433/app",
	} {
		s, err := Load(Options{File: write(t, "control: "+quote(control)), LookupEnv: env(nil)})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Redacted()["control"]; got != want {
			t.Errorf("%s is shown as %s, want %s", control, got, want)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{s.String(), fmt.Sprintf("%v %+v %#v %s", s, *s, s, *s), string(text)} {
			if strings.Contains(text, "s3cret") {
				t.Errorf("printed: %s", text)
			}
		}
	}
	for _, control := range []string{"postgres://me:s3cret@db:x/app", "postgres://me:s3c/ret@db/app", "s3cret", "password=s3cret dbname", "postgres://me:s3cret@[db/app", "postgres://me:%zzs3cret@db/app"} {
		if _, err := Load(Options{File: write(t, "control: "+quote(control)), LookupEnv: env(nil)}); err == nil || strings.Contains(err.Error(), "s3c") {
			t.Errorf("%s: the error is %v", control, err)
		}
		if got := (Settings{Control: control}).String(); strings.Contains(got, "s3c") {
			t.Errorf("%s: printed %s", control, got)
		}
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
