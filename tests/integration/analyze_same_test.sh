#!/bin/sh
# The analysis is the same to the byte with every instruction set and number of threads, however many sessions there are.
# Usage: analyze_same_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
python3 "$here/analyze_split.py" "$rwkvmon" "$dir" --sets
