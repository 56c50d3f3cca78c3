package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// side is one path of the latency measurement.
type side struct {
	app   *application
	tally *tally
}

// openSide connects an application that sends only steady requests.
func openSide(ctx context.Context, cfg *pgx.ConnConfig, scale Scale) (*side, error) {
	var steady []request
	for _, r := range requests() {
		if r.steady {
			steady = append(steady, r)
		}
	}
	s := &side{tally: newTally()}
	w := &world{scale: scale}
	w.serial.Store(1 << 32) // apart from the numbers of the application before
	app, err := connectApplication(ctx, cfg, w, s.tally, steady)
	s.app = app
	return s, err
}

// round lets the side work for a while.
func (s *side) round(ctx context.Context, d time.Duration) error {
	s.app.Start(ctx)
	defer s.app.Stop()
	return pause(ctx, d)
}

func (s *side) quantiles() Quantiles {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	ds := s.tally.latencies
	return Quantiles{P50: quantile(ds, 0.50), P99: quantile(ds, 0.99), Requests: len(ds)}
}

// measure lets both sides take turns, after one round each that does not
// count: statements are prepared and caches filled in that one.
func measure(ctx context.Context, direct, proxy *side, scale Scale) error {
	for n := range scale.Rounds + 1 {
		for _, s := range []*side{direct, proxy} {
			s.tally.recording.Store(n > 0)
			if err := s.round(ctx, scale.Round); err != nil {
				return fmt.Errorf("measuring latencies: %w", err)
			}
		}
	}
	return nil
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
