//go:build linux

package pgserver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVariable makes the test below run as the child of itself, which starts a
// server and waits to be killed.
const childVariable = "PGSERVER_TEST_CHILD"

func TestServerDiesWithItsParent(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		s, err := Start(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("server %d %s\n", s.PID(), s.SocketDir())
		<-t.Context().Done()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestServerDiesWithItsParent$")
	child.Env = append(os.Environ(), childVariable+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if line, ok := strings.CutPrefix(lines.Text(), "server "); ok {
			if _, err := fmt.Sscanf(line, "%d %s", &pid, &dir); err != nil {
				t.Errorf("reading %q: %v", line, err)
			}
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if pid == 0 {
		t.Fatal("the child started no server")
	}
	for syscall.Kill(pid, 0) == nil {
		if ctx.Err() != nil {
			t.Fatalf("server %d outlives its parent", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}

	old := time.Now().Add(-2 * sweepAge)
	if err := os.Chtimes(dir+"/"+lockName, old, old); err != nil {
		t.Fatal(err)
	}
	sweep(os.TempDir())
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s, which the killed process left, was not swept", dir)
	}
}

func TestSweepLeavesWhatIsInUse(t *testing.T) {
	s := start(t, Options{})
	lock := s.SocketDir() + "/" + lockName
	old := time.Now().Add(-2 * sweepAge)
	if err := os.Chtimes(lock, old, old); err != nil {
		t.Fatal(err)
	}
	sweep(os.TempDir())
	if got := ask(t, s, "SELECT 'alive'"); got != "alive" {
		t.Errorf("got %q", got)
	}
}
