#!/usr/bin/env bash
# need.sh TOOL... makes sure that each tool is installed: postgres (the server
# binaries), pgbench, pgbouncer. What is there is used; a package is installed
# only as the last resort, and nothing is left running afterwards.
set -euo pipefail

say() { printf 'need.sh: %s\n' "$*" >&2; }

# Debian keeps the server's binaries off the PATH.
server_dirs() {
	if [ -n "${PGBIN:-}" ]; then
		printf '%s\n' "$PGBIN"
		return
	fi
	local dir
	for dir in /usr/lib/postgresql/*/bin; do printf '%s\n' "$dir"; done
	printf '%s\n' "$PATH" | tr ':' '\n'
}

have() {
	local dir
	case $1 in
	postgres)
		while read -r dir; do
			if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then return 0; fi
			# A link on the PATH leads to the directory that has both.
			if [ -L "$dir/initdb" ] && [ -x "$(dirname "$(readlink -f "$dir/initdb")")/postgres" ]; then return 0; fi
		done < <(server_dirs)
		return 1
		;;
	pgbench)
		command -v pgbench >/dev/null && return 0
		while read -r dir; do
			if [ -x "$dir/pgbench" ]; then return 0; fi
		done < <(server_dirs)
		return 1
		;;
	pgbouncer)
		command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ]
		;;
	*)
		say "unknown tool $1: it knows postgres, pgbench and pgbouncer"
		exit 2
		;;
	esac
}

# Debian and Ubuntu ship pgbench with the server.
package() {
	case $1 in
	postgres | pgbench) echo postgresql ;;
	pgbouncer) echo pgbouncer ;;
	esac
}

root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt() {
	root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" >&2
}

policy=/usr/sbin/policy-rc.d
create=/etc/postgresql-common/createcluster.conf
undo_policy=
undo_create=

undo() {
	if [ -n "$undo_policy" ]; then root rm -f "$policy"; fi
	if [ -n "$undo_create" ]; then root mv "$create.pgjanus" "$create"; fi
	undo_policy= undo_create=
}

# quietly installs packages that would start a server each: a policy keeps
# services from starting, and no main cluster is created. Both are taken back.
quietly() {
	trap undo EXIT
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | root tee "$policy" >/dev/null
		root chmod 0755 "$policy"
		undo_policy=yes
	fi
	case " $* " in
	*" postgresql "*)
		apt install --no-install-recommends postgresql-common
		root cp -p "$create" "$create.pgjanus"
		undo_create=yes
		printf 'create_main_cluster = false\n' | root tee -a "$create" >/dev/null
		;;
	esac
	apt install --no-install-recommends "$@"
	case " $* " in
	*" pgbouncer "*)
		if command -v systemctl >/dev/null; then root systemctl disable pgbouncer >/dev/null 2>&1 || true; fi
		;;
	esac
	undo
}

missing=()
for tool in "$@"; do
	have "$tool" || missing+=("$tool")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ -n "${PGBIN:-}" ]; then
	say "PGBIN is $PGBIN, and these are not there or on the PATH: ${missing[*]}; correct PGBIN or unset it"
	exit 1
fi
if ! command -v apt-get >/dev/null; then
	say "missing: ${missing[*]}. Install them (macOS: brew install postgresql pgbouncer), or set PGBIN to the directory of initdb and postgres"
	exit 1
fi
packages=()
for tool in "${missing[@]}"; do
	name=$(package "$tool")
	case " ${packages[*]:-} " in *" $name "*) ;; *) packages+=("$name") ;; esac
done
if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
	say "missing: ${missing[*]}, and there are no rights to install them. Run: sudo apt-get install ${packages[*]}"
	exit 1
fi

say "installing ${packages[*]}"
apt update
quietly "${packages[@]}"
for tool in "${missing[@]}"; do
	if ! have "$tool"; then
		say "installed ${packages[*]}, but $tool is still missing"
		exit 1
	fi
done
