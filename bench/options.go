package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// options are the flags of one run.
type options struct {
	Rounds  int
	Seconds int // of one pgbench run
	Only    string
	JSON    string
	Quick   bool
	Routes  []string
	// Limit bounds the measurement: no round begins that would probably end
	// after it. The first round always runs; building and filling come before.
	Limit time.Duration

	only *regexp.Regexp
}

// parseOptions reads the flags; usage and errors of the flag package go to w.
func parseOptions(args []string, w io.Writer) (options, error) {
	var o options
	var routes string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(w)
	fs.IntVar(&o.Rounds, "rounds", 3, "rounds; the figures are medians over them")
	fs.IntVar(&o.Seconds, "seconds", 3, "seconds of each pgbench run")
	fs.StringVar(&o.Only, "only", "", "run the cells whose name matches this regular expression, such as select/prepared or dual")
	fs.StringVar(&o.JSON, "json", "bench-results.json", "where the JSON report goes; empty for none")
	fs.BoolVar(&o.Quick, "quick", false, "one second a run, pass-through with 16 clients in two protocols only: under three minutes, noisier")
	fs.StringVar(&routes, "routes", "direct,pgbouncer,pgjanus", "ways to reach Postgres")
	fs.DurationVar(&o.Limit, "limit", 0, "end after this time, with fewer rounds (default 16m, with -quick 3m)")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: bench takes flags only", fs.Arg(0))
	}

	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.Quick && !given["seconds"] {
		o.Seconds = 1
	}
	if !given["limit"] {
		o.Limit = 16 * time.Minute
		if o.Quick {
			o.Limit = 3 * time.Minute
		}
	}
	if o.Rounds < 1 || o.Seconds < 1 {
		return o, errors.New("-rounds and -seconds must be at least 1")
	}
	var err error
	if o.only, err = regexp.Compile(o.Only); err != nil {
		return o, fmt.Errorf("reading -only: %w", err)
	}
	o.Routes = strings.Split(routes, ",")
	for _, r := range o.Routes {
		if r != direct && r != pgbouncer && r != pgjanus {
			return o, fmt.Errorf("unknown route %q in -routes: use %s, %s, %s", r, direct, pgbouncer, pgjanus)
		}
	}
	return o, nil
}

// uses reports whether the route was asked for.
func (o options) uses(route string) bool {
	for _, r := range o.Routes {
		if r == route {
			return true
		}
	}
	return false
}

// pick returns the groups that -only names.
func (o options) pick(groups []*group) []*group {
	var out []*group
	for _, g := range groups {
		if o.only.MatchString(g.name()) {
			out = append(out, g)
		}
	}
	return out
}
