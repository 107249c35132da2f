#!/bin/sh
# A program for rwkv.cpp with our drop-in, and with the shim in front of it. The real library: tools/test-adapters.
#     rwkv_cpp_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
model=$root/models/tiny-rwkv7.safetensors
program=$build/tests/rwkv_cpp_program
dropin=$build/adapters/dropin
shim=$build/adapters/shim
cd "$dir" || exit 1
tokens=$(awk 'BEGIN { for (i = 0; i < 120; i++) printf "%s%d", i ? "," : "", 32 + i * 7 % 90 }')

check "the drop-in" env LD_LIBRARY_PATH="$dropin" "$program" "$model" dropin.logits
check "eval" "$build/rwkvmon" eval --model "$model" --tokens "$tokens" --all-logits --logits-out eval.logits
check "the drop-in's logits are those of eval" cmp dropin.logits eval.logits
exports_rwkv_alone() { # LIBRARY: some names, all of them the adapter's
	nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' >names
	[ -s names ] && ! grep -v '^rwkv_' names
}
check "exports of the drop-in" exports_rwkv_alone "$dropin/librwkv.so"
check "exports of the shim" exports_rwkv_alone "$shim/librwkv.so"

watched() { LD_LIBRARY_PATH="$shim" RWKVMON_ALARMS_TO_STDERR=0 RWKVMON_OVERHEAD_BUDGET_PCT=-1 "$@"; }
check "the shim" watched env RWKVMON_RWKV_LIBRARY="$dropin/librwkv.so" RWKVMON_LOG="{session}.log" "$program" "$model" shim.logits
check "it changes no logits" cmp shim.logits eval.logits
check "a log per context" [ "$(ls rwkv-sess-*.log | wc -l)" = 2 ]
check "the log of the first context" python3 - "$model" <<'PY'
import glob, json, subprocess, sys
logs = [[json.loads(line) for line in open(name)] for name in glob.glob("rwkv-sess-*.log")]
first, clone = sorted(logs, key=lambda l: -sum(r["event_type"] == "inference_step" for r in l))
steps = [r for r in first if r["event_type"] == "inference_step"]
assert len(steps) == 120, len(steps)
assert all(s["sequence"] == 0 and s["phase"] == ("decode" if i else "prefill") and s["sequence_length"] == i + 1 for i, s in enumerate(steps))
assert all("logits_entropy" in s["accuracy"] for s in steps)
assert all(0 <= s["accuracy"]["state_similarity"] <= 1 and "state_similarity_wkv" in s["accuracy"] for s in steps[1:])
assert [s["sequence_length"] for s in steps if 0 < s["accuracy"].get("state_drift", 0) < 2] == [100]
start = next(r for r in first if r["event_type"] == "session_start")["metadata"]
assert start["model_name"] == "tiny-rwkv7" and start["vocab_size"] == 256 and start["model_bytes"] > 3e6, start
steps = [r for r in clone if r["event_type"] == "inference_step"]
assert [s["token_count"] for s in steps] == [120] * 15 and len({s["session_id"] for s in steps}) == 15, steps
assert all(s["phase"] == "prefill" for s in steps)
PY
check "entropies are those of eval" sh -c "
	'$build/rwkvmon' eval --model '$model' --tokens '$tokens' --json >eval.json
	python3 - <<'PY'
import glob, json
want = json.load(open('eval.json'))
logs = ([json.loads(x) for x in open(n)] for n in glob.glob('rwkv-sess-*.log'))
steps = max(([r for r in log if r['event_type'] == 'inference_step'] for log in logs), key=len)  # a busy machine's alarms are others
rows = want['tokens']
for s, w in zip(steps, rows):
    assert abs(s['accuracy']['logits_entropy'] - w['logits_entropy']) < 1e-3, (s, w)
PY"
check "half-lives are those of run" sh -c "
	awk 'BEGIN { for (i = 0; i < 100; i++) printf \"%c\", 32 + i * 7 % 90 }' >hundred
	'$build/rwkvmon' run --model '$model' --prompt-file hundred --tokens 1 --log run.log >/dev/null 2>&1
	python3 - <<'PY'
import glob, json
def half_lives(name):
    steps = [r for r in map(json.loads, open(name)) if r['event_type'] == 'inference_step']
    return [(s['sequence_length'], s['accuracy']['decay_half_life_tokens']) for s in steps if 'decay_half_life_tokens' in s['accuracy']]
