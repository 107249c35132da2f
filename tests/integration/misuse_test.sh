#!/bin/sh
# Every command without an argument, with a wrong one and with a mistyped option: each error names a fix, and of this command.
#     misuse_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
exec python3 "$here/misuse.py" "$rwkvmon"
