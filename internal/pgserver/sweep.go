package pgserver

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const lockName = "lock"

// sweepAge leaves a directory alone that may not have its lock yet.
const sweepAge = time.Minute

// lockDir takes the lock that says the directory is in use. The kernel drops
// it when the process dies, however it dies.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the cluster: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking the cluster in %s: %w", dir, err)
	}
	return f, nil
}

// sweep removes what killed processes left in temp: directories of our name,
// whose lock nobody holds. It is best effort, so it reports nothing.
func sweep(temp string) {
	dirs, err := filepath.Glob(filepath.Join(temp, tempPattern+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Stat(filepath.Join(dir, lockName))
		if err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		lock, err := lockDir(dir)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(dir) // what is left waits for the next sweep
		lock.Close()
	}
}
