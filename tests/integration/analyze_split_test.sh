#!/bin/sh
# The analysis is the same with any number of threads, and however the log is split into files.
# Usage: analyze_split_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
python3 "$here/analyze_reference.py" make "$dir/troubles.log" || exit 1
python3 "$here/analyze_split.py" "$rwkvmon" "$dir" "$dir/troubles.log"
