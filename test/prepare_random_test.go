package test

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// names makes up what a session does with a few names, by SQL and through the
// protocol, pipelined, with errors between.
type names struct {
	r *rand.Rand
	// flips: the phase changes now and then. Then what the protocol has prepared
	// is not executed by SQL, which may be refused.
	flips bool
	n     int
}

func (s *names) name() string { return pick(s.r, "a", "b", "c") }

// protocol is a name for Parse.
func (s *names) protocol() string {
	if s.flips {
		return pick(s.r, "x", "y")
	}
	return pick(s.r, s.name(), "x")
}

// statement is one with two result columns, or none, and no parameters.
func (s *names) statement() string {
	s.n++
	return pick(s.r,
		fmt.Sprintf(`UPDATE orders SET items = '[{"sku":"n%d"}]' WHERE id = %d`, s.n, 1+s.r.Intn(5)),
		fmt.Sprintf(`UPDATE orders SET items = jsonb_build_array(items -> 0, '{"sku":"n%d"}'::jsonb) WHERE id = %d RETURNING id, customer`, s.n, 1+s.r.Intn(5)),
		fmt.Sprintf(`UPDATE users SET is_active = NOT is_active WHERE id = %d`, 1+s.r.Intn(5)),
		fmt.Sprintf(`UPDATE users SET is_active = %v WHERE id = %d RETURNING email, id`, s.r.Intn(2) == 0, 1+s.r.Intn(5)),
		fmt.Sprintf(`WITH w AS (UPDATE orders SET items = '[{"sku":"w%d"}]' WHERE id = %d RETURNING id) SELECT id, 1 FROM w`, s.n, 1+s.r.Intn(5)),
		`SELECT id, email FROM users WHERE id < 3 ORDER BY id`, `SELECT 1, 2`,
		fmt.Sprintf(`INSERT INTO orders (id, items) VALUES (%d, '[{"sku":"i"}]') ON CONFLICT (id) DO UPDATE SET items = excluded.items`, 5+s.r.Intn(3)),
		fmt.Sprintf(`DELETE FROM orders WHERE id = %d RETURNING id, note`, 7+s.r.Intn(2)))
}

func (s *names) text() string {
	switch s.r.Intn(12) {
	case 0, 1, 2:
		return "PREPARE " + s.name() + " AS " + s.statement()
	case 3, 4, 5, 6:
		return "EXECUTE " + s.name()
	case 7, 8:
		return "DEALLOCATE " + s.name()
	case 9:
		return pick(s.r, "SELECT 1/0", "SELECT nosuch", "SELECT 3, 4", "DEALLOCATE ALL", "SELECT 3, 4")
	case 10:
		return pick(s.r, "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s")
	}
	return s.statement()
}

// messages is one Query, or one batch with its Sync; see wireSteps.
func (s *names) messages() string {
	if s.r.Intn(2) == 0 {
		texts := []string{s.text()}
		for s.r.Intn(3) == 0 {
			texts = append(texts, s.text())
		}
		return strings.Join(texts, "; ")
	}
	var all []string
	for range 1 + s.r.Intn(3) {
		name := pick(s.r, "''", s.protocol())
		bound := pick(s.r, s.name(), s.protocol())
		switch s.r.Intn(8) {
		case 0:
			all = append(all, "P "+name+" "+s.statement(), "B "+name+pick(s.r, "", " all"), "D", "E")
		case 1:
			all = append(all, "P "+s.protocol()+" "+s.statement())
		case 2:
			all = append(all, "C "+bound)
		case 3, 4:
			all = append(all, "B "+bound+pick(s.r, "", " all"), pick(s.r, "D", "D S "+bound), "E")
		default:
			text := s.text()
			all = append(all, "P '' "+text, "B ''", "D", "E")
			if s.r.Intn(3) == 0 {
				all = append(all, "B ''", "E")
			}
		}
	}
	return "wire " + strings.Join(append(all, "S"), "|")
}

func TestRandomUsesOfNamesAreAnsweredAsWithoutPgjanus(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	if v := os.Getenv("PGJANUS_SEED"); v != "" {
		if _, err := fmt.Sscan(v, &seed); err != nil {
			t.Fatalf("PGJANUS_SEED: %v", err)
		}
	}
	t.Logf("PGJANUS_SEED=%d", seed)
	for kind, ddl := range map[string]string{"by row": "SELECT 1", "behind": auditAll} {
		for _, flips := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, flips %v", kind, flips), func(t *testing.T) {
				p := newPair(t, 6)
				pgtest.Exec(t, p.plain, ddl)
				pgtest.Exec(t, p.gate.direct, ddl)
				p.gate.phase("dualwrite")
				s := &names{r: rand.New(rand.NewSource(seed)), flips: flips}
				for end := time.Now().Add(setting(t, "PGJANUS_NAMES", 3*time.Second)); time.Now().Before(end) && !t.Failed(); {
					p.playsNames(t, s)
				}
			})
		}
	}
}

// playsNames plays one session of 60 steps.
func (p *pair) playsNames(t *testing.T, s *names) {
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	defer plain.conn.Close()
	defer through.conn.Close()
	var steps []string
	defer func() {
		if t.Failed() {
			t.Logf("the steps of the session:\n%s", strings.Join(steps, "\n"))
		}
	}()
	for range 60 {
		if s.flips && s.r.Intn(12) == 0 {
			steps = append(steps, "phase "+pick(s.r, "off", "dualwrite"))
			p.gate.phase(strings.TrimPrefix(steps[len(steps)-1], "phase "))
			continue
		}
		step := s.messages()
		for s.r.Intn(3) == 0 {
			step += " && " + s.messages()
		}
		steps = append(steps, step)
		messages := wireSteps(step)
		if d := differs(unnamedRelations(plain.say(messages...)), unnamedRelations(through.say(messages...))); d != "" {
			t.Error(d)
			return
		}
	}
	if s.flips {
		end := wireSteps("ROLLBACK")
		plain.say(end...)
		through.say(end...)
		p.gate.phase("dualwrite")
		p.fill(t)
		return
	}
	plain.conn.Close()
	through.conn.Close()
	time.Sleep(20 * time.Millisecond) // an open transaction ends with its connection
	pgtest.Agree(t, p.gate.direct)
}

// unnamedRelations takes out the OIDs of relations, which differ.
func unnamedRelations(heard []string) []string {
	for i, line := range heard {
		if fields := strings.Split(line, "("); strings.HasPrefix(line, "RowDescription") {
			for j := range fields {
				if _, rest, ok := strings.Cut(fields[j], "."); ok && j > 0 {
					fields[j] = rest
				}
			}
			heard[i] = strings.Join(fields, "(")
		}
	}
	return heard
}
