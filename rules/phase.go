package rules

import "fmt"

// Phase says where a migration stands. The zero value is Off.
type Phase int

// The phases in the order in which a migration passes through them.
const (
	Off Phase = iota
	Dualwrite
	Shadow
	Live
	Rampdown
	Complete
)

// LastBuilt is the furthest phase this release can run. Rules that name a
// later one are refused when they are loaded.
const LastBuilt = Dualwrite

var phaseNames = [...]string{"off", "dualwrite", "shadow", "live", "rampdown", "complete"}

// String returns the name used in rules files, metrics and messages.
func (p Phase) String() string {
	if p < 0 || int(p) >= len(phaseNames) {
		return fmt.Sprintf("phase(%d)", int(p))
	}
	return phaseNames[p]
}

// ParsePhase is the inverse of String.
func ParsePhase(s string) (Phase, error) {
	for i, name := range phaseNames {
		if s == name {
			return Phase(i), nil
		}
	}
	return Off, fmt.Errorf("unknown phase %q", s)
}

// PhaseNames lists every phase name in order.
func PhaseNames() []string { return append([]string(nil), phaseNames[:]...) }

// CanFollow reports whether a migration may go from p to next in one step:
// staying, or moving to a neighbour in either direction. Every two neighbours
// are safe side by side, so a fleet may be one phase apart and no more.
func (p Phase) CanFollow(next Phase) bool {
	d := next - p
	return d >= -1 && d <= 1
}
