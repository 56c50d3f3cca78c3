package test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Of the name of a portal Postgres keeps 63 bytes (MAX_PORTALNAME_LEN), so that
// names which differ behind those are one.
func TestLongNamesOfPortals(t *testing.T) {
	p := newPair(t, 4)
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	long := strings.Repeat("p", 63)
	for _, text := range []string{
		"UPDATE users SET is_active = NOT is_active RETURNING id",
		"UPDATE users SET is_active = NOT is_active",
		"UPDATE orders SET items = '[{\"sku\":\"p\"}]' RETURNING id, items",
	} {
		for _, name := range []string{long, long + "x"} {
			messages := []pgproto3.FrontendMessage{
				&pgproto3.Query{String: "BEGIN"},
				&pgproto3.Parse{Query: text}, &pgproto3.Bind{DestinationPortal: long + "y"}, &pgproto3.Describe{ObjectType: 'P', Name: name},
				&pgproto3.Execute{Portal: name, MaxRows: 2},
			}
			if strings.Contains(text, "RETURNING") { // else it cannot be executed again
				messages = append(messages, &pgproto3.Execute{Portal: long + "z", MaxRows: 2})
			}
			messages = append(messages, &pgproto3.Sync{}, &pgproto3.Query{String: "COMMIT"})
			if d := differs(plain.say(messages...), through.say(messages...)); d != "" {
				t.Errorf("%s: %s", text, d)
			}
			p.gate.noDrift(t, text)
		}
		for _, fetch := range []string{`FETCH ` + long, `FETCH ` + long + `andMore`, `MOVE "` + long + `x"`} {
			through.say(&pgproto3.Query{String: "BEGIN"}, &pgproto3.Parse{Query: text}, &pgproto3.Bind{DestinationPortal: long + "y"}, &pgproto3.Flush{})
			heard := through.say(&pgproto3.Query{String: fetch})
			if !strings.Contains(strings.Join(heard, "\n"), "C0A000") {
				t.Errorf("%s: %q, want a refusal", fetch, heard)
			}
			through.say(&pgproto3.Query{String: "COMMIT"})
			p.gate.noDrift(t, fetch)
		}
	}
}
