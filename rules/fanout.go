package rules

import "go.yaml.in/yaml/v3"

// FanoutError says what becomes of a statement whose new shape cannot be written.
type FanoutError int

const (
	// FailFanoutError means: the statement fails, and neither shape is written.
	FailFanoutError FanoutError = iota
	// DirtyFanoutError means: the statement succeeds, and the key is recorded as dirty.
	DirtyFanoutError
)

var fanoutErrorNames = [...]string{"fail", "dirty"}

// String returns the name used in rules files.
func (f FanoutError) String() string { return fanoutErrorNames[f] }

func (r *reader) fanoutError(n *yaml.Node, m *Migration) {
	if n == nil {
		return
	}
	text, ok := r.text(n, "on_fanout_error")
	if !ok {
		return
	}
	for i, name := range fanoutErrorNames {
		if text == name {
			m.OnFanoutError = FanoutError(i)
			return
		}
	}
	r.problem(r.textPos(n), suggest(text, fanoutErrorNames[:]), "unknown on_fanout_error %s", quoted(text))
}
