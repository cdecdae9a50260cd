#!/bin/sh
# Fetch the two JavaScript packages that drive and examine a browser in tests, playwright-core and
# axe-core, as package-lock.json pins them by digest, and print the directory that holds them.
#
# They are kept in the user's cache, not in the tree, under the digest of the lock: a second call only
# prints where they are. STRATA_BROWSER_MODULES names another directory. No package runs a script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lock=$(sha256sum "$here/package-lock.json" | cut -c 1-16)
out=${STRATA_BROWSER_MODULES:-${XDG_CACHE_HOME:-$HOME/.cache}/strata/browser-$lock}
if [ ! -e "$out/complete" ]; then
	command -v npm >/dev/null || { echo "get-modules: needs Debian's npm" >&2; exit 1; }
	mkdir -p "$(dirname "$out")"
	# Made beside and moved into place: two that fetch at once do not meet.
	work=$(mktemp -d "$out.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	cp "$here/package.json" "$here/package-lock.json" "$work/"
	echo "get-modules: fetching playwright-core and axe-core" >&2
	(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
	: >"$work/complete"
	mv -T "$work" "$out" 2>/dev/null || [ -e "$out/complete" ]
fi
echo "$out"
