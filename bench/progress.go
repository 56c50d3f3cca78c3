package main

import (
	"fmt"
	"io"
)

// progress tells the person at the terminal what is going on. That it cannot be
// written does not end a measurement.
type progress struct{ w io.Writer }

func (p progress) sayf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}
