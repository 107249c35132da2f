#!/bin/sh
# What the command line sets is what the log and its file have.
#     faces_test.sh BUILD_DIR
set -u
rwkvmon=$1/rwkvmon
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
umask 022
failed=0

check() { # WHAT COMMAND...
	what=$1
	shift
	"$@" || { echo "FAILED: $what"; failed=1; }
}
run() { "$rwkvmon" run --prompt "It was" --tokens 20 --seed 1 --quiet "$@" </dev/null >text 2>said; }

run --log plain.log || cat said
check "others cannot read a log" [ "$(stat -c %a plain.log)" = 640 ]
run --log set.log --log-mode 0604 --session-id mine --instance here --model-name named --goal 20tps --strategy "cpu fp16" --chunk-len 7 \
	--rules thresholds --log-tokens --log-text --log-state-norms || cat said
check "a log's mode" [ "$(stat -c %a set.log)" = 604 ]
check "the log has what was set" python3 - <<'PY'
import json
log = [json.loads(line) for line in open("set.log")]
start = log[0]
assert (start["session_id"], start["instance"]) == ("mine", "here"), start
meta = start["metadata"]
assert (meta["model_name"], meta["strategy"], meta["chunk_len"], meta["goal"], meta["rules"]) == ("named", "cpu fp16", 7, "20tps", "thresholds"), meta
steps = [r for r in log if r["event_type"] == "inference_step"]
assert all(len(s["tokens"]) == s["token_count"] and s["text"] and s["accuracy"]["state_norms"] for s in steps), steps
PY
RWKVMON_LOG=variable.log RWKVMON_INSTANCE=there RWKVMON_STRATEGY="cpu bf16" RWKVMON_LOG_TEXT=yes RWKVMON_ALARM_TO="file+b
file+c" RWKVMON_RULES=thresholds run --instance here || cat said
check "variables stand for the options that were not given" python3 - <<'PY'
import json
log = [json.loads(line) for line in open("variable.log")]
assert log[0]["instance"] == "here" and log[0]["metadata"]["strategy"] == "cpu bf16", log[0]
assert log[0]["metadata"]["rules"] == "thresholds" and any("text" in r for r in log), log[0]
PY
RWKVMON_LOG_KEEP=many run --log x.log
check "a variable that cannot be" grep -q 'RWKVMON_LOG_KEEP: found "many"' said
check "is found before anything begins" [ ! -e x.log ]
run --log loud.log --alarms-to-stderr --rules thresholds --alarm-to file+a --log-rotate-bytes 4096 --log-keep 1 || cat said
check "rotated logs that stay" [ "$(ls loud*.log | wc -l)" = 2 ]
run --log x.log --goal fast
check "a goal that is none" grep -q -- '--goal: found "fast", expected a speed such as 20tps or 50ms' said
check "is found before anything begins" [ ! -e x.log ]
run --log x.log --log y.log
check "no option overrides an earlier one" grep -q -- "--log is given twice" said
printf 'rules: [{ name: a<b, alarm: quantization_error, metric: quant_kl_nats, above: 1 }]\n' >one.yaml
for form in text json markdown html; do
	"$rwkvmon" analyze --quiet --rules one.yaml --format $form plain.log >told.$form 2>said || cat said
	tr -s '\n ' ' ' <told.$form >line # text is wrapped
	check "a rule whose metric is not in the log is told by $form" grep -q 'b (quant.\{0,1\}_kl\|"unjudged":\[{"rule":"a[^"]*b","metric":"quant_kl' line
done
check "and escaped" grep -q 'a&lt;b' told.html
printf 'secret-of-mine\n' >token
run --log none --listen 127.0.0.1:0 --listen-token @nothing
check "a file of a secret that is not there" grep -q nothing said
exit $failed
