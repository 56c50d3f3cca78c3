package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/rules"
)

func TestWhatPgjanusIsGivenLoads(t *testing.T) {
	for _, e := range append(extras[:len(extras):len(extras)], struct{ name, rule string }{}) {
		t.Run(e.rule, func(t *testing.T) { loads(t, e.rule) })
	}
}

func loads(t *testing.T, line string) {
	text, err := rulesWith(line)
	if err != nil {
		t.Fatal(err)
	}
	file, port, admin, err := configureJanus(t.TempDir(), "postgres://postgres@127.0.0.1:5432/bench", 5432, text)
	if err != nil {
		t.Fatal(err)
	}
	if port == admin {
		t.Error("both listeners have the same port")
	}
	settings, err := config.Load(config.Options{File: file, LookupEnv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Listen != address(port) || settings.Rules == "" {
		t.Errorf("settings: %+v", settings)
	}

	set, err := rules.Load(filepath.Join(filepath.Dir(file), "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Migrations) != 3 {
		t.Errorf("%d migrations", len(set.Migrations))
	}
	for _, m := range set.Migrations {
		if m.Phase != rules.Dualwrite {
			t.Errorf("%s is in phase %s", m.Name, m.Phase)
		}
	}
	if _, err := os.Stat(settings.Rules); err != nil {
		t.Error(err)
	}
}
