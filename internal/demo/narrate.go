package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// narrator prints the story, each line with the seconds since the start.
type narrator struct {
	w     io.Writer
	start time.Time
}

// say prints one line. That stdout is gone is no reason to stop cleaning up.
func (n *narrator) say(format string, args ...any) {
	_, _ = fmt.Fprintf(n.w, "[%5.1fs] %s\n", time.Since(n.start).Seconds(), fmt.Sprintf(format, args...))
}

// thousands prints n with a comma between groups of three digits.
func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	digits := fmt.Sprint(n)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}
