#!/bin/sh
# The Python package without torch: structs against the header, analyzer, metrics, python -m rwkvmon.
#     python_test.sh BUILD_DIR
set -u
build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
if grep -q '^RWKVMON_SANITIZE:STRING=.' "$build/CMakeCache.txt"; then
	echo "SKIPPED: the Python package: python cannot load a library built for a sanitizer"
	exit 77
fi
python=/usr/bin/python3
[ -x $python ] || python=python3
out=$(mktemp) table=$(mktemp)
trap 'rm -f "$out" "$table"' EXIT
"$build/tests/settings_test" --table >"$table" || exit 1
SETTINGS_TABLE=$table RWKVMON_LIBRARY="$build/librwkvmon.so.0" RWKVMON_PROGRAM="$build/rwkvmon" PYTHONPATH="$root/python" PYTHONDONTWRITEBYTECODE=1 \
	$python "$root/tests/python/test_package.py" -v >"$out" 2>&1
status=$?
[ $status = 0 ] && tail -n 3 "$out" || cat "$out"
grep -aoE "SKIPPED: [^']*" "$out" | sort -u
exit $status
