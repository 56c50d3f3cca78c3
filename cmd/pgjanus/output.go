package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// format is how a verb prints its result.
type format string

const (
	text   format = "text"
	asJSON format = "json"
)

// String returns the name on the command line.
func (f *format) String() string { return string(*f) }

// Type is what --help calls the value.
func (f *format) Type() string { return "format" }

// Set reads the name.
func (f *format) Set(s string) error {
	if s != string(text) && s != string(asJSON) {
		return fmt.Errorf("%q is not a format; use text or json", s)
	}
	*f = format(s)
	return nil
}

// The exit codes of every verb.
const (
	exitNo     = 1
	exitFailed = 2
)

// errNo ends a verb whose answer, already printed, is no.
var errNo = errors.New("the answer is no")

// print writes a result: value as JSON, or what asText writes.
func (g *global) print(value any, asText func(io.Writer)) error {
	if g.output == asJSON {
		encoder := json.NewEncoder(g.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	}
	asText(g.out)
	return nil
}

// conclude prints an error and maps it to an exit code.
func (g *global) conclude(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNo):
		return exitNo
	}
	if g.output == asJSON {
		_ = g.print(map[string]string{"error": err.Error()}, nil) // stderr says it too
	}
	_, _ = fmt.Fprintf(g.err, "pgjanus: %v\n", err)
	return exitFailed
}
