package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// sslRequest is the shortest question that only a Postgres answers, with one
// byte and without a line in its log.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
const sslRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

// Probe returns a function that says whether a Postgres answers on address:
// host:port, or the path of a Unix socket.
func Probe(address string) func(context.Context) error {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	return func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if at, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(at) // a closed connection says so below
		}
		if _, err := io.WriteString(conn, sslRequest); err != nil {
			return fmt.Errorf("asking %s: %w", address, err)
		}
		var reply [1]byte
		if _, err := io.ReadFull(conn, reply[:]); err != nil {
			return fmt.Errorf("%s does not answer: %w", address, err)
		}
		if reply[0] != 'S' && reply[0] != 'N' {
			return fmt.Errorf("%s answers, but not as a Postgres", address)
		}
		return nil
	}
}
