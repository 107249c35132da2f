#!/bin/sh
# What monitoring costs the built-in model: the same text with and without, in turns.
#     overhead_bench.sh BUILD_DIR [PAIRS [TOKENS]]
# CPU seconds of the whole process, so that other programs on the machine matter little.
set -eu
rwkvmon=$1/rwkvmon pairs=${2:-15} tokens=${3:-4000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
RWKVMON=$rwkvmon DIR=$dir PAIRS=$pairs TOKENS=$tokens exec python3 - <<'PY'
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
