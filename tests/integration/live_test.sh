#!/bin/sh
# The live page of `rwkvmon serve` in a real Chromium: live_test.sh BUILD_DIR
# With PAGE_SHOTS=DIR pictures of it are also saved there.
set -eu
build=${1:?usage: live_test.sh BUILD_DIR}
page=$(cd "$(dirname "$0")/../page" && pwd)

skip() {
	echo "SKIPPED: the live page is not tested in a browser: $*" >&2
	exit 77
}

"$build/rwkvmon" --version | grep -q 'live page: libmicrohttpd' || skip "this build has no HTTP server"
command -v node >/dev/null || skip "node is missing (apt-get install nodejs)"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || skip "chromium is missing (apt-get install chromium)"
if [ ! -d "$page/node_modules/playwright-core" ] || [ ! -d "$page/node_modules/axe-core" ]; then
	command -v npm >/dev/null || skip "npm is missing (apt-get install npm)"
	npm --prefix "$page" ci --no-audit --no-fund >/dev/null 2>&1 || skip "npm --prefix tests/page ci failed"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node "$page/make_log.mjs" hostile >"$work/hostile.log"
python3 "$(dirname "$0")/fleet.py" "$work/fleet" 8 --slow host3=2.5 --now
cp "$work/hostile.log" "$work/fleet"
node "$page/live_test.mjs" ${PAGE_SHOTS:+--shots "$PAGE_SHOTS"} "$build/rwkvmon" "$work"
