// Package test has the end-to-end tests: applications, drivers, races and kills
// against a real Postgres through a real proxy. It has no code of its own.
//
// Start reading at harness_test.go; the application under whose load most tests
// stand is in load_test.go.
package test
