#!/bin/sh
# `rwkvmon analyze --format json` against an independent analysis in Python's standard library.
# Usage: analyze_reference_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
bad=0

compare() { # NAME FILE...
	name=$1
	shift
	"$rwkvmon" analyze --format json --rules "$here/../rules/single.yaml" "$@" >"$dir/$name.json" 2>"$dir/$name.err" || {
		echo "FAIL: $name: exit code $?"
		cat "$dir/$name.err"
		bad=1
		return
	}
	echo "$name: $(python3 "$here/analyze_reference.py" check "$dir/$name.json" "$@")" || bad=1
	python3 "$here/analyze_reference.py" check "$dir/$name.json" "$@" >/dev/null || bad=1
}

refused() { # WHAT EXIT_CODE FILE
	"$rwkvmon" analyze --format json "$3" >"$dir/out" 2>"$dir/err"
	got=$?
	if [ $got -ne "$2" ] || [ -s "$dir/out" ] || ! [ -s "$dir/err" ]; then
		echo "FAIL: $1: exit code $got, expected $2; output of $(wc -c <"$dir/out") bytes"
		cat "$dir/err"
		bad=1
	fi
}

python3 "$here/analyze_reference.py" make "$dir/troubles.log" || exit 1
compare troubles "$dir/troubles.log"
compare foreign "$here/../logs/foreign-python.log"
compare both "$dir/troubles.log" "$here/../logs/foreign-python.log"

: >"$dir/empty.log"
printf 'not a log\n' >"$dir/text.log"
printf '\037\213\010\0' >"$dir/packed.log"
refused "an empty file" 3 "$dir/empty.log"
refused "a file that is no log" 3 "$dir/text.log"
refused "a compressed file" 3 "$dir/packed.log"
refused "a missing file" 3 "$dir/missing.log"

published=${RWKVMON_SHARED:-$here/../../../shared}/logs/published-format.log
if [ -r "$published" ]; then
	compare published "$published"
else
	echo "SKIPPED: $published is not there: the published format was tested on tests/logs only" >&2
fi
exit $bad
