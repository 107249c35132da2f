#!/bin/sh
# What monitoring costs: the same tokens with and without, in turns.
#     overhead_bench.sh BUILD_DIR [PAIRS [TOKENS]]
# First at the shape of 0.1B (random bf16 weights, 382 MB in a temporary directory), within one process; then the
# tiny embedded model, program by program. CPU seconds of the whole process, so that others on the machine matter little.
set -eu
rwkvmon=$1/rwkvmon pairs=${2:-15} tokens=${3:-4000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ -x "$1/bench/overhead_bench" ]; then
	"$1/bench/runtime_bench" --bf16 --write "$dir/0.1B.safetensors"
	"$1/bench/overhead_bench" "$dir/0.1B.safetensors"
	rm "$dir/0.1B.safetensors"
fi
RWKVMON=$rwkvmon DIR=$dir PAIRS=$pairs TOKENS=$tokens python3 - <<'PY'
import json, os, resource, statistics, subprocess

rwkvmon, where = os.environ["RWKVMON"], os.environ["DIR"]
pairs, tokens = int(os.environ["PAIRS"]), os.environ["TOKENS"]


def run(*extra):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([rwkvmon, "run", "--prompt", "It was", "--tokens", tokens, "--seed", "1", "--json", "--quiet", *extra],
                         check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(out)


rows, own, call = [], [], []
for i in range(pairs):
    log = os.path.join(where, f"{i}.log")
    if i % 2:
        off, _ = run("--unwatched")
        on, said = run("--log", log)
    else:
        on, said = run("--log", log)
        off, _ = run("--unwatched")
    rows.append(on / off)
    own.append(said["overhead_seconds"] / said["records"] * 1e6)
    call.append(said["decode_seconds"] / said["tokens"] * 1e6)
rows.sort()
print(f"collector: {statistics.median(own):.2f} us per forward call of {statistics.median(call):.1f} us "
      f"({100 * statistics.median(own) / statistics.median(call):.2f} %), on the inference thread")
print(f"           whole process, watched / unwatched CPU time: median {statistics.median(rows):.3f}, "
      f"middle half {rows[pairs // 4]:.3f} to {rows[-1 - pairs // 4]:.3f} ({pairs} pairs of {tokens} tokens)")
PY
