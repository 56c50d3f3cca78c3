package rules

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var yamlErrorPrefix = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxSearch finds the place of a YAML syntax error. The YAML library names
// at best a line, counted in different ways for different errors, so the place
// is found by shortening: the error belongs to the last line without which the
// text no longer has it.
type syntaxSearch struct {
	data    []byte
	message string
	budget  int // bytes that may still be parsed
}

func syntaxProblem(file string, data []byte, err error) Problem {
	const budget = 1 << 20 // well under a second
	s := &syntaxSearch{data: data, message: yamlMessage(err), budget: budget}
	start, end := s.line(err)
	line := data[start:end]
	column := len(line) - len(bytes.TrimLeft(line, " \t"))
	if !strings.HasPrefix(s.message, "did not find expected") && !strings.Contains(s.message, "end of stream") {
		column = s.character(start, end, column)
	}
	return Problem{
		File: file,
		Pos: Pos{
			Line:   bytes.Count(data[:start], []byte("\n")) + 1,
			Column: utf8.RuneCount(line[:column]) + 1,
		},
		Message: "not valid YAML: " + s.message,
		Hint:    syntaxHint(s.message, line),
	}
}

// line returns where the faulty line begins and ends.
func (s *syntaxSearch) line(err error) (start, end int) {
	for end = lineEnd(s.data, consumed(s.data)); ; end = start - 1 {
		start = lineStart(s.data, end)
		if start == 0 || !s.fails(start-1) {
			if s.budget < 0 {
				return s.named(err, start, end)
			}
			return start, end
		}
	}
}

// named returns the line that the library names, or else the one given.
func (s *syntaxSearch) named(err error, start, end int) (int, int) {
	m := yamlErrorPrefix.FindStringSubmatch(err.Error())
	if m == nil || m[1] == "" {
		return start, end
	}
	line, err := strconv.Atoi(m[1])
	if err != nil {
		return start, end
	}
	start = 0
	for ; line > 1; line-- {
		next := lineEnd(s.data, start) + 1
		if next > len(s.data) {
			break
		}
		start = next
	}
	return start, lineEnd(s.data, start)
}

// character returns the offset into the line of the character that brings the
// error about, or else the one given.
func (s *syntaxSearch) character(start, end, otherwise int) int {
	for at := start; at < end; {
		_, size := utf8.DecodeRune(s.data[at:])
		if s.fails(at + size) {
			return at - start
		}
		at += size
	}
	return otherwise
}

// fails reports whether the text up to end has the same error. It is false
// when the budget is spent.
func (s *syntaxSearch) fails(end int) bool {
	if s.budget -= end; s.budget < 0 {
		return false
	}
	_, _, err := documents(s.data[:end])
	return yamlMessage(err) == s.message
}

func syntaxHint(message string, line []byte) string {
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")):
		return "indent with spaces; YAML does not allow tabs"
	case strings.Contains(message, "mapping values"):
		return "check the indentation, and put SQL that contains ': ' in quotes or behind |"
	case strings.Contains(message, "cannot start any token"):
		return "put the text in quotes or behind |"
	case strings.Contains(message, "unknown anchor"):
		return "a text that begins with * needs quotes"
	case strings.Contains(message, "',' or"), strings.Contains(message, "end of stream"):
		return "close what is opened, and put SQL that contains brackets, commas or quotes behind |"
	case strings.Contains(message, "UTF-8"):
		return "save the file as UTF-8"
	}
	return "check the indentation and the quotes of this line and the one before"
}

func yamlMessage(err error) string {
	if err == nil {
		return ""
	}
	return yamlErrorPrefix.ReplaceAllString(err.Error(), "")
}

// consumed returns how much of a faulty text the parser has read when it fails.
func consumed(data []byte) int {
	src := &byteSource{data: data}
	dec := yaml.NewDecoder(src)
	for {
		var n yaml.Node
		if dec.Decode(&n) != nil {
			return src.off
		}
	}
}

// byteSource hands out one byte a call, so that a reader cannot run ahead.
type byteSource struct {
	data []byte
	off  int
}

func (s *byteSource) Read(p []byte) (int, error) {
	if s.off == len(s.data) || len(p) == 0 {
		return 0, io.EOF
	}
	p[0] = s.data[s.off]
	s.off++
	return 1, nil
}

// lineStart returns where the line begins that ends at end.
func lineStart(data []byte, end int) int { return bytes.LastIndexByte(data[:end], '\n') + 1 }

// lineEnd returns where the line ends that offset at is in.
func lineEnd(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(data)
}
