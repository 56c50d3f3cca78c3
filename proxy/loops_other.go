//go:build !linux

package proxy

import "time"

// loops are for Linux. Elsewhere every session has two goroutines.
type loops struct{}

func (*loops) start(*Server, int) error { return nil }

func (*loops) stop() {}

func (*loops) take(*session, time.Time) (*relay, error) { return nil, nil } //nolint:nilnil // no loops, no error

// relay is never made.
type relay struct{}

func (*relay) run() {}

func (*relay) stop(error) {}

func (*relay) wake() {}
