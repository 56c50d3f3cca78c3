package rules

import "fmt"

// Transition says what forbids next to follow prev: a phase that is not a
// neighbour of the one before, and a migration that was removed while it was
// not off. A migration that one of them lacks counts as off there; prev may be
// nil, which counts as empty. Places are in next.
func Transition(prev, next *Set) Problems {
	if prev == nil {
		prev = &Set{}
	}
	var problems Problems
	for i := range next.Migrations {
		m := &next.Migrations[i]
		from := Off
		if p := prev.Find(m.Name); p != nil {
			from = p.Phase
		}
		if from.CanFollow(m.Phase) {
			continue
		}
		step := from + 1
		if m.Phase < from {
			step = from - 1
		}
		problems = append(problems, Problem{
			File:    next.File,
			Pos:     m.PhasePos,
			Message: fmt.Sprintf("%s cannot go from phase %s to %s", m.Name, from, m.Phase),
			Hint:    fmt.Sprintf("only neighbours may follow one another; set it to %s first", step),
		})
	}
	for i := range prev.Migrations {
		p := &prev.Migrations[i]
		if p.Phase == Off || next.Find(p.Name) != nil {
			continue
		}
		problems = append(problems, Problem{
			File:    next.File,
			Message: fmt.Sprintf("%s is missing, and it is in phase %s", p.Name, p.Phase),
			Hint:    fmt.Sprintf("put it back and set it to %s first", Off),
		})
	}
	problems.Sort()
	return problems
}
