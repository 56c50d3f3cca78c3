package rewrite

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// edit replaces text[at:at+del] by ins.
type edit struct {
	at, del int
	early   int // of two at one place, the one with more comes first
	ins     string
	copies  []copied // what in ins is the application's own
}

// copied is text[from:from+size], at a place in an insertion.
type copied struct{ at, from, size int }

// copyOf marks a piece of the text that is going to be part of an insertion, so
// that an error in it is found where the application wrote it. No text of a
// client has the byte that begins and ends the mark.
func copyOf(text string, from, to int) string {
	return fmt.Sprintf("\x00%d,%d\x00%s", from, to-from, text[from:to])
}

// marked takes the marks of copyOf out of an insertion.
func marked(ins string) (text string, copies []copied) {
	parts := strings.Split(ins, "\x00")
	var b strings.Builder
	b.WriteString(parts[0])
	for i := 1; i+1 < len(parts); i += 2 {
		from, size, _ := strings.Cut(parts[i], ",")
		c := copied{at: b.Len()}
		c.from, _ = strconv.Atoi(from)
		c.size, _ = strconv.Atoi(size)
		copies = append(copies, c)
		b.WriteString(parts[i+1])
	}
	return b.String(), copies
}

// edits is a set of changes to one text, at byte offsets of the original.
type edits []edit

func (es *edits) insert(at int, text string) { es.replace(at, 0, text) }

func (es *edits) replace(at, del int, text string) {
	e := edit{at: at, del: del}
	e.ins, e.copies = marked(text)
	*es = append(*es, e)
}

// insertFirst is insert in front of what has been inserted at that place already.
func (es *edits) insertFirst(at int, text string) {
	es.insert(at, text)
	(*es)[len(*es)-1].early = len(*es)
}

// sort orders the edits by place; edits at one place stay in the order in
// which they were made.
func (es edits) sort() {
	sort.SliceStable(es, func(i, j int) bool {
		if es[i].at != es[j].at {
			return es[i].at < es[j].at
		}
		return es[i].early > es[j].early
	})
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
// offset inside an insertion maps to the place of the insertion, or to what it
// is a copy of.
func (es edits) original(offset int) int {
	shift := 0 // edited = original + shift
	for _, e := range es {
		start := e.at + shift
		if offset < start {
			break
		}
		if offset < start+len(e.ins) {
			for _, c := range e.copies {
				if at := offset - start - c.at; at >= 0 && at < c.size {
					return c.from + at
				}
			}
			return e.at
		}
		shift += len(e.ins) - e.del
	}
	return offset - shift
}
