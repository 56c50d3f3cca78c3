package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// patience is how long a child may take to end itself before it is killed.
const patience = 15 * time.Second

// child is a process of the given binary that runs beside the demo.
type child struct {
	cmd  *exec.Cmd
	log  string        // path of what it prints
	done chan struct{} // closed when it is gone
	err  error         // how it ended; valid once done is closed
}

// startChild runs the binary in the background; what it prints goes to the
// file log. The caller must stop it.
func startChild(binary, log string, args ...string) (*child, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of pgjanus: %w", err)
	}
	defer out.Close()
	c := &child{log: log, done: make(chan struct{})}
	c.cmd = exec.Command(binary, args...) //nolint:noctx // our own binary; stop ends it
	c.cmd.Env, c.cmd.SysProcAttr = environment(), attributes()
	c.cmd.Stdout, c.cmd.Stderr = out, out
	started := make(chan error, 1)
	go c.supervise(started)
	if err := <-started; err != nil {
		<-c.done
		return nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	return c, nil
}

// supervise starts the process and waits for it on one thread: the kernel's
// parent death signal is about the thread that forked.
func (c *child) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.done)
	c.err = c.cmd.Start()
	started <- c.err
	if c.err == nil {
		c.err = c.cmd.Wait()
	}
}

// stop ends the process, by force if it does not end itself in time.
func (c *child) stop() error {
	if err := c.signal(syscall.SIGTERM); err != nil {
		<-c.done // gone before we asked
		return nil
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(patience):
	}
	// An error means that it is gone by now, which done tells too.
	_ = c.signal(syscall.SIGKILL)
	<-c.done
	return fmt.Errorf("pgjanus did not end within %s of SIGTERM and was killed", patience)
}

func (c *child) signal(sig os.Signal) error { return c.cmd.Process.Signal(sig) }

// tail returns the last lines of what the process has printed.
func (c *child) tail(lines int) string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// runVerb runs the binary to its end and returns what it prints on stdout and
// its exit code. Only a process that could not be run at all is an error.
func runVerb(ctx context.Context, binary string, args ...string) (stdout []byte, stderr string, code int, err error) {
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env, cmd.SysProcAttr = environment(), attributes()
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	runtime.LockOSThread() // for the parent death signal; see supervise
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	if err != nil {
		return nil, "", -1, fmt.Errorf("running pgjanus %s: %w", args[0], err)
	}
	return out.Bytes(), strings.TrimSpace(complaints.String()), cmd.ProcessState.ExitCode(), nil
}

// environment is ours without settings of pgjanus, which would override the
// settings file of the demo.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PGJANUS_") {
			env = append(env, kv)
		}
	}
	return env
}
