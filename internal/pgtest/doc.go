// Package pgtest gives every test a real Postgres database of its own, and the
// canonical tables and rules that pgjanus is shown on.
//
// One cluster serves a test binary; it starts when the first test asks for a
// database and stops in Main. PGTEST_DSN names an existing server to use
// instead. A missing Postgres fails the test: a skip never counts as success.
// The package is for tests only, and holds no state but that cluster.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// Start reading at Database in database.go, then canon.go.
package pgtest
