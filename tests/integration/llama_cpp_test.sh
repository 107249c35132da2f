#!/bin/sh
# Programs for llama.cpp with and without the preloaded adapter: with a stand-in for its library always, and with a real
# libllama where there is one (cmake -DRWKVMON_LLAMA=DIR; tools/test-llama gets one).
#     llama_cpp_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
adapter=$build/adapters/librwkvmon_llama.so
cd "$dir" || exit 1
# A preloaded library of a sanitized build comes before the sanitizer's own.
watched() { # LOG COMMAND...
	log=$1
	shift
	LD_PRELOAD="$adapter" ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}" RWKVMON_ALARMS_TO_STDERR=0 \
		RWKVMON_OVERHEAD_BUDGET_PCT=-1 RWKVMON_LOG=$log "$@"
}

# Six conversations in four slots, and each of them alone: the same numbers, and nothing changed.
chats() { # NAME PROGRAM MODEL HOW TOLERANCE
	alone=
	check "$1 $4: without" "$2" "$3" without "$4"
	check "$1 $4: watched" watched all.log "$2" "$3" with "$4"
	check "$1 $4: the logits are the same" cmp without with
	for chat in 0 1 2 3 4 5; do
		check "$1 $4: $chat alone" watched "$chat.log" "$2" "$3" with "$4" $chat
		alone="$alone $chat.log"
	done
	check "$1 $4: each conversation" python3 "$here/llama_chats.py" all.log "$5" $alone
	rm -f ./*.log
}
chats "stand-in" "$build/tests/llama_chats" none decode 0
chats "stand-in" "$build/tests/llama_chats" none process 0
chats "older stand-in" "$build/tests/llama_chats_old" none decode 0

# A library that only its plug-in sees, in four threads with a context each.
plug=$build/tests/llama/llama_plug.so
check "a plug-in" "$build/tests/llama_host" "$plug" none plain process 4
check "a plug-in, watched" watched '{session}.log' "$build/tests/llama_host" "$plug" none seen process 4
check "says nothing" [ ! -s err ]
for i in 0 1 2 3; do check "the plug-in's logits $i" cmp plain.$i seen.$i; done
check "a log per context" [ "$(ls rwkv-sess-*.log | wc -l)" = 4 ]
check "with all records" [ "$(cat rwkv-sess-*.log | grep -v '"event_type":"alarm' | grep -c '"inference_step"')" = 1472 ]
rm -f ./*.log

# Programs that never call it hear so, once; those that a script starts do not.
told() { # COMMAND...
	watched none.log "$@" >/dev/null 2>told
}
if nm -D "$adapter" | grep -q '__[at]san_init'; then
	echo "SKIPPED: programs without llama.cpp: Python cannot load sanitized libraries"
else
	told python3 -c pass
	check "a program without llama.cpp is told that nothing was seen" grep -q 'nothing was seen: python3 has no libllama' told
	told python3 -c 'import subprocess, sys; subprocess.run([sys.executable, "-c", "pass"])'
	check "a program is told once" [ "$(grep -c 'nothing was seen' told)" = 1 ]
fi

# Functions that are looked up by name, as llama-cpp-python looks them up.
library=$build/tests/llama/libllama.so
script=$here/../adapters/llama_ctypes.py
if nm -D "$adapter" | grep -q '__[at]san_init'; then
	echo "SKIPPED: functions that are looked up by name: Python cannot load sanitized libraries"
else
	told python3 "$script" "$library"
	check "a program that looks functions up is told how" grep -q 'libllama.so is loaded; if it looks' told
	check "such a script" python3 "$script" "$library"
	cp out plain
	check "such a script, watched" env RWKVMON_LLAMA_ADAPTER="$adapter" RWKVMON_LOG=ctypes.log RWKVMON_OVERHEAD_BUDGET_PCT=-1 \
		python3 "$here/../../adapters/llama_cpp/watch_ctypes.py" "$script" "$library"
	cp out seen && cp err said
	check "says the same" cmp plain seen
	check "and nothing else" [ ! -s said ]
	check "its log" [ "$(grep -c '"inference_step"' ctypes.log)/$(grep -c '"sequence":1' ctypes.log)" = 12/6 ]
	check "a module" env PYTHONPATH="$(dirname "$script")" RWKVMON_LLAMA_ADAPTER="$adapter" RWKVMON_LOG=module.log \
		RWKVMON_OVERHEAD_BUDGET_PCT=-1 python3 "$here/../../adapters/llama_cpp/watch_ctypes.py" -m llama_ctypes "$library"
	cp out seen
	check "says the same, too" cmp plain seen
	check "and is watched" [ "$(grep -c '"inference_step"' module.log)" = 12 ]
	printf 'import os, signal\nassert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\nos.kill(os.getpid(), signal.SIGTERM)\n' >ended.py
	RWKVMON_LLAMA_ADAPTER=$adapter RWKVMON_LOG=none python3 "$here/../../adapters/llama_cpp/watch_ctypes.py" ended.py 2>told
	check "a script that SIGTERM ends is ended by it" [ $? = 143 ]
	check "and told" [ "$(grep -c 'nothing was seen: SIGTERM' told)" = 1 ]
	check "without the adapter" sh -c "RWKVMON_LLAMA_ADAPTER=/nowhere python3 '$here/../../adapters/llama_cpp/watch_ctypes.py' x 2>&1 | grep -q 'no librwkvmon_llama.so at /nowhere'"
fi
rm -f ctypes.log module.log
check "no log" [ ! -e none.log ]

# The real thing.
if [ ! -x "$build/tests/llama_chats_real" ]; then
	echo "SKIPPED: a real llama.cpp: configure with -DRWKVMON_LLAMA=DIR (tools/test-llama gets one)"
elif ! "$build/packages/bin/python" -c 'import gguf' 2>/dev/null; then
	echo "SKIPPED: a real llama.cpp: no package gguf to write the model with (run tools/test-packages)"
else
	"$build/packages/bin/python" "$root/tests/packages/write_gguf.py" F32 "$root/models/tiny-rwkv7.safetensors" m.gguf m.safetensors || exit 1
	chats "llama.cpp" "$build/tests/llama_chats_real" m.gguf decode 2e-3
	nm -D "$build/tests/llama_chats_real" | grep -q llama_process && chats "llama.cpp" "$build/tests/llama_chats_real" m.gguf process 2e-3
	program=$build/tests/llama_program_real
	check "alone" "$program" m.gguf alone
	check "watched" watched m.log "$program" m.gguf with
	check "the logits are the same" cmp alone with
	tokens=$(awk 'BEGIN { for (i = 0; i < 200; i++) printf "%s%d", i ? "," : "", 32 + i * 7 % 90 }')
	check "eval" "$build/rwkvmon" eval --model m.safetensors --tokens "$tokens" --json
	cp out eval.json
	check "the log" python3 - <<'PY'
import json
rows = [json.loads(line) for line in open("m.log")]
steps = [r for r in rows if r["event_type"] == "inference_step"]
want = json.load(open("eval.json"))["tokens"]
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
	sed 's/^/    /' out
fi
finish
