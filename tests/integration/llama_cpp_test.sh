#!/bin/sh
# A program for llama.cpp with and without the preloaded adapter. Needs a real libllama: cmake -DRWKVMON_LLAMA=DIR.
#     llama_cpp_test.sh BUILD_DIR
set -u
build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
adapter=$build/adapters/librwkvmon_llama.so
program=$build/tests/llama_program
[ -e "$adapter" ] && [ -x "$program" ] ||
	{ echo "SKIPPED: llama.cpp: no llama.h and libllama (configure with -DRWKVMON_LLAMA=DIR)"; exit 77; }
"$build/packages/bin/python" -c 'import gguf' 2>/dev/null ||
	{ echo "SKIPPED: llama.cpp: no package gguf to write the model with (run tools/test-packages)"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
passed=0
check() { # NAME COMMAND...
	name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name"; sed 's/^/    /' "$dir/out"; fi
}
"$build/packages/bin/python" "$root/tests/packages/write_gguf.py" F32 "$root/models/tiny-rwkv7.safetensors" "$dir/m.gguf" "$dir/m.safetensors" || exit 1
check "alone" "$program" "$dir/m.gguf" "$dir/alone"
check "watched" env LD_PRELOAD="$adapter" RWKVMON_QUIET=1 RWKVMON_BUDGET_PCT=-1 RWKVMON_LOG="$dir/m.log" "$program" "$dir/m.gguf" "$dir/watched"
check "the logits are the same" cmp "$dir/alone" "$dir/watched"
tokens=$(awk 'BEGIN { for (i = 0; i < 200; i++) printf "%s%d", i ? "," : "", 32 + i * 7 % 90 }')
check "eval" "$build/rwkvmon" eval --model "$dir/m.safetensors" --tokens "$tokens" --json
cp "$dir/out" "$dir/eval.json"
check "the log" python3 - "$dir" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1] + "/m.log")]
steps = [r for r in rows if r["event_type"] == "inference_step"]
want = json.load(open(sys.argv[1] + "/eval.json"))["tokens"]
assert len(steps) == 2 * 181, len(steps)
assert [s["sequence"] for s in steps] == [0] * 181 + [1] * 181
assert steps[0]["token_count"] == 20 and steps[0]["phase"] == "prefill" and steps[1]["phase"] == "decode"
assert steps[180]["sequence_length"] == 200
worst = max(abs(s["accuracy"]["logits_entropy"] - w["logits_entropy"]) for s, w in zip(steps, want[19:]))
assert worst < 1e-3, worst
seen = [(s, w) for s, w in zip(steps, want[19:]) if "state_similarity" in s["accuracy"] and s["token_count"] == 1]
assert seen, "the state was never compared"
for key in ("state_similarity", "state_similarity_shift", "state_similarity_wkv", "state_change"):
    worst = max(abs(s["accuracy"][key] - w[key]) for s, w in seen)
    assert worst < 1e-4, (key, worst)
drift = [s for s in steps if "state_drift" in s["accuracy"]]
assert [s["sequence_length"] for s in drift] == [100, 200] * 2, [s["sequence_length"] for s in drift]
assert [s["accuracy"]["state_drift"] for s in drift[:2]] == [s["accuracy"]["state_drift"] for s in drift[2:]]
assert all(0 < s["accuracy"]["state_drift"] < 2 for s in drift)
start = next(r for r in rows if r["event_type"] == "session_start")["metadata"]
assert start["model_version"] == "7" and start["vocab_size"] == 256 and start["runtime"]["name"] == "llama.cpp", start
assert all("token_latency_ms" in s["performance"] for s in steps)
print(len(seen), "of", len(steps), "calls with the state")
PY
sed 's/^/    /' "$dir/out"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
