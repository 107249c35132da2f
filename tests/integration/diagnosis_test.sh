#!/bin/sh
# Every case lands on the cause it is named after; together they reach every cause.
#     diagnosis_test.sh BUILD_DIR
# Logs of real runs lie in tests/cases/diagnosis; those whose fault needs another machine are generated.
set -u
rwkvmon=$1/rwkvmon
cases=$(cd "$(dirname "$0")/../cases/diagnosis" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0 passed=0
fail() { printf 'FAILED: %s\n' "$1"; failed=$((failed + 1)); }

python3 "$cases/generate.py" "$dir" || exit 1
for log in "$cases"/*__*.log* "$dir"/*__*.log; do
	[ -f "$log" ] || continue
	name=${log##*/} want=${name%%__*}
	"$rwkvmon" diagnose "$log" --format json --lang en >"$dir/answer.json" 2>"$dir/err"
	rc=$?
	got=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["cause"])' "$dir/answer.json" 2>&1)
	if [ $rc -eq 0 ] && [ "$got" = "$want" ]; then
		passed=$((passed + 1))
	else
		fail "$name: exit code $rc, cause $got"
		cat "$dir/err"
	fi
	echo "$got" >>"$dir/seen"
done
for cause in $(sed -n 's/^CAUSE([A-Z0-9_]*, "\([a-z0-9_]*\)".*/\1/p' "$cases/../../../src/spec/diagnosis.def"); do
	grep -qx "$cause" "$dir/seen" || fail "no case lands on $cause"
done

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
