#!/usr/bin/env bash
# Puts the ClickHouse engine (libchdb.so, 566 MB) into the user's cache, once.
#
# It comes from npm by name and pinned version, with the ordinary npm client; the SHA-512 that npm
# publishes for that version is checked before anything is unpacked. Only the library is kept. The
# second run finds it there and ends at once. Nothing half done is ever visible under the final
# name: unpacking happens beside it, and a rename puts it in place.
#
#   STRATA_CHDB_LIB      a library elsewhere: nothing is fetched
#   STRATA_CHDB_TARBALL  an `npm pack` of the same version, where there is no network
#
# Version and path are those of library.go; a test holds them equal.
set -euo pipefail

version=26.7.3-stable.1
package=@chdb/lib-linux-x64-gnu
integrity='XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=='
megabytes=355 # npm writes the 178 MB twice, to its cache and out; for the progress line only

say() { printf '%s\n' "$*" >&2; }
die() { say "get-library: $*"; exit 1; }

if [[ -n ${STRATA_CHDB_LIB:-} ]]; then
	[[ -f $STRATA_CHDB_LIB ]] || die "STRATA_CHDB_LIB names $STRATA_CHDB_LIB, and there is no such file"
	say "engine: using $STRATA_CHDB_LIB (STRATA_CHDB_LIB)"
	exit 0
fi

cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set, and XDG_CACHE_HOME neither}/.cache}/strata
home=$cache/libchdb-$version
if [[ -f $home/libchdb.so ]]; then
	say "engine: $home/libchdb.so is there"
	exit 0
fi

[[ $(uname -s)/$(uname -m) == Linux/x86_64 ]] ||
	die "the pinned library is for Linux on x86_64; on $(uname -s)/$(uname -m) set STRATA_CHDB_LIB, or STRATA_CLICKHOUSE_DSN to a server"

mkdir -p "$cache"
work=$(mktemp -d "$cache/.fetch-XXXXXX")
watcher=
finish() {
	[[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT

# npm prints no progress where its output is no terminal, so the growth of its files tells.
watch_growth() {
	while sleep 1; do
		local bytes
		bytes=$(du -sb "$work" 2>/dev/null | cut -f1)
		printf '\rengine: %s %4d of about %d MB' "$1" $((bytes / 1000000)) "$2" >&2
	done
}

if [[ -n ${STRATA_CHDB_TARBALL:-} ]]; then
	tarball=$STRATA_CHDB_TARBALL
	[[ -f $tarball ]] || die "STRATA_CHDB_TARBALL names $tarball, and there is no such file"
else
	command -v npm >/dev/null || die "npm is needed to get $package; install it (Debian: apt-get install npm), or set STRATA_CHDB_LIB"
	say "engine: getting $package@$version with npm"
	watch_growth getting "$megabytes" & watcher=$!
	# A cache of its own inside the work directory: the 178 MB would otherwise stay in the user's.
	(cd "$work" && npm pack --silent --cache "$work/npm" "$package@$version" >"$work/name") ||
		die "npm could not get $package@$version; see the message above"
	kill "$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	watcher=
	printf '\n' >&2
	tarball=$work/$(tail -n 1 "$work/name")
	rm -rf "$work/npm"
fi

say "engine: checking SHA-512"
got=$(openssl dgst -sha512 -binary "$tarball" 2>/dev/null | base64 -w0) || got=
if [[ -z $got ]]; then # no openssl: the same sum by coreutils
	got=$(printf "$(sha512sum "$tarball" | cut -d' ' -f1 | sed 's/../\\x&/g')" | base64 -w0)
fi
[[ $got == "$integrity" ]] || die "$tarball has SHA-512 $got, want $integrity; nothing was unpacked"

say "engine: unpacking 566 MB to $home"
mkdir "$work/new"
tar -xzf "$tarball" -C "$work/new" --strip-components=1 package/libchdb.so
chmod 0644 "$work/new/libchdb.so"
# -T: should another run have been faster, its directory stands and ours is dropped.
mv -T "$work/new" "$home" 2>/dev/null || [[ -f $home/libchdb.so ]] || die "could not put the library at $home"
say "engine: $home/libchdb.so is ready"
