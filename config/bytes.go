package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

var byteText = regexp.MustCompile(`^(\d+) ?([a-zA-Z]*)$`)

// byteUnits are the units of sizes, the largest first.
func byteUnits() []byteUnit {
	return []byteUnit{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}, {"", 1}}
}

type byteUnit struct {
	name string
	size int
}

// parseBytes reads a size above 0. KiB, MiB and GiB are powers of 1024; kB, MB
// and GB powers of 1000 (not as in postgresql.conf, where kB is 1024 bytes).
func parseBytes(text string) (any, error) {
	if m := byteText.FindStringSubmatch(text); m != nil {
		for _, u := range byteUnits() {
			if m[2] != u.name {
				continue
			}
			n, err := strconv.Atoi(m[1])
			switch {
			case err != nil, n > math.MaxInt32/u.size:
				return nil, fmt.Errorf("%q is too large (write less than 2GiB)", text)
			case n == 0:
				return nil, fmt.Errorf("%q is too small (write a size above 0)", text)
			}
			return n * u.size, nil
		}
	}
	return nil, fmt.Errorf("%q is not a size (write a number of bytes, or one with kB, MB, GB, KiB, MiB or GiB, such as 4MiB)", text)
}

// formatBytes is the shortest exact form that parseBytes reads back.
func formatBytes(n int) string {
	for _, u := range byteUnits() {
		if n != 0 && n%u.size == 0 {
			return strconv.Itoa(n/u.size) + u.name
		}
	}
	return strconv.Itoa(n)
}
