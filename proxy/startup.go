package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// Codes in place of a protocol version in the first packet (protocol page
// "Message Formats": CancelRequest, SSLRequest, GSSENCRequest).
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

// maxStartup is MAX_STARTUP_PACKET_LENGTH in libpq/pqcomm.h, which the length
// itself does not count to.
const maxStartup = 10000 + 4

// startup is the first packet that asks for something: the raw bytes, which are
// forwarded as they are, and what we read in them.
type startup struct {
	raw    []byte
	cancel bool
	params map[string]string
}

var (
	errDirectTLS = errors.New("direct TLS is not supported: use sslmode=disable or prefer, or sslnegotiation=postgres")
	errVersion   = errors.New("unsupported frontend protocol")
)

// readStartup reads up to the StartupMessage or CancelRequest. SSLRequest and
// GSSENCRequest are answered N, at most once each, in either order, whatever their
// length, which Postgres does not look at either (ProcessStartupPacket in
// tcop/backend_startup.c). No other version than 3 is let through: Postgres 13
// speaks 2 as well, in messages that the session core does not read.
func readStartup(conn net.Conn) (*startup, error) {
	seen := map[uint32]bool{}
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head[:1]); err != nil {
			return nil, err
		}
		if head[0] == 0x16 {
			return nil, errDirectTLS
		}
		if _, err := io.ReadFull(conn, head[1:]); err != nil {
			return nil, err
		}
		size, code := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
		if size < 8 || size > maxStartup {
			return nil, fmt.Errorf("%w: a startup packet of %d bytes", errProtocol, size)
		}
		raw := append(head, make([]byte, size-8)...)
		if _, err := io.ReadFull(conn, raw[8:]); err != nil {
			return nil, err
		}
		if code == codeSSL || code == codeGSS {
			if seen[code] {
				return nil, fmt.Errorf("%w: a second encryption request", errProtocol)
			}
			seen[code] = true
			if _, err := conn.Write([]byte{'N'}); err != nil {
				return nil, err
			}
			continue
		}
		if code == codeCancel {
			return &startup{raw: raw, cancel: true}, nil
		}
		if major, minor := code>>16, code&0xffff; major != 3 {
			return nil, fmt.Errorf("%w %d.%d: pgjanus lets version 3 through", errVersion, major, minor)
		}
		return &startup{raw: raw, params: startupParams(raw[8:])}, nil
	}
}

// startupParams reads a copy of the parameters; the last of a duplicate wins,
// as in Postgres.
func startupParams(body []byte) map[string]string {
	params := map[string]string{}
	for len(body) > 1 {
		name, rest, ok := cstring(body)
		if !ok || len(name) == 0 {
			break
		}
		value, rest, ok := cstring(rest)
		if !ok {
			break
		}
		params[string(name)] = string(value)
		body = rest
	}
	return params
}

// database is the one the client asks for; Postgres takes the user's name where
// it names none, and cuts a name that is too long.
func (s *startup) database() string {
	db := s.params["database"]
	if db == "" {
		db = s.params["user"]
	}
	return string(clip([]byte(db)))
}

// replication reports whether the session will speak the replication protocol,
// whose commands are not SQL (ProcessStartupPacket in tcop/backend_startup.c).
func (s *startup) replication() bool {
	value := strings.ToLower(s.params["replication"])
	for _, no := range []string{"false", "off", "no", "0"} { // or the beginning of one (parse_bool in utils/adt/bool.c)
		if strings.HasPrefix(no, value) {
			return false
		}
	}
	return true
}
