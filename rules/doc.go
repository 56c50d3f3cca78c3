// Package rules is the rules file: the migrations that an operator declares,
// the phase each of them stands in, and what may follow what.
//
// [Load] and [Parse] turn YAML into an immutable [Set] or into [Problems],
// every one with its place, the reason and the way out. [Transition] says
// whether one Set may follow another, [Diff] says what changed between them.
//
// The package never talks to a database and never parses SQL: whether tables,
// columns and expressions exist and mean something is decided against a live
// catalog, elsewhere. It never changes a Set once it is made, and imports
// nothing else of this module.
//
// Start reading at migration.go for the shapes and load.go for the way in.
// The file format is described in docs/rules.md.
package rules
