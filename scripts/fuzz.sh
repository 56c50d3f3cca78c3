#!/usr/bin/env bash
# fuzz.sh TIME [PACKAGE...] runs every fuzz target for TIME, one after another,
# and then random statements for as long.
set -euo pipefail

time=${1:?usage: fuzz.sh TIME [PACKAGE...]}
shift
[ $# -gt 0 ] || set -- ./...

# Both lists are assigned first: a failure inside `for` would go unnoticed.
packages=$(go list "$@")
for package in $packages; do
	listed=$(go test -list '^Fuzz' "$package")
	for target in $(grep '^Fuzz' <<<"$listed" || true); do
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done
echo "== random statements"
PGJANUS_DIFF=$time go test -count=1 -timeout 0 -v -run RandomStatements ./test | grep -v '^ *---\|^=== '
