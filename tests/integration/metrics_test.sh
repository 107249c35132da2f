#!/bin/sh
# /metrics of a real run; what needs servers that are not installed is skipped, loudly.
#     metrics_test.sh BUILD_DIR
here=$(cd "$(dirname "$0")" && pwd)
python=python3
/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null && python=/usr/bin/python3
exec $python "$here/metrics.py" "$1"
