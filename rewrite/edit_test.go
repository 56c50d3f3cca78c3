package rewrite

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsInsertedFirstStandsInFrontOfWhatIsThere(t *testing.T) {
	var es edits
	es.insert(1, "c")
	es.insertFirst(1, "b")
	es.insert(1, "d")
	es.insertFirst(1, "a")
	es.insertFirst(0, "0")
	es.insert(2, "e")
	es.sort()
	es.insert(1, ";")
	if got := es.apply("xyz", 0, len("xyz")); got != "0xabcd;yez" {
		t.Errorf("got %s", got)
	}
}

// Others on the event loop wait while a text is planned.
func TestManyInsertionsTakeLinearTime(t *testing.T) {
	text := strings.Repeat("x", 200000)
	begin := time.Now()
	var es edits
	for i := range text {
		es.insertFirst(i, "(")
	}
	es.sort()
	if got := es.apply(text, 0, len(text)); len(got) != 2*len(text) {
		t.Errorf("got %d bytes", len(got))
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("%d insertions take %v", len(text), took)
	}
}
