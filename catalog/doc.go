// Package catalog takes an immutable picture of the part of a database that
// migrations touch: tables, columns, keys, triggers, views, relatives, missing
// grants, and what the expressions of the rules mean there.
//
// It never writes: what Postgres needs created to print an expression lives in
// a transaction that is rolled back. It runs no SQL of the rules file either;
// views are defined over it, never read. It knows nothing of rules, phases or
// plans, and parses no statement.
//
// Start at snapshot.go for what a Snapshot says, then at load.go for how one
// is taken. Each other file fills one noun of the Snapshot; expr.go, wrap.go
// and printed.go are the resolution of expressions. Writers and Fired ask what
// only check needs; body.go reads bodies of functions as tokens for that.
package catalog
