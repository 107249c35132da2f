#!/bin/sh
# Every case lands on the cause it is named after; together they reach every cause.
#     diagnosis_test.sh BUILD_DIR
# Logs of real runs lie in tests/cases/diagnosis; those whose fault needs another machine are generated.
. "$(dirname "$0")/begin.sh"
cases=$root/tests/cases/diagnosis

python3 "$cases/generate.py" "$dir" || exit 1
# A bandwidth that cannot be right is called so, not unknown.
"$rwkvmon" diagnose "$dir/bandwidth_ceiling__7b_on_rtx_3060__goal_20tps.log" --goal 20tps --bandwidth 1 --format json >"$dir/exceeded.json"
grep -q '"bandwidth_exceeded"' "$dir/exceeded.json" && ! grep -q '"want_bandwidth"' "$dir/exceeded.json" || exit 1

python3 "$here/diagnosis.py" "$rwkvmon" "$root/src/spec/diagnosis.def" $(ls "$cases"/*__*.log* "$dir"/*__*.log)
