package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start, or to end when asked to.
const patience = 15 * time.Second

// child is a server process: PgBouncer or pgjanus.
type child struct {
	cmd  *exec.Cmd
	log  string        // file of its standard output and error
	done chan struct{} // closed when the process is gone
}

// startChild runs cmd with its output in the file log. The child outlives
// contexts: it ends by stop, or when we die.
func startChild(cmd *exec.Cmd, log string) (*child, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(cmd.Path), err)
	}
	cmd.Stdout, cmd.Stderr = f, f
	c := &child{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go c.supervise(f, started)
	if err := <-started; err != nil {
		<-c.done
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(cmd.Path), err)
	}
	return c, nil
}

// supervise forks and waits on one locked thread: the kernel's parent death
// signal is about the thread that forked.
func (c *child) supervise(log *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.done)
	defer log.Close()
	if err := c.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	// How it ended does not matter here: its log says so.
	_ = c.cmd.Wait()
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop asks the process to end, then makes it. It is idempotent, and works on
// a nil child.
func (c *child) stop() {
	if c == nil {
		return
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		// An error means that it is gone already, which done tells too.
		_ = c.cmd.Process.Signal(sig)
		timer := time.NewTimer(patience)
		select {
		case <-c.done:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// await polls ready until it returns nil, and gives up when the process ends,
// ctx ends or patience does. The error has the end of the child's log.
func (c *child) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-c.done:
			err = errors.New("it ended")
		case <-ctx.Done():
		}
		return fmt.Errorf("waiting for %s: %w\n%s", filepath.Base(c.cmd.Path), err, c.logged())
	}
}

// logged returns the end of the child's log.
func (c *child) logged() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-4<<10):]))
}
