package live

import (
	"slices"
	"testing"

	"github.com/pgjanus/pgjanus/rules"
)

// Settings of the role or the database that would be in the way are not those of the
// control connection, unless the connection string has them.
func TestSettingsOfTheControlConnection(t *testing.T) {
	for dsn, want := range map[string][2]string{
		"postgres://postgres@localhost/shop":        {"jit", "off"},
		"postgres://postgres@localhost/shop?jit=on": {"jit", "on"},
		"host=localhost":                            {"standard_conforming_strings", "on"},
	} {
		config, err := Configure(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if got := config.RuntimeParams[want[0]]; got != want[1] {
			t.Errorf("%s: %s is %q, want %q", dsn, want[0], got, want[1])
		}
	}
}

// Problems are logged once; those of migrations that are missing are the same in
// every try.
func TestRecordedMigrationsHaveAnOrder(t *testing.T) {
	phases := map[string]rules.Phase{"c": rules.Dualwrite, "a": rules.Dualwrite, "d": rules.Off, "b": rules.Dualwrite}
	for range 10 {
		set := RecordedSet("rules.yaml", phases)
		if !slices.IsSortedFunc(set.Migrations, func(a, b rules.Migration) int { return int(a.Name[0]) - int(b.Name[0]) }) {
			t.Fatalf("%+v", set.Migrations)
		}
	}
}
