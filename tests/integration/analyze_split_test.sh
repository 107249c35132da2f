#!/bin/sh
# The analysis is the same with any number of threads, and however the log is split into files.
# Usage: analyze_split_test.sh BUILD_DIR
build=$1
rwkvmon=$build/rwkvmon
here=$(dirname "$0")

skip() {
	echo "SKIPPED: analyze_split_test.sh: $1" >&2
	exit 77
}
[ -x "$rwkvmon" ] || skip "$rwkvmon is not built"
command -v python3 >/dev/null || skip "python3 is not installed; nothing makes the logs"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
python3 "$here/analyze_reference.py" make "$dir/troubles.log" || exit 1
exec python3 "$here/analyze_split.py" "$rwkvmon" "$dir" "$dir/troubles.log"
