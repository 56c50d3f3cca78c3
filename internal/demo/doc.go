// Package demo takes the three canonical migrations from off to dualwrite
// under load and measures what an application notices of it.
//
// It plays three parts. The world: a throw-away Postgres (or two databases of
// its own on an existing server) with three tables of realistic size. The
// application: ten connections that know only the old shape and check every
// answer they can. The operator: edits rules.yaml, reloads, backfills,
// verifies. pgjanus itself runs as child processes of the given binary, so
// what is shown is what a user gets.
//
// It never reaches into the proxy, never writes the new shape, never touches a
// database that it did not create, and leaves no process behind.
//
// Start reading at Run in run.go: it is the story from top to bottom. The
// application is in application.go and client.go, what it does in orders.go,
// users.go and counters.go.
package demo
