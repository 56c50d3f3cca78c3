package pgserver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// fakeServer makes a directory that looks like one with server binaries.
func fakeServer(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNewestComparesVersionsAsNumbers(t *testing.T) {
	root := t.TempDir()
	nine := fakeServer(t, filepath.Join(root, "9", "bin"))
	eighteen := fakeServer(t, filepath.Join(root, "18", "bin"))
	clientOnly := filepath.Join(root, "99", "bin")
	if err := os.MkdirAll(clientOnly, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := newest([]string{nine, eighteen, clientOnly}); got != eighteen {
		t.Errorf("got %s, want %s", got, eighteen)
	}
	if got := newest([]string{clientOnly}); got != "" {
		t.Errorf("got %s for a directory without a server", got)
	}
}

func TestPGBINIsObeyed(t *testing.T) {
	dir := fakeServer(t, t.TempDir())
	t.Setenv("PGBIN", dir)
	if got, err := Bin(); got != dir || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestPGBINWithoutServerIsAnError(t *testing.T) {
	t.Setenv("PGBIN", t.TempDir())
	if got, err := Bin(); err == nil || errors.Is(err, ErrNoPostgres) {
		t.Errorf("got %s, %v", got, err)
	}
}
