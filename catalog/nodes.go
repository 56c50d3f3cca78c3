package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// nodes is what is of interest in a pg_node_tree, the text form of a stored
// expression (src/backend/nodes/outfuncs.c). Unlike printed SQL it names each
// function and operator by its OID, built-in ones too.
type nodes struct {
	kinds     map[string]bool // FUNCEXPR, CONST ..
	functions []uint32        // called by name, as aggregate or window function
	operators []uint32
	named     []uint32 // those of forms that show no operator: they are looked up by the name =
	inputs    []uint32 // result types of casts through text
	outputs   []uint32 // argument types of casts through text
	values    []string // CURRENT_TIMESTAMP and its like
	calls     bool     // a function is called other than as a cast
}

// node is one {LABEL :field value ..} whose end has not been seen yet.
type node struct {
	kind     string
	field    string
	using    bool   // a join by common columns
	subject  bool   // CASE x WHEN ..
	typ      uint32 // its result type, 0 when the node does not say
	argument uint32 // the result type of its first child
}

// parseNodes never fails: text of an unknown form yields what it could read.
func parseNodes(tree string) nodes {
	n := nodes{kinds: map[string]bool{}}
	var open []node
	label := false // the next word is a node's label
	words(tree, func(w string) {
		switch {
		case w == "{":
			if len(open) > 0 {
				at := &open[len(open)-1]
				at.subject = at.subject || (at.kind == "CASEEXPR" || at.kind == "CASE") && at.field == "arg" // CASE before Postgres 15
			}
			open, label = append(open, node{}), true
		case w == "}" && len(open) > 0:
			last := open[len(open)-1]
			open = open[:len(open)-1]
			n.close(last)
			if len(open) > 0 && open[len(open)-1].argument == 0 {
				open[len(open)-1].argument = last.typ
			}
		case len(open) == 0:
		case label:
			open[len(open)-1].kind, label = w, false
			n.kinds[w] = true
		case strings.HasPrefix(w, ":"):
			open[len(open)-1].field = w[1:]
		default:
			n.value(open, w)
		}
	})
	return n
}

// words calls fn for each brace, parenthesis and word. A backslash makes the
// character behind it part of a word.
func words(tree string, fn func(string)) {
	start := -1
	flush := func(end int) {
		if start >= 0 {
			fn(tree[start:end])
			start = -1
		}
	}
	for i := 0; i < len(tree); i++ {
		switch tree[i] {
		case ' ', '\n', '\t':
			flush(i)
		case '{', '}', '(', ')':
			flush(i)
			fn(tree[i : i+1])
		default:
			if start < 0 {
				start = i
			}
			if tree[i] == '\\' {
				i++
			}
		}
	}
	flush(len(tree))
}

// value takes the first word of the value of a field of the innermost node.
func (n *nodes) value(open []node, w string) {
	at := &open[len(open)-1]
	field := at.field
	at.field = ""
	if field == "usingClause" {
		at.using = w != "<>"
		return
	}
	number, err := strconv.ParseUint(w, 10, 32)
	if err != nil {
		return
	}
	oid := uint32(number)
	switch field {
	case "funcid", "aggfnoid", "winfnoid":
		n.functions = append(n.functions, oid)
	case "opno":
		n.operators = append(n.operators, oid)
		if byName(open) {
			n.named = append(n.named, oid)
		}
	case "funcformat":
		n.calls = n.calls || oid == 0 // COERCE_EXPLICIT_CALL
		n.calls = n.calls || oid == 3 // COERCE_SQL_SYNTAX
	case "op":
		if at.kind == "SQLVALUEFUNCTION" && int(oid) < len(sqlValues) {
			n.values = append(n.values, sqlValues[oid])
		}
	case "vartype", "consttype", "paramtype", "funcresulttype", "opresulttype", "aggtype", "wintype",
		"resulttype", "casetype", "coalescetype", "minmaxtype", "array_typeid", "refrestype", "row_typeid",
		"typeId", "type":
		at.typ = oid
	}
}

// byName reports whether the innermost node has an operator that its printed form
// does not show: NULLIF, IS DISTINCT FROM, CASE x WHEN .., x IN (SELECT ..), JOIN
// .. USING.
func byName(open []node) bool {
	last := len(open) - 1
	if kind := open[last].kind; kind != "OPEXPR" {
		return kind == "DISTINCTEXPR" || kind == "NULLIFEXPR"
	}
	above := last - 1
	for above >= 0 && open[above].kind == "BOOLEXPR" {
		above--
	}
	if above < 0 {
		return false
	}
	switch at := open[above]; at.kind {
	case "CASEWHEN", "WHEN":
		return at.field == "expr" && above > 0 && open[above-1].subject
	case "SUBLINK":
		return at.field == "testexpr"
	case "JOINEXPR":
		return at.field == "quals" && at.using
	}
	return false
}

// sqlValues is SQLValueFunctionOp of src/include/nodes/primnodes.h.
var sqlValues = [...]string{
	"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP",
	"LOCALTIME", "LOCALTIME", "LOCALTIMESTAMP", "LOCALTIMESTAMP",
	"CURRENT_ROLE", "CURRENT_USER", "USER", "SESSION_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA",
}

func (n *nodes) close(at node) {
	if at.kind != "COERCEVIAIO" {
		return
	}
	n.inputs = append(n.inputs, at.typ)
	if at.argument != 0 {
		n.outputs = append(n.outputs, at.argument)
	}
}

// literal reports whether the tree is constants and casts of them, no more.
// Whether the casts are immutable is for volatility to say.
func (n *nodes) literal() bool {
	allowed := []string{
		"CONST", "RELABELTYPE", "FUNCEXPR", "COERCEVIAIO", "COERCETODOMAIN",
		"ARRAYEXPR", "ARRAY", "ARRAYCOERCEEXPR", "CASETESTEXPR", "COLLATEEXPR", "COLLATE",
	}
	for kind := range n.kinds {
		if !slices.Contains(allowed, kind) {
			return false
		}
	}
	return len(n.kinds) > 0 && !n.calls
}
