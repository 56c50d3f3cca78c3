package catalog

import (
	"context"
	"crypto/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// login makes a login role, which belongs to the whole server: it has a name
// of its own and is dropped, with what it was granted, when the test ends.
func login(t *testing.T, conn *pgx.Conn, name string) string {
	t.Helper()
	role := name + "_" + strings.ToLower(rand.Text())
	run(t, conn, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		drop := "RESET ROLE; DROP OWNED BY " + role + "; DROP ROLE " + role
		if _, err := conn.PgConn().Exec(context.Background(), drop).ReadAll(); err != nil {
			t.Errorf("dropping role %s: %v", role, err)
		}
	})
	return role
}

// missing lists what one role lacks, with its name replaced by R.
func missing(t *testing.T, conn *pgx.Conn, role string, pairs ...GrantRequest) []string {
	t.Helper()
	req := Request{Grants: pairs}
	for _, p := range pairs {
		req.Tables = append(req.Tables, p.Old, p.New)
	}
	var list []string
	for _, m := range load(t, conn, req).Tables[pairs[0].Old].Missing {
		if m.Role == role {
			list = append(list, strings.ReplaceAll(m.Grant, role, "R"))
		}
	}
	return list
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

var (
	orderItems = GrantRequest{Old: Name{"public", "orders"}, New: Name{"public", "order_items"}}
	userStatus = GrantRequest{Old: Name{"public", "users"}, New: Name{"public", "users"}, Columns: []string{"status"}}
)

func TestAWriterOfTheOldTableNeedsTheWholeNewOne(t *testing.T) {
	conn := database(t, pgtest.Schema)
	writer, reader := login(t, conn, "writer"), login(t, conn, "reader")
	run(t, conn, "GRANT UPDATE (items) ON orders TO "+writer+"; GRANT SELECT ON orders TO "+reader)
	expect(t, missing(t, conn, writer, orderItems),
		"GRANT SELECT ON public.orders TO R",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON public.order_items TO R",
		"GRANT USAGE ON SEQUENCE public.order_items_id_seq TO R")
	expect(t, missing(t, conn, reader, orderItems))
}

func TestTheGrantsThatAreNamedAreEnough(t *testing.T) {
	conn := database(t, pgtest.Schema, `
		CREATE SCHEMA "New shape"; ALTER TABLE order_items SET SCHEMA "New shape";
		CREATE SCHEMA pgjanus; CREATE TABLE pgjanus.migration (name text);`)
	pair := GrantRequest{Old: orderItems.Old, New: Name{"New shape", "order_items"}}
	role := login(t, conn, "writer")
	run(t, conn, "GRANT INSERT ON orders TO "+role+"; GRANT UPDATE ON users TO "+role)
	grants := missing(t, conn, role, pair)
	expect(t, grants,
		`GRANT SELECT ON pgjanus.migration TO R`,
		`GRANT SELECT ON public.orders TO R`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON "New shape".order_items TO R`,
		`GRANT USAGE ON SCHEMA "New shape" TO R`,
		`GRANT USAGE ON SCHEMA pgjanus TO R`,
		`GRANT USAGE ON SEQUENCE "New shape".order_items_id_seq TO R`)
	run(t, conn, strings.ReplaceAll(strings.Join(grants, ";"), "TO R", "TO "+role))
	expect(t, missing(t, conn, role, pair))
	grants = missing(t, conn, role, userStatus)
	expect(t, grants, `GRANT SELECT ON public.users TO R`)
}

func TestAGrantByColumnDoesNotReachAddedColumns(t *testing.T) {
	conn := database(t, pgtest.Schema)
	role := login(t, conn, "writer")
	run(t, conn, "GRANT SELECT, INSERT (email, is_active), UPDATE (is_active) ON users TO "+role)
	expect(t, missing(t, conn, role, userStatus), "GRANT INSERT (status), UPDATE (status) ON public.users TO R")
	run(t, conn, "REVOKE INSERT ON users FROM "+role)
	expect(t, missing(t, conn, role, userStatus), "GRANT UPDATE (status) ON public.users TO R")
	run(t, conn, "GRANT UPDATE ON users TO "+role)
	expect(t, missing(t, conn, role, userStatus))
}

func TestAGrantOfEveryColumnDoesNotReachTableoid(t *testing.T) {
	conn := database(t, pgtest.Schema)
	role := login(t, conn, "writer")
	run(t, conn, "GRANT SELECT (id, email, is_active, status), UPDATE ON users TO "+role)
	expect(t, missing(t, conn, role, userStatus), "GRANT SELECT ON public.users TO R")
	run(t, conn, "SET ROLE "+role)
	if _, err := conn.Exec(context.Background(), "UPDATE users SET is_active = false RETURNING users.tableoid"); err == nil {
		t.Error("tableoid can be read")
	}
	run(t, conn, "RESET ROLE")
}

func TestPrivilegesByMembershipCount(t *testing.T) {
	conn := database(t, pgtest.Schema)
	role, group := login(t, conn, "writer"), login(t, conn, "team")
	run(t, conn, "GRANT "+group+" TO "+role+"; GRANT DELETE ON orders TO "+role+
		"; GRANT SELECT, INSERT, UPDATE, DELETE ON order_items TO "+group+"; GRANT USAGE ON SEQUENCE order_items_id_seq TO "+group)
	expect(t, missing(t, conn, role, orderItems), "GRANT SELECT ON public.orders TO R")
}

func TestIdentityColumnsNeedNoGrantOnTheirSequence(t *testing.T) {
	conn := database(t, pgtest.OrdersSchema, `CREATE TABLE lines (id bigint GENERATED ALWAYS AS IDENTITY, order_id bigint)`)
	role := login(t, conn, "writer")
	run(t, conn, "GRANT ALL ON orders TO "+role)
	expect(t, missing(t, conn, role, GrantRequest{Old: orderItems.Old, New: Name{"public", "lines"}}),
		"GRANT SELECT, INSERT, UPDATE, DELETE ON public.lines TO R")
}

func TestThereIsNothingToGrantOnATableThatIsNotThere(t *testing.T) {
	conn := database(t, pgtest.OrdersSchema)
	role := login(t, conn, "writer")
	run(t, conn, "GRANT ALL ON orders TO "+role)
	expect(t, missing(t, conn, role, GrantRequest{Old: orderItems.Old, New: Name{"public", "nowhere"}}))
}

func TestAWriterOfAViewNeedsWhatTheSyncNeeds(t *testing.T) {
	conn := database(t, pgtest.Schema, `
		CREATE VIEW people AS SELECT id, is_active FROM users; CREATE VIEW active AS SELECT * FROM people WHERE is_active;
		CREATE VIEW counted AS SELECT is_active, count(*) FROM users GROUP BY 1`)
	role, reader := login(t, conn, "writer"), login(t, conn, "reader")
	run(t, conn, "GRANT SELECT ON people, active TO "+reader+"; GRANT ALL ON counted TO "+reader)
	expect(t, missing(t, conn, reader, userStatus))
	run(t, conn, "GRANT UPDATE, INSERT ON active TO "+role)
	grants := missing(t, conn, role, userStatus)
	expect(t, grants, "GRANT SELECT ON public.active TO R", "GRANT SELECT, UPDATE (status) ON public.users TO R")
	run(t, conn, strings.ReplaceAll(strings.Join(grants, ";"), "TO R", "TO "+role))
	expect(t, missing(t, conn, role, userStatus))
}

func TestAWriterOfAPartitionNeedsWhatTheSyncNeeds(t *testing.T) {
	conn := database(t, `
		CREATE TABLE places (id int PRIMARY KEY, old int, new int) PARTITION BY HASH (id);
		CREATE TABLE places_0 PARTITION OF places FOR VALUES WITH (MODULUS 1, REMAINDER 0)`)
	pair := GrantRequest{Old: Name{"public", "places"}, New: Name{"public", "places"}, Columns: []string{"new"}}
	role := login(t, conn, "writer")
	run(t, conn, "GRANT INSERT (id, old) ON places_0 TO "+role)
	grants := missing(t, conn, role, pair)
	expect(t, grants, "GRANT SELECT, INSERT (new), UPDATE (new) ON public.places_0 TO R", "GRANT SELECT, UPDATE (new) ON public.places TO R")
	run(t, conn, strings.ReplaceAll(strings.Join(grants, ";"), "TO R", "TO "+role))
	expect(t, missing(t, conn, role, pair))
}
