#!/bin/bash
# `rwkvmon log check` finds what is torn, foreign, double and missing; `repair` writes a new file and touches no old one.
#     log_command_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
says() { # CODE JSON-MEMBERS COMMAND...
	want=$1 members=$2
	shift 2
	"$@" >out 2>err
	rc=$?
	[ $rc = "$want" ] || fail "exit code $rc instead of $want: $*: $(cat err)"
	[ -z "$members" ] || grep -q "$members" out || fail "$* does not say $members: $(head -c 300 out)"
}

"$rwkvmon" run --prompt "It was" --tokens 300 --seed 1 --log whole.log -q >/dev/null 2>&1 || fail "no log was written"
says 0 '"torn":0,"foreign":0,"double":0,"lost":0,"missing":0' "$rwkvmon" log check whole.log --json
(head -50 whole.log; echo garbage; sed -n 45,60p whole.log; echo '{"torn":'; sed -n '80,$p' whole.log; tail -1 whole.log | head -c 60) >bad.log
cp bad.log before.log
says 1 '"torn":2,"foreign":1,"double":6,"lost":0,"missing":19' "$rwkvmon" log check bad.log --json
says 1 "bad.log:51: foreign" "$rwkvmon" log check bad.log --lang en
# A blank line is none.
(head -50 whole.log; echo; printf ' \t\r\n'; sed -n '51,$p' whole.log) >blank.log
says 0 "\"lines\":$(wc -l <whole.log)" "$rwkvmon" log check blank.log --json
says 0 '"torn":2,"foreign":1,"double":6' "$rwkvmon" log repair bad.log -o new.log --json
cmp -s bad.log before.log || fail "repair changed the old file"
(head -60 whole.log; sed -n '80,$p' whole.log) | cmp -s - new.log || fail "what was whole is not what was written"
says 1 '"torn":0,"foreign":0,"double":0,"lost":0,"missing":19' "$rwkvmon" log check new.log --json
(cat whole.log; seq 1 30) >many.log
says 1 "and 10 more; log check --json" "$rwkvmon" log check many.log --lang en
says 1 '"line":30[0-9],"reason"' "$rwkvmon" log check many.log --json
[ "$(grep -o '"kind"' out | wc -l)" = 30 ] || fail "JSON does not list what text leaves out"
says 4 "" "$rwkvmon" log repair bad.log -o new.log
says 2 "" "$rwkvmon" log repair bad.log -o bad.log
says 2 "" "$rwkvmon" log repair bad.log
says 2 "" "$rwkvmon" log check
says 3 "" "$rwkvmon" log check missing.log
# A killed writer's torn line, behind which the next one went on.
(head -20 whole.log; sed -n 21p whole.log | head -c 90; sed -n '22,$p' whole.log) >resumed.log
says 1 '"torn":1,"foreign":0,"double":0,"lost":0,"missing":1' "$rwkvmon" log check resumed.log --json
says 1 "resumed.log:21: torn" "$rwkvmon" log check resumed.log --lang en
says 0 '"torn":1' "$rwkvmon" log repair resumed.log -o mended.log --json
sed 21d whole.log | cmp -s - mended.log || fail "repair lost a whole record behind a torn one"
says 0 '"records":300,"skipped_lines":1' "$rwkvmon" analyze resumed.log --format json
# Where several sessions share a log that rotates, each begins again somewhere in each file, and once in a copy of all.
"$rwkvmon" run --prompt "It was" --tokens 300 --seed 2 --log other.log -q >/dev/null 2>&1 || fail "no second log was written"
(head -50 whole.log; head -40 other.log) >rotated.1.log
(head -1 other.log; sed -n 41,90p other.log; head -1 whole.log; sed -n '51,$p' whole.log; sed -n '91,$p' other.log) >rotated.2.log
says 0 '"fine":608,"torn":0,"foreign":0,"double":0,"lost":0,"missing":0,"sessions":2' "$rwkvmon" log check rotated.1.log rotated.2.log --json
says 0 '"double":0' "$rwkvmon" log repair rotated.1.log rotated.2.log -o both.log --json
says 0 '"fine":606,"torn":0,"foreign":0,"double":0,"lost":0,"missing":0,"sessions":2' "$rwkvmon" log check both.log --json
head -1 other.log >>both.log
says 1 '"double":1' "$rwkvmon" log check both.log --json
# In whatever order, a line that is there once is kept; one that is there twice is kept once.
tac whole.log >backwards.log
sort -R whole.log >shuffled.log
cat shuffled.log backwards.log >twice.log
lines=$(wc -l <whole.log)
for log in backwards shuffled; do
	says 0 "\"fine\":$lines,\"torn\":0,\"foreign\":0,\"double\":0,\"lost\":0,\"missing\":0" "$rwkvmon" log check $log.log --json
	says 0 '"double":0' "$rwkvmon" log repair $log.log -o $log.new.log --json
	cmp -s $log.log $log.new.log || fail "repair changed the lines of $log.log"
