package proxy

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The messages of a script: a name and words; the last argument is the rest of
// the message, spaces and all. '' is the empty name. Options of the form
// key=value stand before the rest.

type words struct {
	t    testing.TB
	rest string
}

func (w *words) next() string {
	word, rest, _ := strings.Cut(w.rest, " ")
	w.rest = rest
	if word == "''" {
		return ""
	}
	return word
}

func (w *words) number() int {
	n, err := strconv.Atoi(w.next())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// option takes key=value off the front.
func (w *words) option(key string) string {
	if !strings.HasPrefix(w.rest, key+"=") {
		return ""
	}
	return strings.TrimPrefix(w.next(), key+"=")
}

func (w *words) list() [][]byte {
	var list [][]byte
	for w.rest != "" {
		list = append(list, []byte(w.next()))
	}
	return list
}

func encode(t testing.TB, text string, one func(kind string, w *words) interface{ Encode([]byte) ([]byte, error) }) []byte {
	t.Helper()
	var out []byte
	for message := range strings.SplitSeq(text, " | ") {
		w := &words{t: t, rest: message}
		kind := w.next()
		if kind == "Raw" { // Raw KIND BODY
			k := w.next()
			out = appendFrame(out, k[0], func(b []byte) []byte { return append(b, w.rest...) })
			continue
		}
		m := one(kind, w)
		if m == nil {
			t.Fatalf("unknown message %q", kind)
		}
		var err error
		if out, err = m.Encode(out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func encodeClient(t testing.TB, text string) []byte {
	return encode(t, text, func(kind string, w *words) interface{ Encode([]byte) ([]byte, error) } {
		switch kind {
		case "Query":
			return &pgproto3.Query{String: w.rest}
		case "Parse":
			p := &pgproto3.Parse{Name: w.next()}
			if types := w.option("types"); types != "" {
				for s := range strings.SplitSeq(types, ",") {
					oid, _ := strconv.Atoi(s)
					p.ParameterOIDs = append(p.ParameterOIDs, uint32(oid))
				}
			}
			p.Query = w.rest
			return p
		case "Bind":
			b := &pgproto3.Bind{DestinationPortal: w.next(), PreparedStatement: w.next()}
			if results := w.option("results"); results != "" {
				for s := range strings.SplitSeq(results, ",") {
					f, _ := strconv.Atoi(s)
					b.ResultFormatCodes = append(b.ResultFormatCodes, int16(f))
				}
			}
			b.Parameters = w.list()
			return b
		case "Describe":
			return &pgproto3.Describe{ObjectType: w.next()[0], Name: w.next()}
		case "Execute":
			return &pgproto3.Execute{Portal: w.next(), MaxRows: uint32(w.number())}
		case "Close":
			return &pgproto3.Close{ObjectType: w.next()[0], Name: w.next()}
		case "Sync":
			return &pgproto3.Sync{}
		case "Flush":
			return &pgproto3.Flush{}
		case "Terminate":
			return &pgproto3.Terminate{}
		case "CopyData":
			return &pgproto3.CopyData{Data: []byte(w.rest)}
		case "CopyDone":
			return &pgproto3.CopyDone{}
		case "CopyFail":
			return &pgproto3.CopyFail{Message: w.rest}
		case "FunctionCall":
			return &pgproto3.FunctionCall{Function: uint32(w.number())}
		case "Password":
			return &pgproto3.PasswordMessage{Password: w.rest}
		}
		return nil
	})
}

func encodeServer(t testing.TB, text string) []byte {
	return encode(t, text, func(kind string, w *words) interface{ Encode([]byte) ([]byte, error) } {
		switch kind {
		case "AuthenticationOk":
			return &pgproto3.AuthenticationOk{}
		case "ParseComplete":
			return &pgproto3.ParseComplete{}
		case "BindComplete":
			return &pgproto3.BindComplete{}
		case "CloseComplete":
			return &pgproto3.CloseComplete{}
		case "NoData":
			return &pgproto3.NoData{}
		case "EmptyQueryResponse":
			return &pgproto3.EmptyQueryResponse{}
		case "PortalSuspended":
			return &pgproto3.PortalSuspended{}
		case "ParameterDescription":
			p := &pgproto3.ParameterDescription{}
			for _, s := range w.list() {
				oid, _ := strconv.Atoi(string(s))
				p.ParameterOIDs = append(p.ParameterOIDs, uint32(oid))
			}
			return p
		case "RowDescription":
			r := &pgproto3.RowDescription{}
			for _, s := range w.list() {
				r.Fields = append(r.Fields, pgproto3.FieldDescription{Name: s, DataTypeOID: 25, DataTypeSize: -1})
			}
			return r
		case "DataRow":
			return &pgproto3.DataRow{Values: w.list()}
		case "CommandComplete":
			return &pgproto3.CommandComplete{CommandTag: []byte(w.rest)}
		case "ReadyForQuery":
			return &pgproto3.ReadyForQuery{TxStatus: w.next()[0]}
		case "Error":
			e := &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: w.next()}
			if pos := w.option("pos"); pos != "" {
				n, _ := strconv.Atoi(pos)
				e.Position = int32(n)
			}
			e.Hint = w.option("hint")
			e.Where = spelled(w.option("where"))
			e.Message = w.rest
			return e
		case "Notice":
			return &pgproto3.NoticeResponse{Severity: "NOTICE", Code: "00000", Where: spelled(w.option("where")), Message: w.rest}
		case "ParameterStatus":
			return &pgproto3.ParameterStatus{Name: w.next(), Value: w.rest}
		case "Notification":
			return &pgproto3.NotificationResponse{PID: 1, Channel: w.next(), Payload: w.rest}
		case "CopyIn":
			return &pgproto3.CopyInResponse{}
		case "CopyOut":
			return &pgproto3.CopyOutResponse{}
		case "CopyData":
			return &pgproto3.CopyData{Data: []byte(w.rest)}
		case "CopyDone":
			return &pgproto3.CopyDone{}
		case "FunctionResult":
			return &pgproto3.FunctionCallResponse{Result: []byte(w.rest)}
		}
		return nil
	})
}

// spelled returns a context of several words and lines.
func spelled(s string) string {
	return strings.NewReplacer("_", " ", ";", "\n").Replace(s)
}
