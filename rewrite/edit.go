package rewrite

import (
	"sort"
	"strings"
)

// edit replaces text[at:at+del] by ins.
type edit struct {
	at, del int
	ins     string
}

// edits is a set of changes to one text, at byte offsets of the original.
type edits []edit

func (es *edits) insert(at int, text string)       { *es = append(*es, edit{at: at, ins: text}) }
func (es *edits) replace(at, del int, text string) { *es = append(*es, edit{at, del, text}) }

// sort orders the edits by place; edits at one place stay in the order in
// which they were made.
func (es edits) sort() {
	sort.SliceStable(es, func(i, j int) bool { return es[i].at < es[j].at })
}

// apply returns text[from:to] with the edits that lie inside it made. An
// insertion at from is made, one at to is not, unless to is the end of text.
func (es edits) apply(text string, from, to int) string {
	sorted := append(edits(nil), es...)
	sorted.sort()
	var b strings.Builder
	at := from
	for _, e := range sorted {
		if e.at < from || e.at > to || (e.at == to && to != len(text)) {
			continue
		}
		b.WriteString(text[at:e.at])
		b.WriteString(e.ins)
		at = e.at + e.del
	}
	if at < to {
		b.WriteString(text[at:to])
	}
	return b.String()
}

// original maps a byte offset of the edited text back to the original. An
// offset inside an insertion maps to the place of the insertion.
func (es edits) original(offset int) int {
	shift := 0 // edited = original + shift
	for _, e := range es {
		start := e.at + shift
		if offset < start {
			break
		}
		if offset < start+len(e.ins) {
			return e.at
		}
		shift += len(e.ins) - e.del
	}
	return offset - shift
}
