#!/bin/sh
# The real VictoriaLogs, single and as a cluster of three processes: what is shipped comes back, to the record.
#     engine_test.sh BUILD_DIR      RWKVMON_LONG=1: 1,000 instances for an hour
# Without the engine (`tools/engines` installs it) it is skipped.
exec python3 "$(dirname "$0")/engine.py" "$1"
