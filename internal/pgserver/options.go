package pgserver

import (
	"io"
	"maps"
	"slices"
	"strconv"
)

// Options says how the server is made. The zero value is a server on a free
// port, in a new temporary directory.
type Options struct {
	// Dir holds the cluster, the socket and the log. It must be missing or
	// empty, and Stop removes it. Empty means a new temporary directory.
	Dir string
	// Settings are server settings by name; they override the defaults.
	Settings map[string]string
	// Port is the TCP port on 127.0.0.1; 0 means a free one.
	Port int
	// Log receives what the server logs, beside the file postgres.log in Dir.
	Log io.Writer
}

// arguments returns the server's command line. Names are sorted, so that the
// same options give the same line.
func (o Options) arguments(c cluster, port int) []string {
	settings := map[string]string{
		"fsync":                     "off",
		"full_page_writes":          "off",
		"synchronous_commit":        "on",
		"max_connections":           "300",
		"max_prepared_transactions": "20",
		"timezone":                  "UTC",
		"log_timezone":              "UTC",
	}
	maps.Copy(settings, o.Settings)
	settings["listen_addresses"] = "127.0.0.1"
	settings["port"] = strconv.Itoa(port)
	settings["unix_socket_directories"] = c.dir

	args := []string{"-D", c.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
