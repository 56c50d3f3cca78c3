package main

import (
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/admin"
	"github.com/pgjanus/pgjanus/rules"
)

func TestABackfillWaitsOnlyForWhatWillCome(t *testing.T) {
	m := &rules.Migration{Name: "a", Phase: rules.Dualwrite}
	running := func(phase string, settled bool, problems ...string) *admin.Status {
		return &admin.Status{Problems: problems, Migrations: []admin.Migration{{Name: "a", Phase: phase, Settled: settled}}}
	}
	for _, c := range []struct {
		name   string
		status *admin.Status
		reason string
		fails  string
	}{
		{"settled", running("dualwrite", true), "", ""},
		{"settled, while a later file is bad", running("dualwrite", true, "rules.yaml:1:1: no"), "", ""},
		{"an old transaction is open", running("dualwrite", false), "waiting until no transaction begun before phase dualwrite is open", ""},
		{"not loaded yet", running("off", true), "waiting until serve has loaded phase dualwrite", ""},
		{"unknown to serve yet", &admin.Status{}, "waiting until serve has loaded phase dualwrite", ""},
		{"rejected", running("off", true, "rules.yaml:1:1: no"), "", "rules.yaml:1:1: no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reason, err := unsettled(c.status, m)
			if reason != c.reason {
				t.Errorf("reason %q, want %q", reason, c.reason)
			}
			if (err != nil) != (c.fails != "") || err != nil && !strings.HasSuffix(err.Error(), c.fails) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
		})
	}
}
