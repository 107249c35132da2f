#!/bin/sh
# Parts of an analysis, put together, say what all logs say; damaged ones are refused; the example of docs/FLEET.md runs.
# Usage: analyze_parts_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
RWKVMON_FEWER=1 python3 "$here/analyze_reference.py" make "$dir/troubles.log" || exit 1
python3 "$here/analyze_parts.py" "$rwkvmon" "$dir" "$here/../../docs/FLEET.md"