(at, shim), = max((half_lives(n) for n in glob.glob('rwkv-sess-*.log')), key=len)
(length, run), = half_lives('run.log')
assert at == length == 100 and all(abs(shim[p] - run[p]) <= 0.02 for p in ('p5', 'p50', 'p95')), (at, shim, length, run)
PY"
chats() { # LOG N WAY [ONLY]
	log=$1
	shift
	watched env RWKVMON_RWKV_LIBRARY="$dropin/librwkv.so" RWKVMON_LOG="$log" RWKVMON_LOG_TOKENS=1 "$build/tests/rwkv_cpp_chats" "$model" "$@"
}
for i in 0 1 2 3 4 5 6 7; do
	for way in kept bytes cached; do
		check "conversation $i alone, $way" chats "alone-$way-$i.log" 1 $way $i
	done
done
for n in 2 8; do
	for way in kept copied initial bytes random bursts cached; do
		check "$n that share a context: $way" chats "$way-$n.log" $n $way
	done
done
check "one that goes back" chats back.log 1 back
check "one whose calls fail now and then" chats failing.log 1 failing
check "three that begin alike, each in its own buffer" chats alike.log 3 alike
check "are known" sh -c "
	! grep -q branch_candidates alike.log && [ \$(grep -c session_start alike.log) = 3 ] && [ \$(grep -c '\"sequence_length\":60,' alike.log) = 3 ]"
check "three that begin alike, in and out of one buffer" chats copies.log 3 alike,copied
check "are branches of which the log is not sure" sh -c "
	[ \$(grep -c '\"branch_candidates\":3' copies.log) = 3 ] && [ \$(grep -c '\"sequence_length\":60,' copies.log) = 3 ]"
check "each is a session of its own, with the numbers that it has alone" python3 - <<'PY'
import json
def steps(log):
    return [r for r in map(json.loads, open(log)) if r["event_type"] == "inference_step"]
def number(step):
    return (step["tokens"][0] - 32) // 20
def numbers(step):
    own = {k: v for k, v in step["accuracy"].items() if k != "decay_half_life_tokens"}  # of the model, at one token in 100 of all together
    return step["sequence_length"], step["phase"], own
def of(log, i):
    return [s for s in steps(log) if number(s) == i]
def first_of_branch(alone):  # the logits that the prompt left are not given again
    return [(n, p, {k: v for k, v in a.items() if k != "surprisal_nats"}) for n, p, a in alone[:1]] + alone[1:]
for n in 2, 8:
    for way in "kept", "copied", "initial", "bytes", "random", "bursts", "cached":
        sessions = set()
        for i in range(n):
            alone = [numbers(s) for s in of(f"alone-{way if way in ('bytes', 'cached') else 'kept'}-{i}.log", i)]
            together = of(f"{way}-{n}.log", i)
            want = first_of_branch(alone) if way == "cached" and i else alone
            assert len(alone) >= 50 and "state_similarity" in alone[1][2] and "surprisal_nats" in alone[1][2]
            assert [numbers(s) for s in together] == want, (way, n, i)
            assert len({s["session_id"] for s in together}) == 1, (way, n, i)
            assert {s["sequence"] for s in together} == {0}
            sessions |= {s["session_id"] for s in together}
        assert len(sessions) == n, (way, n, sessions)
alone = [numbers(s) for s in of("alone-kept-0.log", 0)]
assert [numbers(s) for s in of("failing.log", 0)] == alone  # what failed is nobody's
assert len({s["session_id"] for s in steps("failing.log")}) == 1
back = steps("back.log")
assert [numbers(s) for s in back[:51]] == alone and [numbers(s) for s in back[51:]] == first_of_branch(alone[1:])
assert [len({s["session_id"] for s in some}) for some in (back[:51], back[51:], back)] == [1, 1, 2]
PY
check "analyze reads it" sh -c "'$build/rwkvmon' analyze rwkv-sess-*.log --format json | grep -q '\"records\"'"

