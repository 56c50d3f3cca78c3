package rewrite_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/rewrite"
)

// mark stands in every constant that the tests below plant; digits are those
// of planted numbers.
const (
	mark   = "qzMARKzq"
	digits = "867530"
)

// literal writes a constant that holds mark and data in one of the ways that
// Postgres has for it.
func literal(form int, data string) string {
	plain := strings.ReplaceAll(strings.ReplaceAll(mark+data, "\x00", ""), "'", "''")
	switch form % 12 {
	case 0:
		return "'" + plain + "'"
	case 1:
		return "E'" + strings.ReplaceAll(strings.ReplaceAll(plain, `\`, `\\`), "''", `\'`) + "'"
	case 2:
		return "$$" + mark + strings.ReplaceAll(data, "$", "") + "$$"
	case 3:
		return "$tag$" + mark + strings.ReplaceAll(data, "$tag$", "") + "$ta $tag$"
	case 4:
		return "U&'" + strings.ReplaceAll(plain, `\`, `\\`) + "'"
	case 5:
		return "U&'" + strings.ReplaceAll(plain, `!`, `!!`) + "' UESCAPE '!'"
	case 6:
		return "'" + plain + "'\n  '" + mark + "'"
	case 7:
		return "N'" + plain + "'"
	case 8:
		return "B'" + strings.Repeat("01", 4) + digits + "'"
	case 9:
		return "X'" + digits + hex.EncodeToString([]byte(data)) + "'"
	case 10:
		return digits + "." + digits + "e5"
	}
	return digits + "99"
}

// noise writes what may stand between two tokens, with mark in it.
func noise(form int, data string) string {
	inside := strings.NewReplacer("*/", "", "/*", "", "*", "", "/", "").Replace(mark + data)
	switch form % 5 {
	case 0:
		return " "
	case 1:
		return " /* " + inside + " /* nested */ */ "
	case 2:
		return " -- " + strings.NewReplacer("\n", "", "\r", "").Replace(inside) + "\n"
	case 3:
		return "\n\t"
	}
	return "/*" + inside + "*/ "
}

// plantings have ? where a constant may stand, and blanks where noise may.
var plantings = []string{
	"UPDATE users SET email = ? WHERE id = ? AND email <> ?",
	"INSERT INTO users (email, is_active) VALUES ( ? , true), ( ? , ?::boolean)",
	"SELECT * FROM users WHERE email IN ( ? , ?, ? , lower(?)) OR email = ANY (ARRAY[ ? , ?])",
	"SELECT ? AS a, u.email || ? FROM users u ORDER BY 1 LIMIT ?",
	"DO ?",
	"COPY users FROM ? WITH (DELIMITER ?)",
	"COPY users (email) TO PROGRAM ?",
	"PREPARE p AS UPDATE users SET email = ?",
	"SET application_name = ? ; ALTER ROLE users PASSWORD ? ; DELETE FROM users WHERE email = ?",
	"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ? ; SELECT ? FROM users",
	"COMMENT ON TABLE users IS ?",
	"ALTER TABLE users ALTER COLUMN email SET DEFAULT ?",
	"EXPLAIN (COSTS ?) DELETE FROM users USING orders WHERE email = ? RETURNING ?",
	"WITH x AS (DELETE FROM users WHERE email = ? RETURNING id) SELECT ?, * FROM x",
	"UPDATE users SET email = ? WHER ? nonsense ( ?",
	"MERGE INTO users u USING (VALUES ( ? )) v(e) ON u.email = v.e WHEN NOT MATCHED THEN INSERT (email) VALUES ( ? )",
}

// plant fills a planting; each constant and each gap gets a form of its own.
func plant(planting string, form func() int, data string) string {
	var b strings.Builder
	for _, c := range planting {
		switch c {
		case '?':
			b.WriteString(literal(form(), data))
		case ' ':
			b.WriteString(noise(form(), data))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// leaks returns what of the touches has a planted constant in it.
func leaks(touches []rewrite.Touch) string {
	for _, touch := range touches {
		if all := fmt.Sprintf("%+v", touch); strings.Contains(strings.ToLower(all), strings.ToLower(mark)) || strings.Contains(all, digits) {
			return all
		}
	}
	return ""
}

func TestNoConstantIsEverInATouch(t *testing.T) {
	const rounds = 4000
	planners := []*rewrite.Planner{canonical(t, "off", nil), canonical(t, "off", unexpanded), canonical(t, "dualwrite", nil)}
	r := rand.New(rand.NewPCG(3, 5))
	alphabet := []rune("ab '\"\\$!/*-;()\n?é%01")
	seen := 0
	for i := range rounds {
		data := make([]rune, r.IntN(12))
		for j := range data {
			data[j] = alphabet[r.IntN(len(alphabet))]
		}
		text := plant(plantings[i%len(plantings)], func() int { return r.IntN(60) }, string(data))
		p := planners[i/len(plantings)%len(planners)]
		touches := p.Touches(p.Plan([]byte(text), rewrite.Env{}))
		seen += len(touches)
		if leak := leaks(touches); leak != "" {
			t.Fatalf("%q\nbecomes\n%s", text, leak)
		}
	}
	if seen < rounds/2 {
		t.Errorf("%d touches in %d texts: the texts are not what they are meant to be", seen, rounds)
	}
}

func FuzzNoConstantIsInATouch(f *testing.F) {
	for i := range plantings {
		f.Add(i, uint64(i), "it's \\ $tag$ */ é")
	}
	p := canonical(f, "off", nil)
	f.Fuzz(func(t *testing.T, which int, seed uint64, data string) {
		if len(data) > 200 || strings.ContainsAny(data, "\x00") {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		n := len(plantings)
		text := plant(plantings[(which%n+n)%n], func() int { return r.IntN(60) }, data)
		if leak := leaks(p.Touches(p.Plan([]byte(text), rewrite.Env{}))); leak != "" {
			t.Fatalf("%q\nbecomes\n%s", text, leak)
		}
	})
}

// FuzzTouches looks for texts that make it panic or grow.
func FuzzTouches(f *testing.F) {
	for _, planting := range plantings {
		f.Add(strings.ReplaceAll(planting, "?", "1"))
	}
	f.Add("SELECT * FROM users WHERE id IN (1, (2), ARRAY[3")
	f.Add("users VALUES (1), (")
	planners := []*rewrite.Planner{canonical(f, "off", nil), canonical(f, "off", unexpanded)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range planners {
			for _, touch := range p.Touches(p.Plan([]byte(text), rewrite.Env{})) {
				if len(touch.Text) > 1100 {
					t.Fatalf("%d bytes", len(touch.Text))
				}
			}
		}
	})
}

func TestTouchesOfTextsThatDifferInConstantsAreRemembered(t *testing.T) {
	p := canonical(t, "off", nil)
	one := p.Touches(p.Plan([]byte("UPDATE users SET is_active = true WHERE id = 1"), rewrite.Env{}))
	two := p.Touches(p.Plan([]byte("UPDATE users SET is_active = true WHERE id = 2"), rewrite.Env{}))
	if len(one) != 1 || &one[0] != &two[0] {
		t.Errorf("%+v and %+v are not the same", one, two)
	}
	// The identifier is not copied to the text, so the text is no key.
	one = p.Touches(p.Plan([]byte(`SELECT * FROM users "a b"`), rewrite.Env{}))
	two = p.Touches(p.Plan([]byte(`SELECT * FROM users "c d"`), rewrite.Env{}))
	if len(one) != 1 || len(two) != 1 || &one[0] == &two[0] {
		t.Errorf("%+v and %+v", one, two)
	}
}

func BenchmarkTouches(b *testing.B) {
	p := canonical(b, "off", nil)
	for name, format := range map[string]string{
		"remembered": "UPDATE users SET is_active = true, email = 'x' WHERE id = %d",
		"new":        "UPDATE users SET is_active = true, email = 'x' WHERE c%d = 1",
	} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				p.Touches(p.Plan([]byte(fmt.Sprintf(format, i)), rewrite.Env{}))
			}
		})
	}
}
