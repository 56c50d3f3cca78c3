// Command bench measures what pgjanus costs, on servers of its own.
//
// It starts a throw-away Postgres, PgBouncer in session mode (where the binary
// is installed) and a freshly built pgjanus with the three canonical migrations
// in dualwrite, and drives them with pgbench. One table shows statements that
// merely pass through, the second one dual writes next to the usual ways of doing
// them: an AFTER trigger, and an application that writes both shapes itself; the
// third one what a guard and on_fanout_error: dirty cost.
// Variants of one cell run right behind one another, round by round, and ratios
// are taken within a round, so that a machine that slows down slows all of them.
//
// It never touches a server it has not started, and it leaves nothing behind but
// its JSON report. Absolute figures belong to the machine; ratios carry over.
//
// Start reading at run in main.go; what is measured is in cells.go.
package main
