package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// clock is moved by the test.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestOffATerminalThereIsOneLineEveryTenSeconds(t *testing.T) {
	var out strings.Builder
	c := &clock{time.Unix(0, 0)}
	p := newProgress(&out, "user-status")
	p.now = c.now
	for range 25 { // one a second
		p.show(500, 1000, 50, 10*time.Second)
		c.at = c.at.Add(time.Second)
	}
	p.end()
	want := strings.Repeat("user-status: 50%, 500 of about 1000 rows, 50 rows/s, 10s left\n", 2)
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestOnATerminalOneLineIsDrawnAgainAndTakenAway(t *testing.T) {
	var out strings.Builder
	c := &clock{time.Unix(0, 0)}
	p := newProgress(&out, "a")
	p.now, p.terminal = c.now, true
	p.say("waiting for pid 7")
	c.at = c.at.Add(time.Millisecond)
	p.show(1, 4, 1, time.Second) // too soon to see
	c.at = c.at.Add(time.Second)
	p.show(5, 4, 1, 0) // more rows than were estimated
	p.end()
	p.end()
	want := "\r\x1b[Ka: waiting for pid 7" +
		"\r\x1b[Ka: [########################] 100%, 5 of about 5 rows, 1 rows/s, 0s left" +
		"\r\x1b[K"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestTheNullDeviceIsNoTerminal(t *testing.T) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if isTerminal(f) || isTerminal(&strings.Builder{}) {
		t.Error("taken for a terminal")
	}
}
