package test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// What a text means hangs on settings that the client may change right ahead of
// it, in the same write. Read with the former ones, the second text is a SELECT of
// two strings; the server reads an UPDATE.
func TestSettingsThatArePipelinedAheadOfATextDoNotHideAWrite(t *testing.T) {
	const hidden = `SELECT '\', '; UPDATE orders SET items = $$[{"sku":"hidden"}]$$; --'`
	query := func(text string) pgproto3.FrontendMessage { return &pgproto3.Query{String: text} }
	execute := func(text string) []pgproto3.FrontendMessage {
		return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Execute{}}
	}
	for name, setting := range map[string]string{
		"SET": "SET standard_conforming_strings = off", "escaped": `SET U&"standard\005fconforming_strings" = off`,
		"set_config": "SELECT set_config('standard_' || 'conforming_strings', 'off', false)",
		"UPDATE":     "UPDATE pg_settings SET setting = 'off' WHERE name LIKE 'standard_conform%'",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, 3)
			g.phase("dualwrite")
			g.backfilled()
			refused := 0
			for _, messages := range [][]pgproto3.FrontendMessage{
				{query(setting), query(hidden)},
				{query("BEGIN"), query(setting), query(hidden), query("COMMIT")},
				append(execute(setting), &pgproto3.Sync{}, query(hidden)),
				append(append(execute(setting), execute(`UPDATE orders SET items = '["\\'']', note = '`)...), &pgproto3.Sync{}),
			} {
				if strings.Contains(strings.Join(dialWire(t, g.dsn).say(messages...), "\n"), "0A000") {
					refused++
				}
				if n := pgtest.Drift(t, g.direct)["order-items"]; n != 0 {
					t.Errorf("drift of %d keys", n)
				}
			}
			if refused != 4 {
				t.Errorf("%d of 4 refused", refused)
			}
			// Behind ROLLBACK it is what it was, and the answers have said so.
			w := dialWire(t, g.dsn)
			heard := w.say(query("BEGIN"), query(setting), query("ROLLBACK"), query(`UPDATE orders SET note = 'a\b', items = '[{"sku":"seen"}]'`))
			if !strings.Contains(strings.Join(heard, "\n"), "UPDATE 3") {
				t.Errorf("behind ROLLBACK it says %q", heard)
			}
			if n := pgtest.Drift(t, g.direct)["order-items"]; n != 0 {
				t.Errorf("drift of %d keys", n)
			}
		})
	}
}
