package proxy

import "encoding/binary"

// The messages that the core sends to the server itself.

func appendParse(dst []byte, name, text string, types []byte) []byte {
	return appendFrame(dst, 'P', func(b []byte) []byte {
		return append(appendCString(appendCString(b, name), text), types...)
	})
}

// appendBind binds a statement without parameters, results as text.
func appendBind(dst []byte, portal, name string) []byte {
	return appendFrame(dst, 'B', func(b []byte) []byte {
		return append(appendCString(appendCString(b, portal), name), 0, 0, 0, 0, 0, 0)
	})
}

func appendExecute(dst []byte, portal string) []byte {
	return appendFrame(dst, 'E', func(b []byte) []byte { return append(appendCString(b, portal), 0, 0, 0, 0) })
}

// appendClose closes a statement ('S') or portal ('P').
func appendClose(dst []byte, what byte, name string) []byte {
	return appendFrame(dst, 'C', func(b []byte) []byte { return appendCString(append(b, what), name) })
}

// appendDescribe describes a statement ('S') or portal ('P').
func appendDescribe(dst []byte, what byte, name string) []byte {
	return appendFrame(dst, 'D', func(b []byte) []byte { return appendCString(append(b, what), name) })
}

func appendFlush(dst []byte) []byte { return append(dst, 'H', 0, 0, 0, 4) }

func appendQuery(dst []byte, text string) []byte {
	return appendFrame(dst, 'Q', func(b []byte) []byte { return appendCString(b, text) })
}

// noTypes is the end of a Parse that declares no parameter types.
var noTypes = []byte{0, 0}

// addResultFormat returns body, that of a Bind, with one more result format
// code where it has one for each column (two or more); nil where nothing has to
// change. The new column is read as text.
func addResultFormat(body []byte) ([]byte, error) {
	at, err := resultFormats(body)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(body[at:])
	if n < 2 {
		return nil, nil
	}
	changed := append(append([]byte{}, body...), 0, 0)
	binary.BigEndian.PutUint16(changed[at:], n+1)
	return changed, nil
}

// resultFormats returns the offset of the result format count of a Bind.
func resultFormats(body []byte) (int, error) {
	_, rest, ok := cstring(body)
	if !ok {
		return 0, errProtocol
	}
	if _, rest, ok = cstring(rest); !ok || len(rest) < 2 {
		return 0, errProtocol
	}
	formats := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; len(rest) < 2*formats+2 {
		return 0, errProtocol
	}
	rest = rest[2*formats:]
	params := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	for range params {
		if len(rest) < 4 {
			return 0, errProtocol
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size > len(rest) {
			return 0, errProtocol
		}
		if size > 0 {
			rest = rest[size:]
		}
	}
	if len(rest) < 2 {
		return 0, errProtocol
	}
	return len(body) - len(rest), nil
}
