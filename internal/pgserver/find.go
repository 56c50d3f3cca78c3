package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNoPostgres says that no Postgres server is installed here.
var ErrNoPostgres = errors.New(`no Postgres server binaries found: ` +
	`install them (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql) ` +
	`or set PGBIN to the directory that holds initdb and postgres`)

// debianBins is where Debian keeps the server, one directory a major version;
// they are not on the PATH there.
const debianBins = "/usr/lib/postgresql/*/bin"

// Bin returns the directory of the server binaries: $PGBIN, else the newest of
// Debian's, else where the PATH has them. A PGBIN without binaries is an error,
// not a reason to look elsewhere.
func Bin() (string, error) {
	if dir := os.Getenv("PGBIN"); dir != "" {
		if !hasServer(dir) {
			return "", fmt.Errorf("looking for Postgres in PGBIN=%s: no initdb and postgres there; unset PGBIN or correct it", dir)
		}
		return dir, nil
	}
	dirs, err := filepath.Glob(debianBins)
	if err != nil {
		return "", fmt.Errorf("looking for Postgres in %s: %w", debianBins, err)
	}
	if dir := newest(dirs); dir != "" {
		return dir, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && hasServer(filepath.Dir(path)) {
			return filepath.Dir(path), nil
		}
	}
	return "", ErrNoPostgres
}

// newest returns the directory of the highest major version that has a server.
func newest(dirs []string) string {
	version := func(dir string) int {
		v, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return -1
		}
		return v
	}
	dirs = slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool { return !hasServer(dir) })
	if len(dirs) == 0 {
		return ""
	}
	return slices.MaxFunc(dirs, func(a, b string) int { return version(a) - version(b) })
}

func hasServer(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			return false
		}
	}
	return true
}
