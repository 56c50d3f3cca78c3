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
	implied   []uint32 // those of them that printed SQL has no place for
	inputs    []uint32 // result types of casts through text
	outputs   []uint32 // argument types of casts through text
	values    []string // CURRENT_TIMESTAMP and its like
	calls     bool     // a function is called other than as a cast
}

// node is one {LABEL :field value ..} whose end has not been seen yet.
type node struct {
	kind     string
	field    string
	typ      uint32 // its result type, 0 when the node does not say
	argument uint32 // the result type of its first child
	operator uint32
	tests    bool // it compares what stands behind CASE
	using    bool // a join with USING
}

// parseNodes never fails: text of an unknown form yields what it could read.
func parseNodes(tree string) nodes {
	n := nodes{kinds: map[string]bool{}}
	var open []node
	label := false // the next word is a node's label
	words(tree, func(w string) {
		switch {
		case w == "{":
			open, label = append(open, node{}), true
		case w == "}" && len(open) > 0:
			last := open[len(open)-1]
			open = open[:len(open)-1]
			n.close(last)
			n.imply(last, open)
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
			n.value(&open[len(open)-1], w)
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

// value takes the first word of a field's value.
func (n *nodes) value(at *node, w string) {
	field := at.field
	at.field = ""
	at.using = at.using || field == "usingClause" && w != "<>"
	number, err := strconv.ParseUint(w, 10, 32)
	if err != nil {
		return
	}
	oid := uint32(number)
	switch field {
	case "funcid", "aggfnoid", "winfnoid":
		n.functions = append(n.functions, oid)
	case "opno":
		n.operators, at.operator = append(n.operators, oid), oid
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

// imply notes the operator of IS DISTINCT FROM, NULLIF, CASE .. WHEN or USING. To it
// leads the search_path of whoever reads the printed text. open are the nodes around at.
func (n *nodes) imply(at node, open []node) {
	implied := at.tests
	switch at.kind {
	case "DISTINCTEXPR", "NULLIFEXPR":
		implied = true
	case "CASETESTEXPR":
		for i := len(open) - 1; i >= 0 && open[i].kind != "WHEN"; i-- {
			if open[i].kind == "OPEXPR" {
				open[i].tests = true
				break
			}
		}
	case "OPEXPR":
		for _, o := range open {
			implied = implied || o.using && o.field == "quals"
		}
	}
	if implied {
		n.implied = append(n.implied, at.operator)
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
