#!/bin/sh
# Rules and dashboard; what needs servers that are not installed is skipped, loudly.
#     prometheus_test.sh BUILD_DIR
exec python3 "$(dirname "$0")/prometheus.py" "$1"
