#!/bin/sh
# The same log gives the same verdict, of the same cause, from every face: analyze (text, JSON, Markdown, page), diagnose
# (text, JSON, page), watch, and serve's /api.
#     one_verdict_test.sh BUILD_DIR
# Logs: those of tests/cases, some generated ones, the worked one, and recorded ones beside the repository where they are.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 "$here/../cases/diagnosis/generate.py" "$dir" >/dev/null || exit 1
shared=${RWKVMON_SHARED:-$here/../../../shared}
[ -d "$shared/cases/insight" ] || echo "SKIPPED: recorded cases: $shared/cases is not here"
exec python3 "$here/one_verdict.py" "$1/rwkvmon" "$here/../logs/worked.log" "$here"/../cases/diagnosis/*.zst "$dir"/*.log \
	$(ls "$shared"/cases/insight/*.zst "$shared"/cases/reports/0[1-5]*/*.log "$shared"/cases/reports/0[1-5]*/*.zst 2>/dev/null)
