// Package proxy is the wire: it accepts client connections, opens one server
// connection for each, and forwards frames between them. Where a statement
// writes to a migrating table it edits the statement's message and puts the
// syncs of its plan right behind it.
//
// It never parses SQL (package rewrite does), never holds a lock across I/O,
// never re-encodes a message that no plan is about, and never lets one
// direction of a session wait for the other, but for the cases that core.go
// explains. Every ErrorResponse of our own is made in errors.go.
//
// Start reading at core.go, the session core: a state machine without I/O that
// takes bytes from either side and says what to write to the other. On Linux
// loop_linux.go drives it, elsewhere session.go with two goroutines; startup.go
// is what happens before.
package proxy
