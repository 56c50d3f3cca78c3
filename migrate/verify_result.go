package migrate

import (
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

const (
	// DefaultDriftKeys is how many drifting keys are named where nothing else
	// is said.
	DefaultDriftKeys = 20
	// verifyPage is how many old rows are compared at a time.
	verifyPage = 5000
)

// VerifyOptions says what to compare.
type VerifyOptions struct {
	Planner   *rewrite.Planner
	Migration string
	Limit     int // keys to name; 0 means DefaultDriftKeys
	// Progress is called from the goroutine of Verify; nil is fine.
	Progress func(VerifyProgress)

	page int // tests
}

// VerifyProgress is what a comparison tells while it runs.
type VerifyProgress struct {
	Compared int64
	Estimate int64
	Drift    int64
	Rate     float64 // rows a second
	ETA      time.Duration
}

// VerifyResult says where the two shapes disagree.
type VerifyResult struct {
	Migration string `json:"migration"`
	Compared  int64  `json:"compared"` // old rows
	// Drift counts old rows whose new shape is another, and keys that have a
	// new shape but no old row.
	Drift int64 `json:"drift"`
	// Keys names the first of them.
	Keys []DriftKey `json:"keys"`
	// Snapshot is the one that both shapes were read in.
	Snapshot string        `json:"snapshot"`
	Duration time.Duration `json:"duration"`
}

// DriftKey is a key whose shapes disagree.
type DriftKey struct {
	Key []string `json:"key"`
	// Reason shows what up says and what is there, shortened.
	Reason string `json:"reason"`
}
