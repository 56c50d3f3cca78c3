package demo

import "math/rand/v2"

// goneKept bounds how many deleted keys a shelf remembers.
const goneKept = 500

// shelf is what a connection remembers of the rows that it alone writes. The
// zero value is empty.
type shelf[K comparable, V any] struct {
	rows map[K]V
	keys []K
	at   map[K]int // index in keys
	gone []K       // deleted; must not be found again
}

// put remembers the row of key as v.
func (s *shelf[K, V]) put(key K, v V) {
	if s.rows == nil {
		s.rows, s.at = map[K]V{}, map[K]int{}
	}
	if _, ok := s.rows[key]; !ok {
		s.at[key] = len(s.keys)
		s.keys = append(s.keys, key)
	}
	s.rows[key] = v
}

// drop remembers that the row of key was deleted.
func (s *shelf[K, V]) drop(key K) {
	at, last := s.at[key], s.keys[len(s.keys)-1]
	s.keys[at], s.at[last] = last, at
	s.keys = s.keys[:len(s.keys)-1]
	delete(s.at, key)
	delete(s.rows, key)
	if len(s.gone) < goneKept {
		s.gone = append(s.gone, key)
	}
}

// size is the number of rows remembered, deleted ones included.
func (s *shelf[K, V]) size() int { return len(s.keys) + len(s.gone) }

// any returns some remembered row; ok is false when there is none.
func (s *shelf[K, V]) any(rng *rand.Rand) (key K, v V, ok bool) {
	if len(s.keys) == 0 {
		return key, v, false
	}
	key = s.keys[rng.IntN(len(s.keys))]
	return key, s.rows[key], true
}
