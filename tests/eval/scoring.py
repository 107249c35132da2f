"""What the judges share: Wilson intervals, running rwkvmon, tables."""
import json
import math
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RWKVMON = os.environ.get("RWKVMON", os.path.join(ROOT, "build", "rwkvmon"))
SHARED = os.environ.get("RWKVMON_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))


def wilson(right, n, z=1.96):
    """The 95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    p = right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share(right, n):
    if n == 0:
        return "none"
    low, high = wilson(right, n)
    return "%d/%d = %.1f %% [%.1f, %.1f]" % (right, n, 100 * right / n, 100 * low, 100 * high)


def poisson(count, exposure):
    """Rate and its 95 % interval per unit of exposure (Byar's approximation)."""
    if exposure <= 0:
        return "none"

    def limit(k, z):
        return k * (1 - 1 / (9 * k) + z / (3 * math.sqrt(k))) ** 3 if k > 0 else 0.0
    low, high = limit(count, -1.96), limit(count + 1, 1.96)
    return "%.3f [%.3f, %.3f] (%d in %.1f)" % (count / exposure, low / exposure, high / exposure, count, exposure)


class Targets:
    """What is to be reached: each one that is missed is named at the end, and with --fail it is the exit code."""

    def __init__(self):
        self.missed = []

    def reach(self, what, is_reached):
        if not is_reached:
            self.missed.append(what)

    def end(self, fail):
        for what in self.missed:
            print("MISSED: " + what)
        return 1 if fail and self.missed else 0


def rwkvmon(*arguments, timeout=300, **more):
    """Runs it; returns (exit code, output, errors)."""
    done = subprocess.run([RWKVMON, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **more)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def needed(*arguments):
    """The JSON it prints; ends the evaluation where there is none: silence is no good answer."""
    told = answer(*arguments)
    if "error" in told:
        sys.exit("FAILED: rwkvmon %s: %s" % (" ".join(arguments), told["error"]))
    return told


def answer(*arguments):
    """The JSON it prints, or {"error": …}."""
    try:
        code, out, err = rwkvmon(*arguments)
        return json.loads(out)
    except (json.JSONDecodeError, subprocess.TimeoutExpired) as e:
        text = err.strip() if isinstance(e, json.JSONDecodeError) else str(e)
        return {"error": text[-300:] or "exit code %s without output" % code}
