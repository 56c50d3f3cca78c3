package proxy

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// clientText shows a message that goes to the server.
func clientText(frame []byte) string {
	body := frame[headerSize:]
	switch frame[0] {
	case 'Q':
		return "Query " + strings.TrimSuffix(string(body), "\x00")
	case 'P':
		var m pgproto3.Parse
		if m.Decode(body) == nil {
			types := ""
			if len(m.ParameterOIDs) > 0 {
				types = fmt.Sprintf("types=%v ", m.ParameterOIDs)
			}
			return fmt.Sprintf("Parse %s %s%s", name(m.Name), types, m.Query)
		}
	case 'B':
		var m pgproto3.Bind
		if m.Decode(body) == nil {
			text := fmt.Sprintf("Bind %s %s", name(m.DestinationPortal), name(m.PreparedStatement))
			if len(m.ResultFormatCodes) > 0 {
				text += fmt.Sprintf(" results=%v", m.ResultFormatCodes)
			}
			for _, p := range m.Parameters {
				text += " " + string(p)
			}
			return text
		}
	case 'D':
		return fmt.Sprintf("Describe %c %s", body[0], name(strings.TrimSuffix(string(body[1:]), "\x00")))
	case 'C':
		return fmt.Sprintf("Close %c %s", body[0], name(strings.TrimSuffix(string(body[1:]), "\x00")))
	case 'E':
		var m pgproto3.Execute
		if m.Decode(body) == nil {
			return fmt.Sprintf("Execute %s %d", name(m.Portal), m.MaxRows)
		}
	case 'S':
		return "Sync"
	case 'H':
		return "Flush"
	case 'X':
		return "Terminate"
	case 'c':
		return "CopyDone"
	case 'd':
		return "CopyData " + string(body)
	case 'f':
		return "CopyFail " + strings.TrimSuffix(string(body), "\x00")
	case 'F':
		return "FunctionCall"
	}
	return fmt.Sprintf("%c %q", frame[0], body)
}

// serverMessageText shows a message that goes to the client.
func serverMessageText(frame []byte) string {
	body := frame[headerSize:]
	if text, ok := map[byte]string{
		'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'n': "NoData", 'I': "EmptyQueryResponse",
		's': "PortalSuspended", 'G': "CopyIn", 'H': "CopyOut", 'c': "CopyDone", 'V': "FunctionResult",
	}[frame[0]]; ok {
		return text
	}
	switch frame[0] {
	case 'Z':
		return "ReadyForQuery " + string(body)
	case 'C':
		return "CommandComplete " + strings.TrimSuffix(string(body), "\x00")
	case 'd':
		return "CopyData " + string(body)
	case 'T':
		var m pgproto3.RowDescription
		if m.Decode(body) == nil {
			text := "RowDescription"
			for _, f := range m.Fields {
				text += " " + string(f.Name)
			}
			return text
		}
	case 'D':
		var m pgproto3.DataRow
		if m.Decode(body) == nil {
			text := "DataRow"
			for _, v := range m.Values {
				text += " " + string(v)
			}
			return text
		}
	case 't':
		var m pgproto3.ParameterDescription
		if m.Decode(body) == nil {
			return strings.TrimSpace("ParameterDescription " + strings.Trim(fmt.Sprint(m.ParameterOIDs), "[]"))
		}
	case 'E', 'N':
		text := map[byte]string{'E': "Error", 'N': "Notice"}[frame[0]]
		for rest := body; len(rest) > 1; {
			value, after, ok := cstring(rest[1:])
			if !ok {
				break
			}
			if rest[0] != 'V' {
				text += fmt.Sprintf(" %c=%q", rest[0], value)
			}
			rest = after
		}
		return text
	case 'S':
		return "ParameterStatus " + strings.ReplaceAll(strings.TrimSuffix(string(body), "\x00"), "\x00", " ")
	case 'A':
		return "Notification " + strings.ReplaceAll(strings.TrimSuffix(string(body[4:]), "\x00"), "\x00", " ")
	}
	return fmt.Sprintf("%c %q", frame[0], body)
}

func name(s string) string {
	if s == "" {
		return "''"
	}
	return s
}
