// Pgjanus is a Postgres wire proxy that keeps the old and the new shape of data
// equal while a schema migration is under way.
//
// This package is the command line: one file per verb, each of which reads the
// settings, builds what it needs from the other packages, and prints the
// outcome as text or JSON. It never decides what becomes of a statement or a
// row. Progress goes to a terminal only.
//
// Exit codes of every verb: 0 it is done, or the answer is yes; 1 the answer
// is no (drift, problems in the rules, not ready); 2 it could not be done or
// told.
//
// Start reading at run in root.go; serve.go shows how a proxy is put together.
package main
