// Package rewrite decides what happens to one SQL text: it turns rules and a
// catalog snapshot into a Planner, and text into a Plan that says, statement
// by statement, whether it is forwarded as it is, edited and followed by
// syncs, or refused.
//
// It is pure: no I/O, no clock, no state but a cache of plans. It never
// regenerates SQL from a parse tree; it splices into the application's own
// text at offsets that come from the parser and the scanner. It is the only
// importer of pg_query, and it never calls pg_query's Normalize.
//
// Start reading at dispatch.go, which has one line per kind of statement, and
// at sync.go, which says how the new shape is made to follow the old one.
package rewrite
