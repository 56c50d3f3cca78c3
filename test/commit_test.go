package test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// deferredOf has what speaks up at COMMIT: a trigger and a foreign key. As the
// trigger is AFTER, syncs run behind the statements.
const deferredOf = `
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF new.note = 'say' THEN RAISE NOTICE 'late'; END IF;
	IF new.note = 'fail' THEN RAISE 'late'; END IF;
	RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
CREATE TABLE shops (id int PRIMARY KEY);
ALTER TABLE orders ADD COLUMN shop int REFERENCES shops DEFERRABLE INITIALLY DEFERRED`

// A Query commits behind its last statement, which may be a sync.
func TestWhatACommitSaysIsNotTakenForTheSyncs(t *testing.T) {
	p := newPair(t, 3)
	pgtest.Exec(t, p.plain, deferredOf)
	pgtest.Exec(t, p.gate.direct, deferredOf)
	p.gate.phase("dualwrite")
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	for _, text := range []string{
		"UPDATE orders SET items = '[]', note = 'say' WHERE id = 1",
		"UPDATE orders SET items = '[]', note = 'fail' WHERE id = 1",
		"UPDATE orders SET items = '[]', shop = 5 WHERE id = 1",
		"SELECT 1; UPDATE orders SET items = '[]', shop = 5 WHERE id = 1",
		"UPDATE orders SET items = '[]', shop = 5 WHERE id = 1; SELECT 1",
		"SET CONSTRAINTS ALL IMMEDIATE; UPDATE orders SET items = '[]', shop = 5 WHERE id = 1",
		"BEGIN; UPDATE orders SET items = '[]', shop = 5 WHERE id = 1; COMMIT",
		"UPDATE orders SET items = '[]', note = 'say' WHERE id = 2",
	} {
		for way, messages := range map[string][]pgproto3.FrontendMessage{
			"simple":   {&pgproto3.Query{String: text}},
			"extended": {&pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		} {
			if difference := differs(plain.say(messages...), through.say(messages...)); difference != "" {
				t.Errorf("%s, %s: %s", text, way, difference)
			}
		}
	}
	pgtest.Agree(t, p.gate.direct)
}
