// Package live keeps the rules of a running proxy current.
//
// It owns the control connection and one loop, Serve, that loads the rules
// file, checks it against the recorded phases and the live catalog, records
// the new phases in the database, and only then hands a planner to the proxy.
// It does so at the start, when Reload is called, when the file changes and
// when the catalog changes. A load takes effect as a whole or not at all: with
// any problem the last good planner stays, and the problem is kept in State.
//
// It never lets sessions in without a planner (Options.Use is called with nil
// until the first good load), never works under a phase that the database has
// not recorded, and never gives up: a lost control connection is made anew
// while the proxy goes on with what it knows.
//
// Start reading at Live.Serve, then load.go for one load from file to planner.
package live
