package live

import "testing"

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
