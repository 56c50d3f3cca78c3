package live

import (
	"fmt"
	"time"

	"github.com/pgjanus/pgjanus/rules"
)

// Strictness says whether a migration may go from off to dualwrite though
// statements that dualwrite refuses were seen lately.
type Strictness int

const (
	// AsSet means: as Options.StrictFlips says.
	AsSet Strictness = iota
	// Strict means: it may not, and the rules are rejected.
	Strict
	// Lenient means: it may, with a warning.
	Lenient
)

// String returns the name used in logs.
func (s Strictness) String() string { return [...]string{"as set", "strict", "lenient"}[s] }

// flipLines bounds what is said about one migration.
const flipLines = 20

// refuses reports whether a flip against what was seen is refused.
func (l *Live) refuses() bool {
	return l.strictness == Strict || l.strictness == AsSet && l.opt.StrictFlips
}

// flips holds set against what was seen of the migrations that it takes from
// off to dualwrite. The lines have no counts, so that they stay the same while a
// rejected file is tried again.
func (l *Live) flips(set *rules.Set) (warnings []string, err error) {
	if l.opt.Usage == nil || l.running == nil {
		return nil, nil
	}
	var problems rules.Problems
	for i := range set.Migrations {
		m := &set.Migrations[i]
		was := l.running.set.Find(m.Name)
		if was == nil || was.Phase != rules.Off || m.Phase == rules.Off {
			continue
		}
		report := l.opt.Usage.Report(m.Name)
		for n, r := range report.Refused {
			if n == flipLines {
				warnings = append(warnings, fmt.Sprintf("%s: and %d kinds more", m.Name, len(report.Refused)-n))
				break
			}
			line := fmt.Sprintf("%s: %s was seen within the last %s and would be refused: %s",
				m.Name, r.Kind, time.Duration(report.WindowSeconds)*time.Second, r.Reason)
			warnings = append(warnings, line)
			problems = append(problems, rules.Problem{
				File: set.File, Pos: m.PhasePos, Message: line,
				Hint: fmt.Sprintf("pgjanus usage %s lists the statements; pgjanus reload --strict=false goes on all the same", m.Name),
			})
		}
	}
	if l.refuses() {
		return nil, problems.Err()
	}
	return warnings, nil
}
