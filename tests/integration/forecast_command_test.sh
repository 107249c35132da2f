#!/bin/sh
# What comes next of a log: a ramp and its limit are foreseen, chance is not, and the page says so.
#     forecast_command_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
says() { # FILE TEXT
	grep -q -- "$2" "$1" || { echo "no \"$2\" in:"; cat "$1"; return 1; }
}

# 200 s of a token every 100 ms; memory: GROWS MiB per second, or a walk. `host` tells instances apart.
log() { # HOST GROWS
	awk -v host="$1" -v grows="$2" 'BEGIN {
		srand(7)
		at = "\"session_id\":\"" host "-1\",\"instance\":\"" host ":1\""
		about = "\"metadata\":{\"model_name\":\"m\",\"strategy\":\"cpu fp32\""
		printf "{\"timestamp\":\"2026-01-01T00:00:00.000Z\",%s,\"event_type\":\"session_start\",%s,\"host\":{\"memory_mb\":4000}}}\n", at, about
		for (i = 1; i < 2000; i++) {
			if (i % 20 == 0) { walk += rand() - 0.5; mb = 1000 + (grows ? grows * i / 10 : 20 * walk) }
			printf "{\"timestamp\":\"2026-01-01T00:%02d:%06.3fZ\",%s,\"event_type\":\"inference_step\",\"sequence_length\":%d,\"phase\":\"decode\",\"token_count\":1,\"performance\":{\"token_latency_ms\":%.3f},\"resources\":{\"process_memory_mb\":%.1f},%s}}\n",
				i / 600, i % 600 / 10, at, i, 40 + 4 * rand(), mb ? mb : 1000, about
		}
	}'
}
log ramp 5 >ramp.log
log walk 0 >walk.log

"$rwkvmon" forecast ramp.log --lang en >ramp.txt
check "a ramp is foreseen" says ramp.txt 'robust line'
check "with its limit" says ramp.txt 'limit 4,000 MiB (capacity): reached in 6 min'
"$rwkvmon" forecast ramp.log --json --limit process_memory_mb=2200 >ramp.json
check "a stated limit comes first" says ramp.json '"limit":{"value":2200,"side":"above","source":"stated","reached":false,"in_s":4[0-9]'
"$rwkvmon" forecast walk.log --json >walk.json
check "a walk is not foreseen" says walk.json '"metric":"process_memory_mb",[^}]*"state":"not_predictable"'
# A level for 160 s, then a ramp: the whole says nothing of it, its last quarter does.
log ramp 0 | awk -F'"process_memory_mb":' 'BEGIN { srand(3) } {
	if (NF == 2) { i++; sub(/^[0-9.]*/, "", $2); held = i % 20 ? held : 1000 + rand() + (i > 1600 ? (i - 1600) / 2 : 0); $0 = $1 "\"process_memory_mb\":" sprintf("%.1f", held ? held : 1000) $2 }
	print
}' >late.log
"$rwkvmon" forecast late.log --json --limit process_memory_mb=2200 >late.json
check "a ramp that began lately is foreseen by itself" says late.json '"metric":"process_memory_mb",[^}]*"state":"predicted",[^}]*"points_from":"2026-01-01T00:0[23]:'
check "with its limit" says late.json '"limit":{"value":2200,"side":"above","source":"stated","reached":false,"in_s":\(19\|20\)[0-9]\.'
"$rwkvmon" forecast late.log --lang en >late.txt
check "which the words say" says late.txt ', from the last [0-9.]* s alone: '
sed 's/"token_latency_ms":[0-9.]*},"resources":{"process_memory_mb":\([0-9.]*\)}/"token_latency_ms":40,"requests_waiting":\1},"accuracy":{"fp16_largest":\1}/' ramp.log >large.log
"$rwkvmon" forecast large.log --json --limit requests_waiting=2200 >large.json
check "fp16 has a limit" says large.json '"metric":"fp16_largest",[^}]*"state":"predicted".*"limit":{"value":65504,"side":"above","source":"capacity"'
check "a queue is foreseen" says large.json '"metric":"requests_waiting",[^}]*"state":"predicted"'
"$rwkvmon" forecast ramp.log walk.log --json >both.json
check "instances are looked at alone" says both.json '"instance":"ramp:1","state":"predicted"'
check "all of them" says both.json '"metric":"process_memory_mb","unit":"MiB","instance":"walk:1","state":"not_predictable"'

