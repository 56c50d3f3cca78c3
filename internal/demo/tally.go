package demo

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// samplesKept bounds the distinct error texts that a tally remembers.
const samplesKept = 20

// tally counts what the connections of one run of the application saw.
type tally struct {
	requests atomic.Int64
	errors   atomic.Int64
	retries  atomic.Int64 // 40001 and 40P01, answered as an application should

	// recording says whether the durations of steady requests are kept.
	recording atomic.Bool

	mu        sync.Mutex // guards what is below
	samples   map[string]int
	latencies []time.Duration
}

func newTally() *tally { return &tally{samples: map[string]int{}} }

// fail counts one unexpected error of the named request.
func (t *tally) fail(request string, err error) {
	t.errors.Add(1)
	text := fmt.Sprintf("%s: %v", request, err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, seen := t.samples[text]; seen || len(t.samples) < samplesKept {
		t.samples[text]++
	}
}

// took records the duration of one successful request.
func (t *tally) took(d time.Duration) {
	if !t.recording.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies = append(t.latencies, d)
}

// errorSamples lists the distinct errors, the most frequent first.
func (t *tally) errorSamples() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	texts := make([]string, 0, len(t.samples))
	for text := range t.samples {
		texts = append(texts, text)
	}
	sort.Slice(texts, func(i, j int) bool {
		if t.samples[texts[i]] != t.samples[texts[j]] {
			return t.samples[texts[i]] > t.samples[texts[j]]
		}
		return texts[i] < texts[j]
	})
	for i, text := range texts {
		texts[i] = fmt.Sprintf("%d x %s", t.samples[text], text)
	}
	return texts
}

// quantile returns the q-th quantile of ds in milliseconds; it sorts ds.
func quantile(ds []time.Duration, q float64) float64 {
	if len(ds) == 0 {
		return 0
	}
	sort.Slice(ds, func(i, j int) bool { return ds[i] < ds[j] })
	at := min(int(q*float64(len(ds))), len(ds)-1)
	return float64(ds[at].Microseconds()) / 1000
}
