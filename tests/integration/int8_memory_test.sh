#!/bin/sh
# Weights that were brought into another form while loading do not stay in memory beside it: int8 of a file in fp32 takes less
# than the file.
#     int8_memory_test.sh BUILD_DIR
set -u
rwkvmon=$(cd "$1" && pwd)/rwkvmon
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
"$here/make_model.py" 256 model.safetensors 512 || exit 1 # 14 MB
python3 - "$rwkvmon" <<'PY'
import subprocess, sys, time


def peak_mb(strategy):
    """The most memory that a run had at any time, MiB: its loading, after which tokens follow for a while."""
    child = subprocess.Popen([sys.argv[1], "run", "--model", "model.safetensors", "--strategy", strategy, "--prompt", "hi", "--tokens", "100",
                              "--quiet", "--log", "none"], stdout=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        with open("/proc/%d/status" % child.pid) as status:
            most = max([most] + [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:")])
        time.sleep(0.002)
    assert child.returncode == 0 and most, strategy
    return most


whole, int8 = peak_mb("cpu fp32"), peak_mb("cpu fp32i8")
print("fp32 %.1f MiB, int8 of it %.1f MiB" % (whole, int8))
assert int8 < whole, "the file's weights stay in memory beside their int8 form"
PY
