#!/bin/sh
# The choice of settings keeps its limits, is taken by `run`, and survives an interrupt and models that cannot be opened.
#     tune_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
tune() { # CODE OPTION...
	code=$1
	shift
	"$rwkvmon" tune --lang en --max-threads 1 "$@" >out 2>err </dev/null
	[ $? = "$code" ]
}
holds() { python3 -c 'import json, sys
t = json.load(open("out"))
s = {(x["strategy"], x["skip_zeros"]): x for x in t["races"][0]["settings"]}
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1"; }

tune 0 --seconds 1 -o tuned.yaml --json &&
	holds 't["dtype"] == "fp16" and t["quality_tokens"] >= 16 and s["cpu fp16", False]["result"] == "same_weights"' &&
	holds 's["cpu fp32", False]["kl_nats"] == 0 and 0 < s["cpu fp32i8", False]["kl_nats"] < 0.1 and s["cpu fp32", False]["top1_agree"] == 1' &&
	holds 's["cpu fp32", True]["memory_mb"] > s["cpu fp32", False]["memory_mb"] > 1' &&
	holds 'sum(x["result"] == "chosen" for x in t["races"][0]["settings"]) == 1'
result "everything is measured, one is chosen" $?
"$rwkvmon" run --settings tuned.yaml --prompt hi --tokens 3 --log tuned.log --quiet >out 2>err &&
	grep -qF "$(sed -n 's/^strategy: //p' tuned.yaml)" tuned.log
result "run takes the settings" $?
tune 0 --seconds 1 --json --page page.html && grep -q '<circle class="ring"' page.html && grep -q '<svg class="front"' page.html &&
	python3 -c 'import html, json, re
page = re.search("<pre[^>]*>(.*)</pre>", open("page.html").read(), re.S).group(1)
assert json.loads(html.unescape(page)) == json.load(open("out"))'
result "a page with the front" $?
fits() { # FILE: in 80 columns
	python3 -c 'import sys, unicodedata
wide = lambda line: sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
sys.exit(any(wide(line.rstrip("\n")) > 80 for line in open(sys.argv[1], encoding="utf-8")))' "$1"
}
for lang in en zh; do
	"$rwkvmon" tune --lang $lang --max-threads 1 --seconds 1 >out 2>err </dev/null && grep -q "tiny-rwkv7" out && fits out
	result "the tables fit 80 columns, $lang" $?
done
tune 2 --page same -o same && grep -q "name the same file" err && tune 2 --from seen.log --page page.html && grep -q "no effect" err
result "a page that has no place" $?
tune 0 --objective memory --seconds 1 --json && holds 't["chosen"]["strategy"] == "cpu fp32" and not t["chosen"]["skip_zeros"]'
result "the least memory" $?
tune 0 --strategy "cpu fp32i8" --objective prefill --seconds 1 --json &&
	holds 't["chosen"]["strategy"] == "cpu fp32i8" and {x["chunk_len"] for x in t["races"][0]["settings"]} == {16, 64, 256}'
result "a prompt's chunks" $?
tune 1 --max-kl 0 --min-tps 1e9 --seconds 1 -o none.yaml --json && grep -q "no setting was chosen" err && [ ! -e none.yaml ] &&
	holds 't["chosen"] is None and s["cpu fp32i8", False]["result"] == "over_max_kl" and s["cpu fp32", False]["result"] == "under_min_tps"'
result "nothing within the limits" $?
tune 1 --max-memory 1 --seconds 1 --json && holds 's["cpu fp32", False]["result"] == "over_max_memory"'
result "too much memory" $?
tune 0 --strategy "cuda fp16" --strategy "cpu fp32" --seconds 1 --json && holds 's["cuda fp16", False]["result"] == "cannot_be_opened" and s["cuda fp16", False]["why"]'
result "a strategy for another device" $?
tune 3 --model nothing.pth && grep -q "nothing.pth: cannot be opened" err
result "no such model" $?
tune 2 --python python3 && grep -q "needs --model" err && tune 3 --python false --model some && grep -q "false cannot open the model" err
result "the package rwkv without a model, or a Python that has none" $?
tune 2 --objective fun && grep -q 'expected decode, prefill or memory' err
result "an unknown objective" $?

# As many threads as can run at a time: more would only stop each other.
one_core() { python3 -c 'import json
t = json.load(open("out"))
assert t["cores"] == 1 and {x["threads"] for r in t["races"] for x in r["settings"]} == {1}, t'; }
first=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
taskset -c "$first" "$rwkvmon" tune --seconds 1 --json >out 2>err </dev/null && one_core
result "one thread where one processor may be used" $?
group=/sys/fs/cgroup/rwkvmon-tune-$$ quota=cpu.max half="50000 100000"
[ -e /sys/fs/cgroup/cpu/cpu.cfs_quota_us ] && group=/sys/fs/cgroup/cpu/rwkvmon-tune-$$ quota=cpu.cfs_quota_us half=50000
if mkdir "$group" 2>/dev/null && echo "$half" 2>/dev/null >"$group/$quota"; then
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$rwkvmon" tune --seconds 1 --json >out 2>err </dev/null && one_core
	result "one thread where a control group leaves half a processor" $?
else
	echo "SKIPPED: a control group's quota: $group cannot be made, or has no $quota"
fi
rmdir "$group" 2>/dev/null

# Sessions of two strategies, told apart only where every session is.
log() { # STRATEGY LATENCY...
	strategy=$1
	shift
	for ms; do
		n=$((n + 1))
		for i in 1 2 3 4 5; do
			echo "{\"timestamp\":\"2026-01-01T00:00:0$i.000Z\",\"session_id\":\"s-$n\",\"event_type\":\"inference_step\",\"token_count\":1,\"performance\":{\"token_latency_ms\":$ms},\"metadata\":{\"model_name\":\"m\",\"strategy\":\"$strategy\"}}"
		done
	done
}
n=0
{ log "cuda fp16" 20 21 22; log "cuda fp16i8" 30 31 32; log "cpu fp32" 21 90; } >seen.log
"$rwkvmon" tune --lang en --from seen.log >out 2>err && grep -q "cuda fp16: every session was faster than every session of cuda fp16i8" out &&
	grep -q "cuda fp16 and cpu fp32: their sessions overlap" out && grep -q "number of threads" out
result "what a log tells" $?
"$rwkvmon" tune --from seen.log --json >out 2>err && python3 -c 'import json
s = {x["strategy"]: x for x in json.load(open("out"))["seen"]}
assert s["cuda fp16"]["faster_than"] == ["cuda fp16i8"] and s["cuda fp16"]["sessions"] == 3 and s["cpu fp32"]["faster_than"] == [], s'
result "the same for programs" $?

# An interrupt before the first round is over has nothing to give: the next one comes later.
for patience in 1 2 4 8 16 32; do
	"$rwkvmon" tune --lang en --max-threads 1 --exhaustive --seconds 1000 >out 2>err </dev/null &
	pid=$!
	sleep $patience
	kill -TERM $pid
	wait $pid && grep -q "Chosen: cpu" out && break
done
grep -q "Interrupted: the best so far" out && grep -q "Chosen: cpu" out
result "an interrupt gives the best so far" $?

finish
