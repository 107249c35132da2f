#!/bin/sh
# An LSTM is trained on logs, competes where it was not trained, learns nothing from what an alarm was about, and what is
# no model is refused.
#     forecast_train_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
source=$(pwd)
cd "$dir" || exit 1
says() { # FILE TEXT
	grep -q -- "$2" "$1" || { echo "no \"$2\" in:"; cat "$1"; return 1; }
}
refuses() { # CODE TEXT COMMAND...
	code=$1 words=$2
	shift 2
	"$@" >refused 2>&1
	rc=$?
	[ $rc = "$code" ] || { echo "exit code $rc, expected $code"; cat refused; return 1; }
	says refused "$words"
}

# 40 s of a token every 100 ms; memory fills at a rate of its own until it is swept: no line, no period.
# ALARM: from 10 s to 14 s an alarm is on and memory is that.
log() { # NUMBER [ALARM]
	awk -v n="$1" -v alarm="${2:-}" 'BEGIN {
		srand(n)
		at = "\"session_id\":\"s" n "\",\"instance\":\"h:" n "\""
		about = "\"metadata\":{\"model_name\":\"m\",\"strategy\":\"cpu fp32\"}"
		mb = 1000 + 200 * rand(); rate = 12
		for (i = 1; i < 400; i++) {
			time = sprintf("\"timestamp\":\"2026-01-01T00:00:%06.3fZ\"", i / 10)
			if (i % 4 == 0) { mb += rate * (0.8 + 0.4 * rand()); if (mb > 1200) { mb = 1000 + 20 * rand(); rate = 8 + 12 * rand() } }
			if (alarm && (i == 100 || i == 140))
				printf "{%s,%s,\"event_type\":\"%s\",\"alarm_type\":\"memory_leak\",%s}\n", time, at, (i == 100 ? "alarm" : "alarm_resolved"), about
			printf "{%s,%s,\"event_type\":\"inference_step\",\"sequence_length\":%d,\"phase\":\"decode\",\"token_count\":1,\"performance\":{\"token_latency_ms\":40},\"resources\":{\"process_memory_mb\":%.1f},%s}\n",
				time, at, i, (alarm && i >= 100 && i < 140 ? alarm * (1 + rand()) : mb), about
		}
	}'
}
mkdir logs quiet loud
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do log $i >logs/$i.log; done
log 101 >new.log
train() { "$rwkvmon" forecast --train --units 16 --rules none -q --lang en "$@"; }

train logs -o model.safetensors >told
check "who won is told" says told 'best in [1-9] of [1-9] held-out series'
train logs -o again.safetensors --json >again.json
check "the same seed, the same model" cmp model.safetensors again.safetensors
check "sessions have their parts" says again.json '"sessions":{"learned_from":12,"stopped_by":4,"judged_by":4}'
train logs -o other.safetensors --seed 2 >/dev/null
check "another seed, another model" sh -c '! cmp -s model.safetensors other.safetensors'

"$rwkvmon" forecast new.log --json >without.json
"$rwkvmon" forecast new.log --json --lstm model.safetensors >with.json
check "without it another method is told, or none" says without.json '"metric":"process_memory_mb",[^}]*"model":"[a-z_]*","lstm":"absent"'
check "with it there is" says with.json '"metric":"process_memory_mb",[^}]*"state":"predicted","model":"lstm","lstm":"competed"'
check "with a smaller error" python3 -c '
import json
def error(name):
    return next(f for f in json.load(open(name))["forecasts"] if f["metric"] == "process_memory_mb")["mean_absolute_error"]
assert 1.2 * error("with.json") < error("without.json"), (error("with.json"), error("without.json"))'
check "a metric it never learned goes on without" says with.json '"metric":"token_latency_ms",[^}]*"state":"constant",[^}]*"lstm":"other_metrics"'
for i in logs/*.log; do "$rwkvmon" forecast "$i" --json -q --lstm model.safetensors; done >each.json
check "logs that it learned from are not judged by it" [ "$(grep -c '"lstm":"learned_from_this_log"' each.json)" = 16 ]
check "and those left out are" [ "$(grep -c '"lstm":"competed"' each.json)" = 4 ]

# What an alarm was about: whatever it was, the model is the same.
for i in 1 2 3 4 5 6; do log $i 1500 >quiet/$i.log; log $i 90000 >loud/$i.log; done
train quiet -o quiet.safetensors --json >quiet.json
train loud -o loud.safetensors --json >loud.json
check "alarms are left out" says loud.json '"points_left_out":[1-9]'
check "and leave no trace" cmp quiet.safetensors loud.safetensors

# More alarms than are kept: from then on nothing is learned.
mkdir flood
for i in 1 2 3 4; do
	{ log $i | head -n 2; awk -v n=$i 'BEGIN { for (i = 0; i < 4100; i++) printf "{\"timestamp\":\"2026-01-01T00:00:00.300Z\",\"session_id\":\"s%d\",\"instance\":\"h:%d\",\"event_type\":\"alarm\",\"alarm_type\":\"memory_leak\"}\n{\"timestamp\":\"2026-01-01T00:00:00.300Z\",\"session_id\":\"s%d\",\"instance\":\"h:%d\",\"event_type\":\"alarm_resolved\",\"alarm_type\":\"memory_leak\"}\n", n, n, n, n }'; log $i | tail -n +3; } >flood/$i.log
done
check "a flood of alarms leaves nothing to learn" refuses 3 'no metric changes' train flood -o x.safetensors

check "a foreign model is refused" refuses 3 'is no forecasting model' "$rwkvmon" forecast new.log --lang en --lstm "$source/models/tiny-rwkv7.safetensors"
head -c 9000 model.safetensors >short.safetensors
check "a log is told apart" refuses 3 'new.log: is a log, not a model file' "$rwkvmon" forecast new.log --lang en --lstm new.log
check "with what makes a model" refuses 3 'make one with: rwkvmon forecast --train' "$rwkvmon" forecast new.log --lang en --lstm new.log
check "half a model is refused" refuses 3 'short.safetensors' "$rwkvmon" forecast new.log --lang en --lstm short.safetensors
{ head -c 9000 model.safetensors; printf 'XXXX'; tail -c +9005 model.safetensors; } >bad.safetensors
check "a damaged one is refused" refuses 3 'CRC-32' "$rwkvmon" forecast new.log --lang en --lstm bad.safetensors
check "no file for the model" refuses 2 'a file for the model' train logs
check "too many units" refuses 2 'found 65' "$rwkvmon" forecast --train logs -o x.safetensors --units 65
check "too few runs" refuses 3 'long enough to learn from: 1; expected 3' train new.log -o x.safetensors
mkdir short
for i in 1 2 3; do log $i | head -n 12 | sed 's/:00\.\([0-9]\)00Z/:00.00\1Z/; s/:01\.\([0-9]\)00Z/:00.01\1Z/' >short/$i.log; done # 12 ms
check "short runs are counted" refuses 3 'long enough to learn from: 0; expected 3' "$rwkvmon" forecast --train short -o x.safetensors --lang en
check "and named" says refused 'short/3.log: too short to learn from: it makes at most [0-9]* points of a metric, 24 are needed'
check "with what to do" says refused 'name logs of more runs, or of longer ones'
check "in Chinese, too" refuses 3 'short/1.log：太短，无法用于学习' "$rwkvmon" forecast --train short -o x.safetensors --lang zh
check "and nothing is written" [ ! -e x.safetensors ]

finish
