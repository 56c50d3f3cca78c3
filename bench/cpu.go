package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ, which is 100 on every
// architecture that Go runs on.
const tick = time.Second / 100

// cpuTime returns the CPU time that a process has used, threads that have
// ended included. It is unknown for nil, and on systems without /proc.
func cpuTime(c *child) (used time.Duration, known bool) {
	if c == nil {
		return 0, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid()))
	if err != nil {
		return 0, false
	}
	return parseStat(string(stat))
}

// parseStat adds utime and stime, fields 14 and 15 of proc(5). The second
// field, the command in parentheses, may hold spaces and parentheses.
func parseStat(stat string) (time.Duration, bool) {
	end := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[end+1:])
	if end < 0 || len(fields) < 13 {
		return 0, false
	}
	user, errU := strconv.ParseInt(fields[11], 10, 64)
	system, errS := strconv.ParseInt(fields[12], 10, 64)
	if errU != nil || errS != nil {
		return 0, false
	}
	return time.Duration(user+system) * tick, true
}