done
says 1 "\"fine\":$lines,\"torn\":0,\"foreign\":0,\"double\":$lines,\"lost\":0,\"missing\":0" "$rwkvmon" log check twice.log --json
says 0 "\"double\":$lines" "$rwkvmon" log repair twice.log -o once.log --json
cmp -s once.log shuffled.log || fail "repair did not keep each line once"
# What a gap line reports as lost is told.
awk 'NR == 50 { sub(/inference_step"/, "gap\",\"dropped\":7") } 1' whole.log >gap.log
says 0 '"dropped":7' "$rwkvmon" log check gap.log --json
says 0 "7 records were lost" "$rwkvmon" log check gap.log --lang en

# Where there is no room for the copy, no half of it stays.
(ulimit -f 40; says 4 "" "$rwkvmon" log repair whole.log -o short.log; exit $failed) || fail "a copy without room"
[ ! -e short.log ] || fail "half a copy stays"
# Without numbers, what session_end counted tells; lines that name no instance are of the session of that id.
python3 - <<'END'
import json
lines = [json.loads(line) for line in open("whole.log")]
for line in lines:
    line.pop("record", None)
    if line["event_type"] != "session_start":
        line.pop("instance", None)
open("unnumbered.log", "w").writelines(json.dumps(line) + "\n" for line in lines)
open("cut.log", "w").writelines(json.dumps(line) + "\n" for line in lines[:100] + lines[130:])
END
says 0 '"missing":0,"sessions":1' "$rwkvmon" log check unnumbered.log --json
says 1 '"missing":30,"sessions":1' "$rwkvmon" log check cut.log --json
# Nothing to check, nothing to keep.
says 3 "" "$rwkvmon" log check /dev/null
says 3 "" "$rwkvmon" log repair "$0" -o kept.log
[ -e kept.log ] && fail "repair of what is no log left a file"
# As many sessions as a log has are told apart: 40,000, each with a line that came twice and one that is missing.
python3 -c '
for i in range(40000):
    for number in (1, 2, 2, 4):
        print("{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s%d\",\"event_type\":\"inference_step\",\"sequence_length\":%d,\"token_count\":1,\"instance\":\"h\",\"record\":%d}" % (i, number, number))
' >fleet.log
says 1 '"fine":120000,"torn":0,"foreign":0,"double":40000,"lost":0,"missing":40000,"sessions":40000,"unnumbered":0' "$rwkvmon" log check fleet.log --json

if command -v zstd >/dev/null; then
	zstd -q whole.log
	(cat whole.log.zst; head -c 300000 /dev/zero; cat whole.log.zst) >hole.log.zst
	says 1 '"missing":0' "$rwkvmon" log check hole.log.zst --json # a hole, and every line twice
	grep -q '"lost":1' out || fail "the hole is not told: $(head -c 200 out)"
	says 0 "" "$rwkvmon" log repair hole.log.zst -o filled.log
	cmp -s whole.log filled.log || fail "a compressed log with a hole was not repaired"
fi
[ "$(stat -c %a new.log)" = 640 ] || [ "$(umask)" != 0022 ] || fail "the new file's mode is $(stat -c %a new.log)"
finish
