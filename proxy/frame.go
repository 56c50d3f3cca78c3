package proxy

import "encoding/binary"

// A frame is one protocol message: a type byte, a length that counts itself
// but not the type, and a body (protocol page "Message Formats").
const headerSize = 5

// maxFrame is the largest body that Postgres accepts (PQ_LARGE_MESSAGE_LIMIT).
const maxFrame = 0x3fffffff

// frameSize returns the size of the whole frame that begins at b, which has at
// least headerSize bytes; 0 for a length that no message can have.
func frameSize(b []byte) int {
	n := binary.BigEndian.Uint32(b[1:])
	if n < 4 || n > maxFrame+4 {
		return 0
	}
	return int(n) + 1
}

// cstring returns the zero-terminated string at the beginning of b, without
// the zero, and what follows. ok is false when there is no zero.
func cstring(b []byte) (s, rest []byte, ok bool) {
	for i, c := range b {
		if c == 0 {
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// appendFrame appends a frame whose body is made by body.
func appendFrame(dst []byte, kind byte, body func([]byte) []byte) []byte {
	at := len(dst)
	dst = append(dst, kind, 0, 0, 0, 0)
	dst = body(dst)
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1))
	return dst
}

func appendCString(dst []byte, s string) []byte { return append(append(dst, s...), 0) }
