package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// owner is the user that the server runs as; nil means the present one.
type owner struct {
	name string
	cred *syscall.Credential
}

// unprivileged returns nil unless the process is root, and then a user that
// Postgres agrees to run as.
func unprivileged() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("reading the id of user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("reading the group of user %s: %w", name, err)
		}
		return &owner{name: name, cred: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("choosing a user to run Postgres as: it refuses to run as root, " +
		"and there is neither a user postgres nor nobody; add one, or run as an ordinary user")
}

// give makes dir the owner's and lets him reach it. Parents are opened only
// below the system's temporary directory; elsewhere they are not ours.
func (o *owner) give(dir string) error {
	if o == nil {
		return nil
	}
	if err := os.Chown(dir, int(o.cred.Uid), int(o.cred.Gid)); err != nil {
		return fmt.Errorf("giving %s to user %s: %w", dir, o.name, err)
	}
	temp := filepath.Clean(os.TempDir()) + string(filepath.Separator)
	for parent := filepath.Dir(dir); parent != filepath.Dir(parent); parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return fmt.Errorf("checking that user %s can reach %s: %w", o.name, dir, err)
		}
		if info.Mode().Perm()&0o001 != 0 {
			continue
		}
		if !strings.HasPrefix(parent, temp) {
			return fmt.Errorf("checking that user %s can reach %s: %s is closed to others; "+
				"choose a directory elsewhere (TMPDIR), or run as an ordinary user", o.name, dir, parent)
		}
		if err := os.Chmod(parent, 0o755); err != nil { //nolint:gosec // the server's user has to pass
			return fmt.Errorf("opening %s to user %s: %w", parent, o.name, err)
		}
	}
	return nil
}
