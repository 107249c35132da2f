#!/bin/sh
# The HTML report, and the page of `tune`, of the built program in a real Chromium: page_test.sh BUILD_DIR
# With PAGE_SHOTS=DIR the pages are also saved there as PNG and PDF.
set -eu
build=${1:?usage: page_test.sh BUILD_DIR}
page=$(cd "$(dirname "$0")/../page" && pwd)

skip() {
	echo "SKIPPED: the report page is not tested in a browser: $*" >&2
	exit 77
}

[ -x "$build/rwkvmon" ] || skip "$build/rwkvmon is not built"
command -v node >/dev/null || skip "node is missing (apt-get install nodejs)"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || skip "chromium is missing (apt-get install chromium)"
if [ ! -d "$page/node_modules/playwright-core" ] || [ ! -d "$page/node_modules/mermaid" ] || [ ! -d "$page/node_modules/axe-core" ]; then
	command -v npm >/dev/null || skip "npm is missing (apt-get install npm)"
	npm --prefix "$page" ci --no-audit --no-fund >/dev/null 2>&1 || skip "npm --prefix tests/page ci failed"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in ordinary hostile torn few published many; do
	node "$page/make_log.mjs" "$kind" >"$work/$kind.log"
	"$build/rwkvmon" analyze "$work/$kind.log" --format html --lang en -o "$work/$kind.html"
done
"$build/rwkvmon" analyze "$work/ordinary.log" --format html --lang zh -o "$work/ordinary.zh.html"
python3 "$page/../cases/diagnosis/generate.py" "$work/cases"
for page_of in chunk_too_small.en healthy.zh not_enough_data.en other_load.zh; do
	set -- "$work/cases/${page_of%.*}"__*.log
	"$build/rwkvmon" diagnose "$1" --format html --lang "${page_of#*.}" -o "$work/diagnosis.$page_of.html"
done
"$build/rwkvmon" diagnose "$work/hostile.log" --format html -o "$work/diagnosis.hostile.html"

# A plot needs settings that differ; a strategy that cannot be opened brings a hostile text.
tune() { # NAME OPTION...
	name=$1
	shift
	"$build/rwkvmon" tune --max-threads 1 --seconds 2 --quiet --json --page "$work/tune/$name.html" "$@" >"$work/tune/$name.json" </dev/null
}
mkdir "$work/tune"
tune ordinary --lang en --max-memory 9
tune chinese --lang zh
tune hostile --lang en --strategy "cpu fp32" --strategy "cpu fp32i8" --strategy "<img src=x onerror=alert(1)>"
node "$page/tune_test.mjs" ${PAGE_SHOTS:+--shots "$PAGE_SHOTS"} "$work"/tune/*.html

node "$page/report_test.mjs" ${PAGE_SHOTS:+--shots "$PAGE_SHOTS"} "$work"/*.html