sed 's/T00:/T01:/; s/ramp-1/ramp-2/; s/"ramp:1"/"ramp:2"/' ramp.log >again.log
"$rwkvmon" forecast ramp.log again.log --json >again.json
check "a process that was started again keeps its limits" says again.json '"metric":"process_memory_mb","unit":"MiB","instance":"ramp:2","state":"predicted".*"limit":{"value":4000'

for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do head -20 walk.log | sed "s/walk/other$i/" >"other$i.log"; done
"$rwkvmon" forecast other*.log ramp.log --json >twenty.json
check "every instance that has a series is looked at" says twenty.json '"instance":"ramp:1","state":"predicted"'
check "then none is left out" says twenty.json '"instances_left_out":0'

# Two GPUs of 24 GiB, of which the second fills by 2 MiB a step; the session tells one's memory.
awk 'BEGIN {
	about = "\"metadata\":{\"model_name\":\"m\",\"strategy\":\"cuda:0 fp16 *9 -> cuda:1 fp16\""
	printf "{\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"session_id\":\"s\",\"event_type\":\"session_start\",%s,\"vram_total_mb\":24576}}\n", about
	for (i = 1; i < 2000; i++)
		printf "{\"timestamp\":\"2026-01-01T00:%02d:%06.3fZ\",\"session_id\":\"s\",\"event_type\":\"inference_step\",\"sequence_length\":%d,\"phase\":\"decode\",\"token_count\":1,\"resources\":{\"vram_used_mb\":%d,\"gpus\":[{\"device\":\"cuda:0\",\"vram_used_mb\":16000,\"vram_total_mb\":24576},{\"device\":\"cuda:1\",\"vram_used_mb\":%d,\"vram_total_mb\":24576}]},%s}}\n",
			i / 600, i % 600 / 10, i, 33000 + 2 * i, 17000 + 2 * i, about
}' >gpus.log
"$rwkvmon" forecast gpus.log --lang en >gpus.txt
check "the fullest GPU is named" says gpus.txt 'Fullest GPU (cuda:1)'
check "its limit is foreseen" says gpus.txt 'limit 95 % (from a rule): reached in'
"$rwkvmon" forecast gpus.log --json >gpus.json
check "the sum of the GPUs has no limit" says gpus.json '"metric":"vram_used_mb",.*"device":null,"limit":null,.*"metric":"vram_fullest_pct",.*"device":"cuda:1"'
"$rwkvmon" rules replay default gpus.log --json >gpus.alarms
sum_judged() { grep -q '"alarm_type":"high_vram_usage"' gpus.alarms; }
sum_is_not_judged() { grep -q '"alarms":' gpus.alarms && ! sum_judged; }
check "nor is it held against one GPU's memory" sum_is_not_judged

"$rwkvmon" analyze ramp.log --format html -q -o ramp.html
"$rwkvmon" analyze walk.log --format html -q -o walk.html
check "the page has a panel" says ramp.html 'id="forecast"'
refuses() { ! grep -q 'id="forecast"' walk.html; }
check "and none when nothing can be told" refuses
sampler() { # SETTINGS
	sed "1s/\"host\":/\"sampler\":{$1},&/" walk.log >sampler.log
	"$rwkvmon" forecast sampler.log --lang en
}
loops() { sampler "$1" | grep -q 'Expect loops: '; }
calm() { ! loops "$1"; }
check "a cold sampler without penalties loops" loops '"temperature":0.05,"top_k":0,"alpha_frequency":0'
check "so does one that takes the likeliest token" loops '"temperature":1,"top_k":1'
check "not with a penalty" calm '"temperature":0,"alpha_frequency":0.2'
check "not when warmer" calm '"temperature":0.3,"top_k":0'
check "not when nothing is known" calm ''
sampler '"temperature":0' >/dev/null
"$rwkvmon" forecast sampler.log --json >sampler.json
check "JSON says so too" says sampler.json '"loop_risk":\[{"instance":"walk:1","model_name":"m","strategy":"cpu fp32","temperature":0,'
check "and else is empty" says walk.json '"loop_risk":\[\]'
"$rwkvmon" forecast ramp.log --json --limit process_memory_mb=2200,quant_kl_nats=1 >none.json 2>none
[ $? = 3 ] || { failed=$((failed + 1)); echo "FAILED: a limit of a metric that the log lacks is no success"; }
check "it is named" says none 'nothing can be predicted about quant_kl_nats: the log has no quant_kl_nats'
check "the others are forecast" says none.json '"limit":{"value":2200'
"$rwkvmon" forecast ramp.log --limit nothing=3 2>bad
[ $? = 2 ] || { failed=$((failed + 1)); echo "FAILED: a bad limit is refused"; }
check "and said why" says bad 'found "nothing", which is no metric'

finish
