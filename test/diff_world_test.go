package test

import (
	"fmt"
	"math/rand"
	"strings"
)

// world is a random schema with a migration: one table whose old shape migrates.
type world struct {
	name     string
	table    string // as statements write it
	rule     string // as the rules file does
	key      []string
	value    string // the column that migrates, or one of them
	kind     valueKind
	old      string // DDL of the old table, with the user's triggers
	expand   string
	rules    string
	guarded  bool
	trigger  string   // one of userTriggers
	visible  []string // old columns, as statements write them
	copied   int      // how many of them COPY reads
	down     bool     // the rules say it
	column   string   // the new column, or
	children string   // the new table
	twin     bool     // the name stands for another table under another search_path
	others   []string // what else the table's rows can be written through: a view, partitions
}

// valueKind is the type of the column that migrates.
type valueKind struct {
	sqlType string
	oid     uint32
	random  func(r *rand.Rand) value
}

// value is one constant in each of the forms a statement can have it in.
type value struct {
	literal string
	text    []byte // nil for NULL
	binary  []byte
	oid     uint32
}

const (
	oidBool  = 16
	oidInt4  = 23
	oidText  = 25
	oidJSONB = 3802
)

func textValue(s string) value {
	return value{"'" + strings.ReplaceAll(s, "'", "''") + "'", []byte(s), []byte(s), oidText}
}

func intValue(n int) value {
	return value{fmt.Sprint(n), []byte(fmt.Sprint(n)), []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, oidInt4}
}

func boolValue(b bool) value {
	if b {
		return value{"true", []byte("t"), []byte{1}, oidBool}
	}
	return value{"false", []byte("f"), []byte{0}, oidBool}
}

func null(oid uint32) value { return value{"NULL", nil, nil, oid} }

func pick[T any](r *rand.Rand, items ...T) T { return items[r.Intn(len(items))] }

// words are texts that are easily broken.
func word(r *rand.Rand) string {
	return pick(r, "a", "b", "", "it's", "ü ☃", `back\slash`, "two words", `"quoted"`, "a,b;c", "$1", "--", "NULL", "{}")
}

