package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/rewrite"
)

// Others on the event loop wait while a session looks for names in a text, or in its
// tables. What a client can make it look for, times what it can send, is done at once.
func TestManyNamesAreFoundInLinearTime(t *testing.T) {
	const idle = "Z\x00\x00\x00\x05I"
	p := canonical(t, "dualwrite", 7)
	var portals []byte
	for i := range 20000 {
		portals = appendBind(portals, fmt.Sprint("portal", i), "u")
	}
	const many = 60000
	again := appendClose(appendParse(nil, "s", "SELECT 1", noTypes), 'S', "s")
	sync := appendFrame(nil, 'S', func(b []byte) []byte { return b })
	failed := string(wireError{severity: "ERROR", code: codeSyntax, message: "syntax error"}.append(nil)) + idle
	for name, steps := range map[string][]struct {
		client []byte
		server string
	}{
		"EXECUTE in what cannot be read, behind PREPARE in what could not": {
			{appendQuery(nil, "PREPARE a MERGE things RETURNING "+strings.Repeat("x ", 100000)), failed},
			{appendQuery(nil, "SELECT RETURNING "+strings.Repeat("EXECUTE b ", 100000)), failed},
		},
		"FETCH where many portals are bound": {
			{append(appendParse(nil, "u", "UPDATE orders SET items = '[]'", noTypes), portals...), ""},
			{appendQuery(nil, "FETCH ALL FROM "+strings.Repeat("x ", 100000)), ""},
		},
		"one name prepared and closed again and again, before the first answer": {
			{bytes.Repeat(again, many), strings.Repeat("1\x00\x00\x00\x043\x00\x00\x00\x04", many)},
		},
		"COPY that ignores the Syncs sent ahead": {
			{append(appendQuery(nil, "COPY t FROM STDIN"), bytes.Repeat(sync, 4*many)...), "G\x00\x00\x00\x07\x00\x00\x00"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCore(func() *rewrite.Planner { return p }, coreLimits{login: maxLoginMessage}, NewMetrics(prometheus.NewRegistry()))
			var out batch
			if _, _, err := c.server([]byte(idle), &out); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			for _, step := range steps {
				if n, _, err := c.client(step.client, &out); err != nil || n != len(step.client) {
					t.Fatalf("took %d of %d bytes: %v", n, len(step.client), err)
				}
				if _, _, err := c.server([]byte(step.server), &out); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
