package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

const dsnForm = "write postgres://user@host:port/database or host=.. port=.. user=.. dbname=.."

// checkDSN never repeats the text, nor what a parser says of it: in a text that
// cannot be parsed nobody knows which part is the password.
func checkDSN(text string) error {
	if text == "" {
		return fmt.Errorf("it is required (%s)", dsnForm)
	}
	c, err := pgconn.ParseConfig(text)
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return fmt.Errorf("a file that it names cannot be read: %s: %w (the text is not shown, it may hold a password)", file.Path, file.Err)
	case err != nil:
		return fmt.Errorf("it is not a connection string (%s; in the first form, a password with special characters must be percent-encoded; the text is not shown, it may hold one)", dsnForm)
	case c.Database == "":
		return fmt.Errorf("it names no database, and that is the one the rules apply to (%s)", dsnForm)
	}
	return nil
}

// redactDSN rebuilds a connection string from the parts that are no secret.
func redactDSN(text string) string {
	const hidden = "(hidden)"
	if text == "" {
		return ""
	}
	c, err := pgconn.ParseConfig(text)
	if err != nil {
		return hidden
	}
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Path: "/" + c.Database}
	if c.Password != "" {
		u.User = url.UserPassword(c.User, "xxxxx")
	}
	if len(c.Host) > 0 && c.Host[0] == '/' {
		u.RawQuery = url.Values{"host": {c.Host}, "port": {strconv.Itoa(int(c.Port))}}.Encode()
	} else {
		u.Host = fmt.Sprintf("%s:%d", c.Host, c.Port)
	}
	return u.String()
}
