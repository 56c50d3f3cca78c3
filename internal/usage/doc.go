// Package usage remembers which statements touch a migration, from which
// application and user, and what becomes of them: the evidence on which a phase
// is changed and an old shape is dropped. While a migration is off it remembers
// what dualwrite would do.
//
// It never keeps a constant of a statement (package rewrite takes them out), it
// never grows beyond a fixed number of statements, and it never makes a session
// wait for more than a few atomic operations once a text is known. What has to
// be parsed is parsed by the goroutine of Serve; only when its queue is full
// does the session do it itself, so that nothing is lost.
//
// Start reading at Table.Saw; report.go is what others see.
package usage
