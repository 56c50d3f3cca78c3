package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and reports. The servers it starts are stopped before it
// returns, whatever happens; ctx ends the run early.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	opts, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	// Which routes there are is known later; what -only can match is known now.
	if len(opts.pick(plan(opts.Routes, opts.Quick))) == 0 {
		return fmt.Errorf("no cell matches -only %q: names are like pass/select/prepared/16 or dual/insert/simple/4; -quick has fewer", opts.Only)
	}

	told := progress{stderr}
	stage, err := openStage(ctx, opts, told)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()

	groups := opts.pick(plan(stage.routes(), opts.Quick))
	began := time.Now()
	m := &measurer{stage: stage, opts: opts, progress: told, began: began}
	if err := m.measure(ctx, groups); err != nil {
		return err
	}

	rep := newReport(stage.facts(ctx), opts, m.rounds, groups)
	rep.Seconds = time.Since(began).Seconds()
	if err := rep.print(stdout); err != nil {
		return err
	}
	if err := rep.save(opts.JSON); err != nil {
		return err
	}
	if opts.JSON != "" {
		told.sayf("all figures are in %s", opts.JSON)
	}
	return rep.failed()
}
