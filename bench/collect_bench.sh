#!/bin/sh
# What watching costs a token: ours, a plain read of the same bytes, the naive way in Python with torch, and,
# where it has been built (bench/peers/CMakeLists.txt), quill's way of handing over a record.
#     [RWKVMON_PEERS=DIR] collect_bench.sh BUILD_DIR
set -eu
build=$1 here=$(dirname "$0")
naive=$(mktemp)
trap 'rm -f "$naive"' EXIT
python=
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
	if [ -z "$python" ] && "$candidate" -c 'import torch' 2>/dev/null; then
		python=$candidate
	fi
done
if [ -n "$python" ]; then
	"$python" "$here/collect_bench_python.py" >"$naive"
else
	echo "SKIPPED: the Python way: torch is not installed (Debian: python3-torch)"
fi
"$build/bench/collect_bench" "$naive"
if [ -x "${RWKVMON_PEERS:-}/peer_quill" ]; then
	"$RWKVMON_PEERS/peer_quill"
else
	echo "SKIPPED: quill: RWKVMON_PEERS names no directory with peer_quill (bench/peers/CMakeLists.txt)"
fi
