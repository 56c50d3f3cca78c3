package live

import (
	"slices"
	"testing"

	"github.com/pgjanus/pgjanus/rules"
)

// Compiling a query about the catalog takes longer than to run it; who asks for it
// gets it.
func TestTheControlConnectionCompilesNothing(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://postgres@localhost/shop":        "off",
		"postgres://postgres@localhost/shop?jit=on": "on",
	} {
		config, err := Configure(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if got := config.RuntimeParams["jit"]; got != want {
			t.Errorf("%s: jit is %q, want %q", dsn, got, want)
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
