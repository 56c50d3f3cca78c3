// Package config reads the process settings of pgjanus: the file pgjanus.yaml,
// the environment PGJANUS_*, and flags, in rising order of precedence.
//
// [Load] returns valid [Settings] or an error that names everything wrong at
// once. [Reference] is the documentation of every setting, made from the same
// struct tags that Load reads.
//
// The package never reads rules (identifiers must not pass through viper, which
// folds case and splits at dots), never opens a connection, and never prints
// the password of the control connection. It is the only importer of viper and
// imports nothing else of this module.
//
// Start reading at settings.go. A setting is one field there, with its tags; a
// new kind of value is one case in value.go.
package config
