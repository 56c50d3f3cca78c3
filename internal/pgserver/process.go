package pgserver

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// patience is how long one step of a shutdown may take before the next,
// harder one.
const patience = 20 * time.Second

// process is a postmaster and the goroutine that waits for it.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{} // closed when the postmaster is gone
}

// startProcess runs cmd and waits for it in the background. It takes ownership
// of log, which cmd writes to.
func startProcess(cmd *exec.Cmd, log *os.File) (*process, error) {
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.supervise(started)
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// supervise starts the postmaster and waits for it on one thread, because the
// kernel's parent death signal is about the thread that forked, not about the
// process: the thread must not end before the postmaster does.
func (p *process) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	defer p.log.Close()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	// How the server ended does not matter: done says that it did, its log why.
	_ = p.cmd.Wait()
}

// stop ends the postmaster: fast shutdown, then immediate, then by force.
func (p *process) stop() {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		// An error means that it is gone already, which done tells too.
		_ = p.cmd.Process.Signal(sig)
		if p.wait(patience) {
			return
		}
	}
}

func (p *process) wait(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}
