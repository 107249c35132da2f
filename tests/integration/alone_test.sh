#!/bin/sh
# What fleet says of each instance of a folder is what diagnose says of its log alone, whoever its neighbours are.
#     alone_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
python3 "$root/tests/cases/diagnosis/generate.py" "$dir/cases" || exit 1
# shellcheck disable=SC2046
set -- $(find "$dir/cases" -name '*__*.log' | sort)
check "each instance as if it was alone" python3 "$here/alone.py" "$rwkvmon" "$dir/fleets" "$@"
cat "$dir/out"
finish
