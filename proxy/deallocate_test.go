package proxy

import (
	"slices"
	"testing"
)

func TestDeallocatedReadsOneNameOnly(t *testing.T) {
	for text, want := range map[string]string{
		"DEALLOCATE s1": "s1", " deallocate PREPARE S1 ; ": "s1", `DEALLOCATE "S""1"`: `S"1`, "DEALLOCATE ALL": "all",
		"DEALLOCATE a; DEALLOCATE b": "", "SELECT 1": "", "DEALLOCATE": "", "": "",
	} {
		if got := deallocated([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNamesBehindMissesNone(t *testing.T) {
	for text, want := range map[string][]string{
		"EXECUTE s1(1)": {"s1"}, "execute\n \"S 1\"; EXECUTE b": {"S 1", "b"}, "EXPLAIN ANALYZE EXECUTE x": {"x"}, "SELECT 1": nil, "EXECUTE": {""},
	} {
		if got := namesBehind("execute", []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
