package proxy

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rewrite"
)

// Postgres 13 answers a Query that is sent into COPY with the error of the COPY
// alone, so nobody can tell which Query is answered from there on. Later versions
// end the session.
func TestAQueryInsideCopyEndsTheSessionOrIsTheServersBusiness(t *testing.T) {
	for version, want := range map[int]error{130000: errProtocol, 140000: nil} {
		p := canonical(t, "dualwrite", 7, func(s *catalog.Snapshot) { s.Version = version })
		c := newCore(func() *rewrite.Planner { return p }, coreLimits{login: maxLoginMessage}, NewMetrics(prometheus.NewRegistry()))
		var out batch
		for _, step := range []struct {
			feed func([]byte, *batch) (int, need, error)
			in   string
			want error
		}{
			{c.server, "Z\x00\x00\x00\x05I", nil},
			{c.client, string(appendQuery(nil, "COPY t FROM STDIN")), nil},
			{c.server, "G\x00\x00\x00\x07\x00\x00\x00", nil},
			{c.client, string(appendFlush(nil)), nil},
			{c.client, string(appendQuery(nil, "SELECT 1")), want},
		} {
			if _, _, err := step.feed([]byte(step.in), &out); !errors.Is(err, step.want) {
				t.Errorf("version %d, %q: %v, want %v", version, step.in, err, step.want)
			}
		}
	}
}