# Settings that no adapter knows of arrive all the same.
real() { watched env RWKVMON_RWKV_LIBRARY="$dropin/librwkv.so" RWKVMON_LOG=none "$@" "$program" "$model" z.logits; }
check "numbers for Prometheus" real RWKVMON_METRICS_TEXTFILE=m.prom RWKVMON_INSTANCE=here RWKVMON_MODEL_NAME=mine
check "are those of the run" grep -q '^rwkv_tokens_total{instance="here",model="mine",backend="rwkv.cpp",phase="decode"} 119$' m.prom
cat >always.yaml <<'YAML'
rules: [{alarm: high_latency, metric: token_latency_ms, above: 0, warmup: 5}]
YAML
check "receivers of alarms" real RWKVMON_RULES=always.yaml RWKVMON_ALARM_TO="file+one.jsonl
file+two.jsonl"
check "each has them" sh -c "grep -q high_latency one.jsonl && grep -q high_latency two.jsonl"
scraped() { # by a program that asks while it runs
	env LD_LIBRARY_PATH="$shim:$build" RWKVMON_RWKV_LIBRARY="$dropin/librwkv.so" RWKVMON_LOG=none \
	RWKVMON_LISTEN=127.0.0.1:0 RWKVMON_MODEL_NAME=scraped RWKVMON_ALARMS_TO_STDERR=0 python3 - "$shim/librwkv.so" "$model" <<'PY'
import ctypes, os, re, sys, tempfile, time, urllib.request
rwkv = ctypes.CDLL(sys.argv[1])
rwkv.rwkv_init_from_file.restype = ctypes.c_void_p
rwkv.rwkv_get_state_len.restype = rwkv.rwkv_get_logits_len.restype = ctypes.c_size_t
said = tempfile.TemporaryFile()
stderr = os.dup(2)
os.dup2(said.fileno(), 2)  # what the library says while it opens
ctx = ctypes.c_void_p(rwkv.rwkv_init_from_file(sys.argv[2].encode(), 1, 0))
os.dup2(stderr, 2)
said.seek(0)
text = said.read().decode()
url = re.search(r"http://127\.0\.0\.1:\d+/metrics", text)
assert url, text
state = (ctypes.c_float * rwkv.rwkv_get_state_len(ctx))()
logits = (ctypes.c_float * rwkv.rwkv_get_logits_len(ctx))()
for i in range(50):
    assert rwkv.rwkv_eval(ctx, 65 + i % 20, state if i else None, state, logits)
for _ in range(1200):  # the writer takes the records up ten times a second
    page = urllib.request.urlopen(url.group(), timeout=10).read().decode()
    line = [x for x in page.splitlines() if x.startswith("rwkv_tokens_total{") and 'model="scraped"' in x and 'phase="decode"' in x]
    if line and line[0].endswith(" 49"):
        break
    time.sleep(0.1)
else:
    sys.exit("no 49 decoded tokens in\n" + page)
rwkv.rwkv_free(ctx)
PY
}
if grep -q '^RWKVMON_SANITIZE:STRING=.' "$build/CMakeCache.txt"; then
	echo "SKIPPED: a program under the shim at /metrics: python cannot load a library built for a sanitizer"
else
	check "a program under the shim answers at /metrics" scraped
fi
check "an address that cannot be listened at stops nothing" sh -c "
	LD_LIBRARY_PATH='$shim' RWKVMON_RWKV_LIBRARY='$dropin/librwkv.so' RWKVMON_LOG=none RWKVMON_LISTEN=nowhere '$program' '$model' z.logits 2>said && grep -q 'not watching: .*nowhere' said"
check "nor does a value that cannot be" sh -c "
	LD_LIBRARY_PATH='$shim' RWKVMON_RWKV_LIBRARY='$dropin/librwkv.so' RWKVMON_LOG_KEEP=many '$program' '$model' z.logits 2>said && grep -q 'not watching: RWKVMON_LOG_KEEP: found \"many\"' said"

check "without the real library it says what is missing" sh -c "
	! LD_LIBRARY_PATH='$shim' '$program' '$model' x 2>said && grep -q 'RWKVMON_RWKV_LIBRARY is not set' said"
check "a library that is not there" sh -c "
	! RWKVMON_RWKV_LIBRARY=/nowhere.so LD_LIBRARY_PATH='$shim' '$program' '$model' x 2>said && grep -q '/nowhere.so' said"
check "a library that is another" sh -c "
	! RWKVMON_RWKV_LIBRARY='$build/librwkvmon.so' LD_LIBRARY_PATH='$shim' '$program' '$model' x 2>said && grep -q 'has no rwkv_' said"
check "itself" sh -c "
	! RWKVMON_RWKV_LIBRARY='$shim/librwkv.so' LD_LIBRARY_PATH='$shim' '$program' '$model' x 2>said && grep -q 'names the shim itself' said"
check "a log that cannot be written stops nothing" watched env RWKVMON_RWKV_LIBRARY="$dropin/librwkv.so" RWKVMON_LOG=/nowhere/x.log "$program" "$model" y.logits
cp err said
check "and is told" grep -q "not watching" said

# The block of docs/INTEGRATIONS.md as it is written; the drop-in stands for the real library.
mkdir -p guide/rwkv.cpp/build
ln -s "$dropin/librwkv.so" guide/rwkv.cpp/build/librwkv.so
ln -s "$build" guide/build
ln -s "$model" guide/model.bin
printf '#!/bin/sh\nexec "%s" "$1" x.logits\n' "$program" >guide/your-program
chmod +x guide/your-program
awk '/^## / { here = $0 == "## rwkv.cpp" } /^```/ { inside = here && $0 == "```sh"; next } inside' \
	"$here/../../docs/INTEGRATIONS.md" >guide/block.sh
check "the guide's block" sh -c "cd guide && [ -s block.sh ] && sh -eu block.sh"
check "its report" grep -q "<html lang=" guide/report.html

finish
