// Package pgserver runs a throw-away Postgres: it finds the installed
// binaries, makes a cluster in a directory of its own, starts it, and takes
// everything away again.
//
// It never downloads anything, never touches a cluster that it did not make,
// and never survives its parent: the server is shut down by Stop, or by the
// kernel when the process that started it dies (Linux). Run as root, it gives
// the directory to an unprivileged user and runs the binaries as that user,
// because Postgres refuses to run as root.
//
// Durability is off (fsync=off): data survives the death of any process, not
// that of the machine.
//
// Start reading at Start in server.go.
package pgserver
