package pgserver

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
)

// tempPattern names the temporary directories that sweep may take away.
const tempPattern = "pgjanus-pg-"

// maxSocketDir keeps dir/.s.PGSQL.65535 within sockaddr_un on every system.
const maxSocketDir = 104 - len("/.s.PGSQL.65535") - 1

// cluster is a directory with a database cluster in it.
type cluster struct {
	bin   string
	dir   string
	owner *owner
	lock  *os.File // held while the directory is in use; see sweep
}

func (c cluster) data() string    { return filepath.Join(c.dir, "data") }
func (c cluster) logFile() string { return filepath.Join(c.dir, "postgres.log") }

// newCluster makes the directory and runs initdb in it. On error nothing is
// left behind.
func newCluster(ctx context.Context, dir string) (c cluster, err error) {
	if c.bin, err = Bin(); err != nil {
		return c, err
	}
	if c.owner, err = unprivileged(); err != nil {
		return c, err
	}
	if c.dir, err = makeDir(dir); err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	if len(c.dir) > maxSocketDir {
		return c, fmt.Errorf("using %s for the server's socket: longer than %d characters; choose a shorter directory (TMPDIR)", c.dir, maxSocketDir)
	}
	if c.lock, err = lockDir(c.dir); err != nil {
		return c, err
	}
	if err = c.owner.give(c.dir); err != nil {
		return c, err
	}
	return c, c.initdb(ctx)
}

// makeDir returns an absolute path to a directory that exists, is empty and
// may be entered by others.
func makeDir(dir string) (string, error) {
	if dir == "" {
		sweep(os.TempDir())
		made, err := os.MkdirTemp("", tempPattern)
		if err != nil {
			return "", fmt.Errorf("making a directory for the cluster: %w", err)
		}
		dir = made
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("making a directory for the cluster: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a directory for the cluster: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("making a directory for the cluster: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("making a cluster in %s: the directory is not empty; choose another, it is removed at the end", dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the server's user has to enter it
		return "", fmt.Errorf("making a directory for the cluster: %w", err)
	}
	return dir, nil
}

func (c cluster) initdb(ctx context.Context) error {
	locale := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		locale = "C" // older releases have no C.UTF-8
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"),
		"-D", c.data(), "-A", "trust", "--no-sync", "-U", "postgres", "-E", "UTF8", "--locale="+locale)
	cmd.Dir = c.dir
	cmd.Env = environment()
	if c.owner != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner.cred}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a cluster in %s: initdb: %w\n%s", c.dir, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// remove takes the directory away and releases its lock.
func (c cluster) remove() error {
	err := os.RemoveAll(c.dir)
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("removing the cluster: %w", err)
	}
	return nil
}

// environment is this process's without what would steer Postgres.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "PG") || strings.HasPrefix(kv, "LC_") || strings.HasPrefix(kv, "LANG") {
			continue
		}
		env = append(env, kv)
	}
	return append(env, "LC_ALL=C")
}
