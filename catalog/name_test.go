package catalog

import "testing"

func TestNamesRoundTripAsText(t *testing.T) {
	for _, c := range []struct {
		name Name
		text string
	}{
		{Name{"public", "orders"}, "public.orders"},
		{Name{"Mixed Case", "Order"}, "Mixed Case.Order"},
		{Name{"a.b", `c"d`}, `"a.b"."c""d"`},
		{Name{"", ""}, `"".""`},
	} {
		text, err := c.name.MarshalText()
		if err != nil || string(text) != c.text {
			t.Errorf("%#v: %s, %v; want %s", c.name, text, err, c.text)
		}
		var back Name
		if err := back.UnmarshalText(text); err != nil || back != c.name {
			t.Errorf("%s came back as %#v, %v", text, back, err)
		}
	}
}

func TestTextThatIsNoNameIsRefused(t *testing.T) {
	for _, text := range []string{"", "orders", ".orders", "public.", "a.b.c", `"a.b`, `"a"b`, `"`, `a."b"c`} {
		var n Name
		if err := n.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %#v", text, n)
		}
	}
}
