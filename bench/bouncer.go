package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// bouncerConfig is PgBouncer as transparent as it gets: session mode, and a
// server connection for every client. server_reset_query runs only when a
// client leaves; without it a second pgbench would meet the prepared statements
// of the first one on a reused connection.
const bouncerConfig = `[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 200
default_pool_size = 100
server_reset_query = DISCARD ALL
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
stats_period = 3600
`

// startBouncer runs the PgBouncer binary in front of the server on port
// upstream and returns its own port.
func startBouncer(ctx context.Context, binary, dir string, upstream int) (*child, int, error) {
	port, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	ini := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(ini, fmt.Appendf(nil, bouncerConfig, upstream, port), 0o644); err != nil { //nolint:gosec // another user reads it
		return nil, 0, fmt.Errorf("configuring PgBouncer: %w", err)
	}
	cred, err := bouncerUser()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(binary, "-q", ini)
	cmd.Dir = dir
	cmd.SysProcAttr = detached(cred)
	c, err := startChild(cmd, filepath.Join(dir, "pgbouncer.log"))
	if err != nil {
		return nil, 0, err
	}
	if err := c.await(ctx, func(ctx context.Context) error { return dial(ctx, port) }); err != nil {
		c.stop()
		return nil, 0, err
	}
	return c, port, nil
}

// bouncerUser returns whom to run PgBouncer as: it refuses to be root. nil
// means the present user.
func bouncerUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errU, errG); err != nil {
			return nil, fmt.Errorf("reading the ids of user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("choosing a user to run PgBouncer as: there is neither postgres nor nobody; run as an ordinary user, or with -routes direct,pgjanus")
}

func dial(ctx context.Context, port int) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address(port))
	if err != nil {
		return err
	}
	return conn.Close()
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
