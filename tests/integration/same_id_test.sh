#!/bin/bash
# Sessions of equal ids on several instances are several sessions, for all that reads logs; lines that name no instance
# belong to the first of them.
#     same_id_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
leave() { [ -z "${serving-}" ] || kill "$serving" 2>/dev/null; }
python3 - <<'END'
import json
def step(instance, i, at, record, length, ms):
    line = {"timestamp": "2026-03-01T12:%02d:%02d.%03dZ" % (at // 60000, at // 1000 % 60, at % 1000), "session_id": "chat",
            "event_type": "inference_step", "sequence_length": length, "performance": {"token_latency_ms": ms,
            "chunk_process_time_ms": ms}, "accuracy": {"logits_entropy": 2 + i % 7 / 10}, "metadata": {"model_name": "m"},
            "phase": "decode", "token_count": 1, "record": record}
    return json.dumps(line | ({"instance": instance} if instance else {})) + "\n"
one = [step("host1:7", i, 20 * i, i, i + 1, 20 + i % 3) for i in range(300)]
two = [step("host2:7", i, 60 * i, i, i + 1, 60 + i % 3) for i in range(300)]
open("one.log", "w").writelines(one)
open("two.log", "w").writelines(two)
open("turns.log", "w").writelines(line for pair in zip(one, two) for line in pair)
# Every third line of the first one names no instance.
some = [step("" if i % 3 == 2 else "host1:7", i, 20 * i, i, i + 1, 20 + i % 3) for i in range(300)]
open("some.log", "w").writelines(line for pair in zip(some, two) for line in pair)
# The first instance is named late.
late = [step("" if i < 10 else "host1:7", i, 20 * i, i, i + 1, 20 + i % 3) for i in range(300)]
open("late.log", "w").writelines(late + two)
# So many instances that a block of lines has several parts.
open("many.log", "w").writelines(step("host%d:1" % k, i, 100 * i, i, i + 1, 20 + k % 5) for i in range(8) for k in range(2500))
END
ask() { # EXPRESSION COMMAND...: of its JSON, in `d`
	expression=$1
	shift
	"$@" 2>err | python3 -c "import json, sys; d = json.load(sys.stdin); print(*[$expression])"
}
equal() { # WANTED WHAT COMMAND...: what the command says on its output
	want=$1 what=$2
	shift 2
	got=$("$@")
	[ "$got" = "$want" ] && pass || fail "$what: $got instead of $want"
}
both="2 [('host1:7', 300), ('host2:7', 300)] 0 healthy"
all='d["sessions_total"], sorted((i["instance"], i["records"]) for i in d["instances"]), d["input"].get("missing_records") or 0, d["verdict"]'
for logs in "one.log two.log" turns.log some.log late.log; do
	for threads in 1 3; do
		# shellcheck disable=SC2086
		equal "$both" "analyze $logs" ask "$all" "$rwkvmon" analyze --format json --threads $threads $logs
	done
	# shellcheck disable=SC2086
	equal 2 "log check $logs" ask 'd["sessions"] if not d["double"] and not d["missing"] else d' "$rwkvmon" log check --json $logs
	# shellcheck disable=SC2086
	equal 2 "rules replay $logs" ask 'd["sessions"]' "$rwkvmon" rules replay default --json $logs
	# shellcheck disable=SC2086
	equal 2 "fleet $logs" ask 'len(d["instances"])' "$rwkvmon" fleet --json $logs
done
for threads in 1 2 3; do
	"$rwkvmon" analyze --format json --threads $threads some.log >some.$threads.json 2>err
	"$rwkvmon" analyze --format json --threads $threads many.log >many.$threads.json 2>err
done
for threads in 2 3; do
	cmp -s some.1.json some.$threads.json && cmp -s many.1.json many.$threads.json && pass || fail "$threads threads say something else"
done
equal "2500 2500 {8}" "an id that all have" ask 'd["sessions_total"], len(d["instances"]), {i["records"] for i in d["instances"]}' cat many.1.json
"$rwkvmon" serve some.log --listen 127.0.0.1:0 --lang en >served 2>told &
serving=$!
await "serve's address" grep -q 'http://' told
url=$(grep -o 'http://[0-9.:]*' told | head -1)
read_all() { [ "$(curl -fs "$url/metrics" | awk '/^rwkv_token_total/ { n += $2 } END { print n + 0 }')" = 600 ]; }
await "serve reads both" read_all
equal 2 "serve's /metrics" grep -c '^rwkv_token_total{instance="host[12]:7".*} 300$' <(curl -fs "$url/metrics")
equal "[('host1:7', 300), ('host2:7', 300)]" "serve's /api" ask 'sorted((i["instance"], i["records"]) for i in d["instances"])' curl -fs "$url/api/v1/instances"
equal 2 "serve's findings" ask 'd["sessions_total"]' curl -fs "$url/api/v1/findings"
finish
