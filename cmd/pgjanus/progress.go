package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	barWidth    = 24
	redrawEvery = 100 * time.Millisecond
	lineEvery   = 10 * time.Second
)

// progress tells how far a long verb is: on a terminal as one line that is
// drawn again, elsewhere as a line every ten seconds. It is used by one
// goroutine.
type progress struct {
	w        io.Writer
	name     string
	terminal bool
	now      func() time.Time
	last     time.Time
	drawn    bool
	started  bool
}

func newProgress(w io.Writer, name string) *progress {
	return &progress{w: w, name: name, terminal: isTerminal(w), now: time.Now}
}

// say shows what is being waited for.
func (p *progress) say(what string) { p.put(p.name + ": " + what) }

// show shows how many rows are done. total is an estimate, 0 when unknown.
func (p *progress) show(done, total int64, rate float64, eta time.Duration) {
	line := fmt.Sprintf("%s: %d rows, %.0f rows/s", p.name, done, rate)
	if total > 0 {
		share := min(1, float64(done)/float64(total))
		full := int(share * barWidth)
		bar := ""
		if p.terminal {
			bar = "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "] "
		}
		line = fmt.Sprintf("%s: %s%.0f%%, %d of about %d rows, %.0f rows/s, %s left",
			p.name, bar, 100*share, done, max(done, total), rate, eta.Round(time.Second))
	}
	p.put(line)
}

func (p *progress) put(line string) {
	now := p.now()
	every := lineEvery
	if p.terminal {
		every = redrawEvery
	}
	if !p.started {
		p.started = true
		if !p.terminal {
			p.last = now // nothing for what is over within seconds
			return
		}
	} else if now.Sub(p.last) < every {
		return
	}
	p.last = now
	if p.terminal {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.drawn = true
		return
	}
	_, _ = fmt.Fprintln(p.w, line)
}

// end leaves the terminal on a fresh line. It may be called twice.
func (p *progress) end() {
	if p.drawn {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

// isTerminal says whether someone may be looking at w: a character device
// that is not the null device.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
