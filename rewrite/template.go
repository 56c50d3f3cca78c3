package rewrite

import (
	"fmt"
	"sort"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
)

// template is a resolved expression with holes where it names a column of the
// row it is about. It is qualified: every function, operator and type in it is
// found whatever the session's search_path is.
type template struct {
	text    []string           // len(cols)+1 pieces
	cols    []string           // the columns named, in order of appearance
	columns []string           // result column names, for a query
	value   catalog.ExprColumn // what a scalar yields
	whole   bool               // it names the row as a whole
}

func (t template) empty() bool { return len(t.text) == 0 }

// render fills each hole by value(column).
func (t template) render(value func(column string) string) string {
	var b strings.Builder
	for i, piece := range t.text {
		b.WriteString(piece)
		if i < len(t.cols) {
			v := value(t.cols[i])
			if strings.HasPrefix(t.text[i+1], "[") {
				v = "(" + v + ")" // a subscript behind a cast would belong to the type
			}
			b.WriteString(v)
		}
	}
	return b.String()
}

// row fills the holes with columns of a row named alias.
func (t template) row(alias string) string {
	return t.render(func(column string) string { return Ident(alias) + "." + Ident(column) })
}

// newTemplate cuts sql, as the catalog resolved it, at every mention of
// row.column. A scalar is wrapped in SELECT for the parser.
func newTemplate(sql, row string, scalar bool) (template, error) {
	sql, err := portable(sql)
	if err != nil {
		return template{}, fmt.Errorf("reading the resolved expression: %w", err)
	}
	text, prefix := sql, 0
	if scalar {
		text, prefix = "SELECT "+sql, len("SELECT ")
	}
	tree, err := pg_query.Parse(text)
	if err != nil {
		return template{}, fmt.Errorf("parsing the resolved expression %q: %w", sql, err)
	}
	tokens, err := scan(text)
	if err != nil {
		return template{}, err
	}
	type hole struct {
		start, end int
		column     string
	}
	var holes []hole
	whole := false
	edits := qualifying(tree, text)
	walk(tree, func(n node) {
		ref, ok := n.(*pg_query.ColumnRef)
		if !ok || len(ref.Fields) != 2 || ref.Fields[0].GetString_().GetSval() != row {
			return
		}
		if ref.Fields[1].GetString_() == nil {
			whole = true
			return
		}
		i := tokenAt(tokens, int(ref.Location))
		if i < 0 || i+2 >= len(tokens) {
			return
		}
		holes = append(holes, hole{tokens[i].start, tokens[i+2].end, ref.Fields[1].GetString_().GetSval()})
	})
	sort.Slice(holes, func(i, j int) bool { return holes[i].start < holes[j].start })

	t := template{whole: whole}
	at := prefix
	for _, h := range holes {
		t.text = append(t.text, edits.apply(text, at, h.start))
		t.cols = append(t.cols, h.column)
		at = h.end
	}
	t.text = append(t.text, edits.apply(text, at, len(text)))
	return t, nil
}
