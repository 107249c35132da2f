#!/bin/sh
# Parts of an analysis, put together, say what all logs say; damaged ones are refused; the example of docs/FLEET.md runs.
# Usage: analyze_parts_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
RWKVMON_FEWER=1 python3 "$here/analyze_reference.py" make "$dir/troubles.log" || exit 1
python3 "$here/analyze_parts.py" "$rwkvmon" "$dir" "$here/../../docs/FLEET.md"
[ $? = 0 ] || exit 1

# A log that is in two parts counts once, the lines of it that could not be read included.
mkdir "$dir/counted" && cd "$dir/counted" || exit 1
"$rwkvmon" run --prompt "It was" --tokens 50 --seed 1 --log whole.log -q >out 2>err || fail "no log: $(cat err)"
{ head -20 whole.log; echo '{"torn'; echo '{"torn'; sed -n '21,$p' whole.log; } >bad.log
cp bad.log copy.log
"$rwkvmon" run --prompt "I" --tokens 20 --seed 2 --log other.log -q >out 2>err || fail "no log: $(cat err)"
"$rwkvmon" analyze --partial -o one.part bad.log 2>err && "$rwkvmon" analyze --partial -o two.part copy.log other.log 2>err || fail "$(cat err)"
"$rwkvmon" analyze --merge one.part two.part --format json >out 2>err || fail "$(cat err)"
grep -q '"skipped_lines":3,' out || fail "lines that could not be read count twice: $(grep -o '"skipped_lines":[0-9]*' out)"
[ "$(grep -o '"damaged or incomplete JSON"' out | wc -l)" = 2 ] || fail "and are listed twice"
pass
finish
