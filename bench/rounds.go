package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// measurer runs the groups round by round.
type measurer struct {
	stage    *stage
	opts     options
	progress progress
	began    time.Time
	rounds   int // completed
}

// measure fills in the samples. A variant that fails is noted and left out from
// then on; only the end of ctx ends the measurement.
func (m *measurer) measure(ctx context.Context, groups []*group) error {
	var longest time.Duration
	for round := range m.opts.Rounds {
		began := time.Now()
		if round > 0 && began.Add(longest).Sub(m.began) > m.opts.Limit {
			m.progress.sayf("stopping after round %d: another one would not end within %v", round, m.opts.Limit)
			break
		}
		for _, g := range groups {
			for i := range g.Variants {
				// Another variant begins in each round, so that none always has the
				// same neighbour.
				v := g.Variants[(i+round)%len(g.Variants)]
				if v.Err != nil {
					continue
				}
				r, err := m.run(ctx, g, v)
				if ctx.Err() != nil {
					return fmt.Errorf("measuring: %w", context.Cause(ctx))
				}
				if err != nil {
					v.Err = err
					continue
				}
				v.Samples = append(v.Samples, r)
			}
			m.report(round, g)
		}
		m.rounds = round + 1
		longest = max(longest, time.Since(began))
	}
	return nil
}

func (m *measurer) run(ctx context.Context, g *group, v *variant) (sample, error) {
	if err := m.stage.prepare(ctx, g, v); err != nil {
		return sample{}, err
	}
	r, err := m.stage.once(ctx, g, v, m.opts.Seconds)
	if err != nil {
		return sample{}, err
	}
	return r, m.stage.verify(ctx, g, v)
}

// report prints one line about the round that a group has just been through.
func (m *measurer) report(round int, g *group) {
	var figures strings.Builder
	for _, v := range g.Variants {
		if v.Err != nil {
			fmt.Fprintf(&figures, "  %s failed", v.Name)
			continue
		}
		fmt.Fprintf(&figures, "  %s %s", v.Name, count(v.Samples[len(v.Samples)-1].TPS))
	}
	m.progress.sayf("round %d of %d  %-24s%s", round+1, m.opts.Rounds, g.name(), figures.String())
}
