package config

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The kinds of values. A kind that has | in it is a list of allowed words.
const (
	kindListen   = "listen"
	kindUpstream = "upstream"
	kindDSN      = "dsn"
	kindPath     = "path"
	kindDuration = "duration"
	kindPositive = "positive"
	kindBytes    = "bytes"
	kindCount    = "count"
	kindFlag     = "true|false"
)

// parseValue reads a text as a value of a kind. The error says what is wrong
// and what is allowed; that of a DSN has nothing of the text in it.
func parseValue(kind, text string) (any, error) {
	switch kind {
	case kindListen:
		return text, checkListen(text)
	case kindUpstream:
		return text, checkUpstream(text)
	case kindDSN:
		return text, checkDSN(text)
	case kindPath:
		if text == "" {
			return nil, fmt.Errorf("the path is empty (name a file)")
		}
		return text, nil
	case kindDuration, kindPositive:
		return parseDuration(text, kind == kindPositive)
	case kindBytes:
		return parseBytes(text)
	case kindFlag:
		b, err := parseWord(text, strings.Split(kind, "|"))
		return b == "true", err
	case kindCount:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a count (write 0 or more)", text)
		}
		return n, nil
	}
	return parseWord(text, strings.Split(kind, "|"))
}

func parseWord(text string, words []string) (any, error) {
	for _, w := range words {
		if text == w {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%q is not allowed (%s)", text, suggest(text, words))
}

func checkListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port, 0) {
		return fmt.Errorf("%q is not an address (write host:port, such as 127.0.0.1:6432 or [::1]:6432)", text)
	}
	return nil
}

var socketName = regexp.MustCompile(`^\.s\.PGSQL\.\d+$`)

func checkUpstream(text string) error {
	if strings.HasPrefix(text, "/") {
		if !socketName.MatchString(path.Base(text)) {
			return fmt.Errorf("%q is not the path of a Postgres socket (write %s)", text, path.Join(text, ".s.PGSQL.5432"))
		}
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || !isPort(port, 1) {
		return fmt.Errorf("%q is not an address (write host:port, such as 127.0.0.1:5432, or the path of a socket, such as /var/run/postgresql/.s.PGSQL.5432)", text)
	}
	return nil
}

func isPort(text string, least int) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && int(n) >= least
}

func parseDuration(text string, positive bool) (any, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not a duration (write a number with a unit, such as 500ms, 60s or 2m)", text)
	case d < 0, positive && d == 0:
		return nil, fmt.Errorf("%q is too short (write a duration above 0)", text)
	}
	return d, nil
}