func randomItems(r *rand.Rand) value {
	var parts []string
	for range r.Intn(4) {
		sku := strings.ReplaceAll(strings.ReplaceAll(word(r), `\`, `\\`), `"`, `\"`)
		parts = append(parts, fmt.Sprintf(`{"sku": "%s", "qty": %s}`, sku, pick(r, "1", "2", "null")))
	}
	v := textValue("[" + strings.Join(parts, ", ") + "]")
	v.oid, v.binary = oidJSONB, append([]byte{1}, v.text...)
	return v
}

var (
	itemsKind = valueKind{"jsonb NOT NULL DEFAULT '[]'", oidJSONB, randomItems}
	boolKind  = valueKind{"boolean NOT NULL DEFAULT true", oidBool, func(r *rand.Rand) value { return boolValue(r.Intn(2) == 0) }}
	maybeKind = valueKind{"boolean", oidBool, func(r *rand.Rand) value {
		if r.Intn(4) == 0 {
			return null(oidBool)
		}
		return boolValue(r.Intn(2) == 0)
	}}
	textKind = valueKind{"text DEFAULT 'none'", oidText, func(r *rand.Rand) value {
		if r.Intn(5) == 0 {
			return null(oidText)
		}
		return textValue(word(r))
	}}
	intKind = valueKind{"int DEFAULT 7", oidInt4, func(r *rand.Rand) value { return intValue(r.Intn(9) - 4) }}
)

// userTriggers are what a user may have on a table of his own. A sync of kind
// columns may have to write a row once more, which fires them again; so they do
// nothing the second time.
var userTriggers = map[string]string{
	"none": "",
	"before": `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := coalesce(NEW.n, 0) / 2 * 2; RETURN NEW; END $$;
		CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON %[1]s FOR EACH ROW EXECUTE FUNCTION touch();`,
	"before that changes the value": `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n %% 3 = 0 THEN NEW.%[2]s := OLD.%[2]s; END IF; RETURN NEW; END $$;
		CREATE TRIGGER keep BEFORE UPDATE ON %[1]s FOR EACH ROW EXECUTE FUNCTION keep();`,
	"before that cancels": `CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = 4 AND NEW.%[2]s IS DISTINCT FROM OLD.%[2]s THEN RETURN NULL; END IF; RETURN NEW; END $$;
		CREATE TRIGGER skip BEFORE UPDATE ON %[1]s FOR EACH ROW EXECUTE FUNCTION skip();`,
	"after": `CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.n = 3 AND NEW.%[2]s IS DISTINCT FROM OLD.%[2]s THEN UPDATE %[1]s SET n = 5, %[2]s = OLD.%[2]s WHERE g = NEW.g AND k = NEW.k; END IF; RETURN NULL; END $$;
		CREATE TRIGGER again AFTER UPDATE ON %[1]s FOR EACH ROW EXECUTE FUNCTION again();`,
}

// newWorld makes one.
func newWorld(r *rand.Rand) *world {
	w := &world{}
	schema, table := "public", pick(r, "things", "Order Lines", "select", "tést")
	quoted := `"` + table + `"`
	w.rule = `'public.` + quoted + `'`
	if table == "things" {
		w.rule = "public.things"
		quoted = pick(r, "things", "Things", `"things"`)
	}
	if r.Intn(3) == 0 {
		schema = "app"
		w.rule = strings.Replace(w.rule, "public.", "app.", 1)
	}
	w.table = quoted
	if schema == "app" || r.Intn(3) == 0 {
		w.table = schema + "." + quoted
	}
	w.key = pick(r, []string{"k"}, []string{"k"}, []string{"g", "k"})
	shape := pick(r, "items", "tags", "flag", "maybe", "wide", "full", "key")
	switch shape {
	case "items", "tags":
		w.value, w.kind = "items", itemsKind
	case "flag":
		w.value, w.kind = "flag", boolKind
	case "maybe":
		w.value, w.kind = "flag", maybeKind
	case "wide", "key":
		w.value, w.kind = "small", intKind
	case "full":
		w.value, w.kind = "first", textKind
	}
	w.visible = []string{"g", "k", "n", "s", w.value}
	extra := ""
	if shape == "full" {
		extra = ", last text"
		w.visible = append(w.visible, "last")
	}
	w.copied = len(w.visible)
	trigger := pick(r, "none", "none", "none", "before", "before that changes the value", "before that cancels", "after")
	partitioned := r.Intn(3) == 0
	if !partitioned && r.Intn(3) == 0 {
		extra += ", double int GENERATED ALWAYS AS (n * 2) STORED"
		w.visible = append(w.visible, "double")
	}
	w.old = fmt.Sprintf(`CREATE SCHEMA IF NOT EXISTS app;
CREATE TABLE %s.%s (g int NOT NULL DEFAULT 1, k int NOT NULL, n int CONSTRAINT few CHECK (n < 900), s text, %s %s%s, PRIMARY KEY (%s))`,
		schema, quoted, w.value, w.kind.sqlType, extra, strings.Join(w.key, ", "))
	if partitioned {
		w.old += partitions(r, w, schema, quoted, extra)
	} else {
		w.old += fmt.Sprintf(";\nCREATE UNIQUE INDEX ON %s.%s (s) WHERE n = 8;\n", schema, quoted)
	}
	w.others = append(w.others, schema+".seen")
	w.old += fmt.Sprintf("CREATE VIEW %s.seen AS SELECT %s FROM %[1]s.%[3]s WHERE n IS DISTINCT FROM 7%s;\n",
		schema, strings.Join(w.visible, ", "), quoted, pick(r, "", "", " WITH CHECK OPTION"))
	w.trigger = trigger
	twin := r.Intn(3) == 0 // what the name stands for depends on search_path
	if w.twin = twin && !strings.Contains(w.table, "."); twin {
		w.old += fmt.Sprintf("CREATE SCHEMA twin; CREATE TABLE twin.%s (LIKE %s.%[1]s);\n", quoted, schema)
	}
	if t := userTriggers[trigger]; t != "" {
		w.old += fmt.Sprintf(t, schema+"."+quoted, w.value)
	}
	w.guarded = r.Intn(3) == 0
	guard := pick(r, "off", "off", "log", "reject")
	if w.guarded {
		guard = "sync"
	}
	onError := pick(r, "fail", "fail", "dirty")
	keys := strings.Join(w.key, ", ")
	head := fmt.Sprintf("migrations:\n  - name: m\n    phase: dualwrite\n    guard: %s\n    on_fanout_error: %s\n", guard, onError)
	if shape == "items" || shape == "tags" {
		cascade := pick(r, "", " ON UPDATE CASCADE")
		parents := "o" + strings.Join(w.key, " int, o") + " int"
		w.expand = fmt.Sprintf(`CREATE TABLE %s.children (id bigserial PRIMARY KEY, %s, sku text, qty int,
			FOREIGN KEY (o%s) REFERENCES %[1]s.%[4]s (%[5]s) ON DELETE CASCADE%[6]s);
			CREATE INDEX ON %[1]s.children (o%[3]s)`, schema, parents, strings.Join(w.key, ", o"), quoted, keys, cascade)
		var parent []string
		for _, k := range w.key {
			parent = append(parent, "o"+k+": "+k)
		}
		up := "SELECT i.sku, i.qty FROM jsonb_to_recordset(old.items) AS i (sku text, qty int)"
		if shape == "tags" {
			up = "SELECT x ->> 'sku' AS sku, (x ->> 'qty')::int AS qty FROM jsonb_array_elements(old.items) AS x WHERE x ->> 'sku' <> ''"
		}
		w.children = schema + ".children"
		w.rules = head + fmt.Sprintf("    kind: rows\n    old: {table: %s, key: [%s], columns: [items]}\n    new: {table: %s.children, parent: {%s}}\n    up: |\n      %s\n",
			w.rule, keys, schema, strings.Join(parent, ", "), up)
		if w.down = r.Intn(2) == 0; w.down {
			w.rules += "    down:\n      items: SELECT coalesce(jsonb_agg(jsonb_build_object('sku', sku, 'qty', qty) ORDER BY id), '[]') FROM new\n"
		}
	} else {
		column, typ, up, down, columns := "", "", "", "", w.value
		switch shape {
		case "flag", "maybe":
			column, typ = "state", "text NOT NULL DEFAULT 'on' CHECK (state IN ('on', 'off', 'paused'))"
			up, down = "CASE WHEN old.flag THEN 'on' ELSE 'off' END", "new.state = 'on'"
			if shape == "maybe" {
				typ, up = "text", "CASE old.flag WHEN true THEN 'on' WHEN false THEN 'off' END"
			}
		case "wide":
			column, typ, up, down = "wide", "bigint", "old.small", "new.wide::int"
		case "key":
			column, typ, up, down, columns = "k_big", "bigint", "old.k", "new.k_big::int", "k"
		case "full":
			column, typ, up, columns = "full_name", "text", "coalesce(old.first, '') || ' ' || coalesce(old.last, '-')", "first, last"
		}
		w.expand = fmt.Sprintf("ALTER TABLE %s.%s ADD COLUMN %s %s", schema, quoted, column, typ)
		w.rules = head + fmt.Sprintf("    kind: columns\n    old: {table: %s, key: [%s], columns: [%s]}\n    new: {table: %[1]s, columns: [%[4]s]}\n    up: {%[4]s: %[5]q}\n",
			w.rule, keys, columns, column, up)
		if w.column, w.down = column, down != ""; w.down {
			w.rules += fmt.Sprintf("    down: {%s: %q}\n", columns, down)
		}
	}
	two := r.Intn(4) == 0
	if two {
		w.second(r, head, w.rule, schema+"."+quoted)
	}
	w.name = fmt.Sprintf("%s in %s, key (%s), trigger %s, guard %s, on_fanout_error %s, partitioned %v, twin %v, down %v, two %v", shape, w.table, keys, trigger, guard, onError, partitioned, twin, w.down, two)
	return w
}

// partitions makes the table that has just been written partitioned. One of the
// partitions has its columns in another order.
func partitions(r *rand.Rand, w *world, schema, quoted, extra string) string {
	column := w.key[r.Intn(len(w.key))]
	text := fmt.Sprintf(" PARTITION BY HASH (%s);\n", column)
	bounds := []string{"FOR VALUES WITH (MODULUS 2, REMAINDER 0)", "FOR VALUES WITH (MODULUS 2, REMAINDER 1)"}
	if column == "k" && r.Intn(2) == 0 {
		text = " PARTITION BY RANGE (k);\n"
		bounds = []string{"FOR VALUES FROM (MINVALUE) TO (1006)", "DEFAULT"}
	}
	w.others = []string{schema + ".part_0", schema + ".part_1"}
	return text + fmt.Sprintf(`CREATE TABLE %[1]s.part_0 PARTITION OF %[1]s.%[2]s %[3]s;
CREATE TABLE %[1]s.part_1 (s text%[4]s, %[5]s %[6]s, n int CONSTRAINT few CHECK (n < 900), k int NOT NULL, g int NOT NULL DEFAULT 1);
ALTER TABLE %[1]s.%[2]s ATTACH PARTITION %[1]s.part_1 %[7]s;
`, schema, quoted, bounds[0], extra, w.value, w.kind.sqlType, bounds[1])
}

// watched reports whether a guard counts what it sees.
func (w *world) watched() bool {
	return strings.Contains(w.rules, "guard: log") || strings.Contains(w.rules, "guard: reject")
}

// where is a condition that holds for one key.
func (b *draft) where(alias string, k int) {
	if alias != "" {
		alias += "."
	}
	b.sql(alias, "k = ").arg(intValue(k))
	if len(b.w.key) > 1 {
		b.sql(" AND ", alias, "g = ").arg(intValue(group(k)))
	}
}

// group is the other key column of a key.
func group(k int) int { return k % 3 }
