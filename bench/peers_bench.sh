#!/bin/sh
# Our runtime and other engines on the same random RWKV-7 0.1B, side by side in one run.
#     RWKVMON_PEERS=DIR peers_bench.sh BUILD_DIR [ROUNDS]
# DIR holds peer_rwkvcpp and peer_llama (bench/peers/CMakeLists.txt builds them); the models, 4 GB,
# are written to DIR/models once. What is not there is SKIPPED. docs/PERFORMANCE.md explains the table.
set -eu
if [ -z "${RWKVMON_PEERS:-}" ]; then
	echo "peers_bench: SKIPPED, RWKVMON_PEERS names no directory of built peers (docs/PERFORMANCE.md)"
	exit 0
fi
python=
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
	if [ -z "$python" ] && "$candidate" -c 'import numpy' 2>/dev/null; then
		python=$candidate
	fi
done
if [ -z "$python" ]; then
	echo "peers_bench: SKIPPED, python3 has no numpy (Debian: python3-numpy)"
	exit 0
fi
here=$(dirname "$0")
exec "$python" "$here/peers/bench.py" "$1/bench" "$RWKVMON_PEERS" "${2:-7}"
