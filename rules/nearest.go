package rules

import (
	"fmt"
	"strings"
)

// suggest is the way out of an unknown word: the nearest valid one, or all.
func suggest(word string, valid []string) string {
	if near := nearest(word, valid); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "allowed: " + strings.Join(valid, ", ")
}

// nearest returns the valid word that word is most likely a slip of, or "".
func nearest(word string, valid []string) string {
	const longest = 64 // a longer text is not a slip of any word of ours
	if len(word) > longest {
		return ""
	}
	best, limit := "", max(1, len(word)/3)+1
	for _, v := range valid {
		if d := distance(strings.ToLower(word), v); d < limit {
			best, limit = v, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
