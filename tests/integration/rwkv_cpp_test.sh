#!/bin/sh
# A program for rwkv.cpp with our drop-in, and with the proxy in front of it. The real library: tools/test-adapters.
#     rwkv_cpp_test.sh BUILD_DIR
set -u
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
model=$here/../../models/tiny-rwkv7.safetensors
program=$build/tests/rwkv_cpp_program
dropin=$build/adapters/dropin
proxy=$build/adapters/proxy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
passed=0
failed=0
check() { # NAME COMMAND...
	name=$1
	shift
	if "$@" >out 2>err; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name"; sed 's/^/    /' err out; fi
}
tokens=$(awk 'BEGIN { for (i = 0; i < 120; i++) printf "%s%d", i ? "," : "", 32 + i * 7 % 90 }')

check "the drop-in" env LD_LIBRARY_PATH="$dropin" "$program" "$model" dropin.logits
check "eval" "$build/rwkvmon" eval --model "$model" --tokens "$tokens" --all-logits --logits-out eval.logits
check "the drop-in's logits are those of eval" cmp dropin.logits eval.logits
check "exports of the drop-in" sh -c "nm -D --defined-only '$dropin/librwkv.so' | awk '{ sub(/@.*/, \"\", \$3); print \$3 }' | grep -v '^rwkv_' | grep . && exit 1 || exit 0"
check "exports of the proxy" sh -c "nm -D --defined-only '$proxy/librwkv.so' | awk '{ sub(/@.*/, \"\", \$3); print \$3 }' | grep -v '^rwkv_' | grep . && exit 1 || exit 0"

watched() { LD_LIBRARY_PATH="$proxy" RWKVMON_QUIET=1 RWKVMON_BUDGET_PCT=-1 "$@"; }
check "the proxy" watched env RWKVMON_RWKV_LIBRARY="$dropin/librwkv.so" RWKVMON_LOG="{session}.log" "$program" "$model" proxy.logits
check "it changes no logits" cmp proxy.logits eval.logits
check "a log per context" [ "$(ls rwkv-sess-*.log | wc -l)" = 2 ]
check "the log of the first context" python3 - "$model" <<'PY'
import glob, json, subprocess, sys
logs = [[json.loads(line) for line in open(name)] for name in glob.glob("rwkv-sess-*.log")]
first, clone = sorted(logs, key=lambda l: -sum(r["event_type"] == "inference_step" for r in l))
steps = [r for r in first if r["event_type"] == "inference_step"]
assert len(steps) == 120, len(steps)
assert all(s["sequence"] == 0 and s["phase"] == "decode" and s["sequence_length"] == i + 1 for i, s in enumerate(steps))
assert all("logits_entropy" in s["accuracy"] for s in steps)
assert all(0 <= s["accuracy"]["state_similarity"] <= 1 and "state_similarity_wkv" in s["accuracy"] for s in steps[1:])
assert [s["sequence_length"] for s in steps if 0 < s["accuracy"].get("state_drift", 0) < 2] == [100]
start = next(r for r in first if r["event_type"] == "session_start")["metadata"]
assert start["model_name"] == "tiny-rwkv7" and start["vocab_size"] == 256 and start["model_bytes"] > 3e6, start
steps = [r for r in clone if r["event_type"] == "inference_step"]
assert [s["token_count"] for s in steps] == [120] * 15 and [s["sequence"] for s in steps] == list(range(15)), steps
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
check "analyze reads it" sh -c "'$build/rwkvmon' analyze rwkv-sess-*.log --format json | grep -q '\"records\"'"

check "without the real library it says what is missing" sh -c "
	! LD_LIBRARY_PATH='$proxy' '$program' '$model' x 2>said && grep -q 'RWKVMON_RWKV_LIBRARY is not set' said"
check "a library that is not there" sh -c "
	! RWKVMON_RWKV_LIBRARY=/nowhere.so LD_LIBRARY_PATH='$proxy' '$program' '$model' x 2>said && grep -q '/nowhere.so' said"
check "a library that is another" sh -c "
	! RWKVMON_RWKV_LIBRARY='$build/librwkvmon.so' LD_LIBRARY_PATH='$proxy' '$program' '$model' x 2>said && grep -q 'has no rwkv_' said"
check "itself" sh -c "
	! RWKVMON_RWKV_LIBRARY='$proxy/librwkv.so' LD_LIBRARY_PATH='$proxy' '$program' '$model' x 2>said && grep -q 'names the proxy itself' said"
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

echo "$passed passed, $failed failed"
[ $failed = 0 ]
