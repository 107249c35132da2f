#!/bin/sh
# The exported rules by the real vmalert on the real VictoriaMetrics, skipped loudly without them.
#     vmalert_test.sh BUILD_DIR
exec python3 "$(dirname "$0")/vmalert.py" "$1"
