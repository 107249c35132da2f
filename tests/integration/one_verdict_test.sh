#!/bin/sh
# The same log gives the same verdict, of the same cause, from every face: analyze (text, JSON, Markdown, page), diagnose
# (text, JSON, Markdown, page), watch, fleet, serve's /api, and --fail-on; in English and in Chinese, with the same counts, alarms,
# violating records, quantiles and order of instances. A log of nothing is the same error from each.
#     one_verdict_test.sh BUILD_DIR
# Logs: those of tests/cases, some generated ones, the worked one, and recorded ones beside the repository where they are.
. "$(dirname "$0")/begin.sh"
python3 "$root/tests/cases/diagnosis/generate.py" "$dir" >/dev/null || exit 1
python3 "$here/odd_logs.py" "$dir" || exit 1
: >"$dir/nothing_empty.log"
printf '\n \n\n' >"$dir/nothing_blank.log"
python3 "$here/fleet.py" "$dir/fleet" 12 --slow host3=2.5@0.5 --silent host5 || exit 1
shared=${RWKVMON_SHARED:-$root/../shared}
[ -d "$shared/cases/insight" ] || echo "SKIPPED: recorded cases: $shared/cases is not here"
python3 "$here/one_verdict.py" "$rwkvmon" "$root/tests/logs/worked.log" "$root"/tests/cases/diagnosis/*.zst "$dir"/*.log "$dir/fleet" \
	$(ls "$shared"/cases/insight/*.zst "$shared"/cases/reports/0[1-5]*/*.log "$shared"/cases/reports/0[1-5]*/*.zst 2>/dev/null)
