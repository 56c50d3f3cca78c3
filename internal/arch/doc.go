// Package arch holds the tests that keep the shape of the code: who may import
// whom, which package owns which library, how long a file may get, and that
// every package says what it is.
//
// It has no code and is imported by nothing. Start reading at layers in
// layers_test.go.
package arch
