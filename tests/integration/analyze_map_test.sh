#!/bin/sh
# A log in another program's form, read through a mapping file, has the analysis of the same log in ours.
# Usage: analyze_map_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
bad=0
fail() {
	echo "FAIL: $1"
	bad=1
}

cat >"$dir/map.yaml" <<'END'
timestamp: { path: when.ms, format: epoch_ms }
event_type: { path: msg, words: { done: inference_step, lost: gap } }
session_id: client
model_name: { value: m }
strategy: { value: cpu }
sequence_length: at
token_count: n
phase: { path: stage, words: { prompt: prefill, more: decode } }
token_latency_ms: { path: t.seconds, scale: 1000 }
throughput_tps: rate
logits_entropy: { path: deep.er.entropy }
state_similarity: { path: similar_pct, scale: 0.01 }
END
python3 - "$dir" <<'END' || exit 1
import json, random, sys
from decimal import Decimal
rng = random.Random(11)
ours, theirs = open(sys.argv[1] + "/ours.log", "w"), open(sys.argv[1] + "/theirs.log", "w")
class Number(float):  # written as it was made, so that both logs hold the same decimals
    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number
    def __repr__(self):
        return self.text
ms = 1757594096789
for i in range(20000):
    ms += rng.randrange(60)
    client, latency = "c%d" % rng.randrange(5), Decimal(rng.randrange(20000, 90000)) / 1000
    rate, entropy = Decimal(rng.randrange(3000, 20000)) / 100, Decimal(rng.randrange(500, 90000)) / 10000
    similar = Decimal(rng.randrange(500000, 1000001)) / 1000000
    stage = rng.choice(["prefill", "decode"])
    seconds = ms // 1000
    stamp = "2025-09-11T%02d:%02d:%02d.%03dZ" % ((seconds // 3600) % 24, seconds // 60 % 60, seconds % 60, ms % 1000)
    ours.write(json.dumps({"timestamp": stamp, "session_id": client, "event_type": "inference_step", "sequence_length": i,
        "performance": {"token_latency_ms": Number(str(latency)), "throughput_tps": Number(str(rate))},
        "accuracy": {"logits_entropy": Number(str(entropy)), "state_similarity": Number(str(similar))},
        "metadata": {"model_name": "m", "strategy": "cpu"}, "phase": stage, "token_count": 3}) + "\n")
    theirs.write(json.dumps({"msg": "done", "rate": str(rate) if i % 3 else Number(str(rate)),
        "when": {"ms": ms}, "client": client, "at": i, "n": 3, "stage": {"prefill": "prompt", "decode": "more"}[stage],
        "t": {"seconds": Number(format(latency / 1000, "f"))}, "deep": {"er": {"entropy": Number(str(entropy))}},
        "similar_pct": Number(format(similar * 100, "f")), "timestamp": "never"}) + "\n")
    if i % 1000 == 999:
        ours.write("{}\n")
        theirs.write('{"msg":"other","when":{"ms":%d}}\n' % ms)
END
for threads in 1 3; do
	"$rwkvmon" analyze --format json --threads $threads "$dir/ours.log" >"$dir/ours.json" || fail "ours is not read"
	"$rwkvmon" analyze --format json --threads $threads --map "$dir/map.yaml" "$dir/theirs.log" >"$dir/theirs.json" || fail "theirs is not read"
	python3 - "$dir/ours.json" "$dir/theirs.json" <<'END' || fail "the analyses differ with $threads threads"
import json, sys
a, b = (json.load(open(path)) for path in sys.argv[1:])
for found in a, b:
    found["input"].pop("files"), found["input"].pop("bytes")
    for skipped in found["input"]["skipped"]:
        skipped.pop("file")
if a["input"]["records"] != 20000 or a["input"]["skipped_lines"] != 20:
    sys.exit("the log is not what it should be: %s" % a["input"])
for key in sorted(set(a) | set(b)):
    if a.get(key) != b.get(key):
        sys.exit("%s: %.300s\n%.300s" % (key, a.get(key), b.get(key)))
END
done

got=$("$rwkvmon" analyze --format json --map "$root/examples/http-server.yaml" "$root/examples/http-server.log") || fail "the example is not read"
case $got in
*'"records":120,"skipped_lines":3,'*) ;;
*) fail "the example: $got" ;;
esac
"$rwkvmon" analyze --map "$dir/map.yaml" "$dir/ours.log" >"$dir/out" 2>"$dir/err"
[ $? -eq 3 ] && grep -q 'mapping file must name' "$dir/err" || fail "a mapping for another log: $(cat "$dir/err")"
printf 'timestamp: t\ntoken_latency: x\n' >"$dir/bad.yaml"
"$rwkvmon" analyze --map "$dir/bad.yaml" "$dir/theirs.log" >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] && grep -q 'bad.yaml:2:1: found "token_latency"' "$dir/err" && grep -q 'did you mean "token_latency_ms"' "$dir/err" ||
	fail "a bad mapping file: $(cat "$dir/err")"
printf 'timestamp: t\ntoken_latency_ms: x\nlogits_entropy: nosuch\nphase: { path: p, words: { generate: decode } }\n' >"$dir/part.yaml"
for i in 1 2 3 4; do echo "{\"t\":\"2026-03-01T12:00:0$i.5Z\",\"x\":$i,\"p\":\"gen\"}"; done >"$dir/part.log"
"$rwkvmon" analyze --map "$dir/part.yaml" "$dir/part.log" >"$dir/out" 2>"$dir/err" || fail "a map that fits in part: $(cat "$dir/err")"
grep -q 'part.yaml: logits_entropy has no values: no line has "nosuch"' "$dir/err" && grep -q 'part.yaml: phase has no values: .*"p" is not what it takes' "$dir/err" &&
	[ "$(wc -l <"$dir/err")" -eq 2 ] || fail "paths without a value: $(cat "$dir/err")"
exit $bad
