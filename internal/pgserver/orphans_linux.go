package pgserver

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// killOrphans ends the backends that outlived a killed postmaster: they keep
// the shared memory, and while they do no new one starts. Every server process
// has the data directory as its working directory, and nothing else has.
func killOrphans(data string) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		left := 0
		links, err := filepath.Glob("/proc/[0-9]*/cwd")
		if err != nil {
			return
		}
		for _, link := range links {
			if cwd, err := os.Readlink(link); err != nil || cwd != data {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil && pid != os.Getpid() {
				left++
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if left == 0 {
			return
		}
	}
}
