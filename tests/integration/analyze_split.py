"""Splits logs in many ways, reads them with many numbers of threads, and wants one answer.

  analyze_split.py RWKVMON DIRECTORY LOG
  analyze_split.py RWKVMON DIRECTORY --sets      logs of its own; every instruction set and several threads, to the byte
"""
import gzip
import json
import os
import random
import subprocess
import sys

STEP_US = 35_000
FEWER = "RWKVMON_FEWER" in os.environ  # under a sanitizer


def stamp(us):
    seconds, rest = divmod(us, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return "2025-09-11T%02d:%02d:%02d.%06dZ" % (minutes // 60 % 24, minutes % 60, second, rest)


def make_ordered(path):
    """A log whose findings depend on order: windows, overlays that begin with session_start, gaps, alarms, and more
    sessions than keep a series of their own."""
    rng = random.Random(7)
    with open(path, "w", encoding="utf-8") as out:
        def line(record):
            out.write(json.dumps(record, separators=(",", ":")) + "\n")

        for i in range(8000 if FEWER else 30000):
            session = min(int(rng.expovariate(0.1)), 60)
            common = {"timestamp": stamp(12 * 3_600_000_000 + i * STEP_US), "session_id": "s-%d" % session}
            if i % 700 == 350:
                line({**common, "event_type": "session_start", "instance": "host:%d" % (session % 3),
                      "metadata": {"model_name": "m%d" % (session % 2), "strategy": "cpu", "chunk_len": 64,
                                   "vocab_size": 256 if session % 3 == 0 else 65536, "vram_total_mb": 8000 + session}})
            if i % 900 == 1:
                line({**common, "event_type": "gap", "dropped": i % 7, "reason": "full"})
            if i % 800 == 2:
                line({**common, "event_type": "alarm", "alarm_type": "high_latency", "severity": "warning"})
            slow = 3 if i // 2000 % 3 == 1 else 1
            step = {**common, "event_type": "inference_step", "sequence_length": 1 + i % 300,
                    "performance": {"token_latency_ms": round(rng.lognormvariate(3.3, 0.4) * slow, 3),
                                    "throughput_tps": round(max(0, rng.gauss(120 / slow, 40)), 2),
                                    "chunk_process_time_ms": round(rng.uniform(20, 260), 3)},
                    "resources": {"vram_used_mb": round(7000 + 900 * slow * rng.random(), 1)},
                    "accuracy": {"logits_entropy": rng.gauss(3, 1.5) if session == 4 else round(abs(rng.gauss(3, 1.5)), 4),
                                 "token_repetition_pct": rng.randrange(90),
                                 "state_similarity": round(min(1, rng.gauss(0.93, 0.05)), 6)},
                    "metadata": {"model_name": "m%d" % (session % 2), "strategy": "cpu", "chunk_len": 64},
                    "sequence": i // 300, "phase": "prefill" if i % 20 == 0 else "decode",
                    "token_count": 64 if i % 20 == 0 else 1}
            if i % 211 == 0:
                step["accuracy"]["logits_entropy"] = float("nan")
            if i % 150 == 7:
                out.write("no record\n")
            line(step)


def make_form(path, form, alive, lines):
    """Lines as some writer has them, of so many sessions alive at a time, which end and make room for others."""
    rng = random.Random(alive)
    number = (lambda value, digits: value) if form == "floats" else round
    begun = alive
    session = list(range(alive))
    with open(path, "w", encoding="utf-8") as out:
        for i in range(lines):
            k = rng.randrange(alive)
            if rng.random() < 0.001:
                begun, session[k] = begun + 1, begun
            who = session[k]
            step = {"timestamp": stamp(36_000_000_000 + i * 40_000 // alive), "session_id": "rwkv-sess-%06x" % who,
                    "event_type": "inference_step", "sequence_length": 1 + i % 5000,
                    "performance": {"token_latency_ms": number(rng.lognormvariate(3.3, 0.2), 2),
                                    "throughput_tps": number(rng.gauss(120, 10), 1)},
                    "resources": {"vram_used_mb": number(2400 + 400 * rng.random(), 0)},
                    "accuracy": {"logits_entropy": number(rng.gauss(4, 0.5), 3),
                                 "state_similarity": number(min(1, rng.gauss(0.93, 0.02)), 4)},
                    "metadata": {"model_name": "m%d" % (who % 4), "strategy": "cuda fp%d" % (16 + who % 3),
                                 "chunk_len": 64 << who % 2}}
            if form == "alike":  # the same time, place, first and last number: what lies between tells them apart
                step.update(timestamp=stamp(36_000_000_000 + i // 4000 * 40_000), sequence_length=1)
                step["performance"]["token_latency_ms"] = step["performance"]["throughput_tps"] = 20
                step["resources"]["vram_used_mb"] = 2400
                step["accuracy"].update(token_repetition_pct=rng.randrange(90), state_similarity=0.9)
            if form == "own":
                step.update(phase="decode", token_count=1, instance="gpu-%d:1" % (who % 64), record=i)
            if form == "shuffled":
                step = dict(rng.sample(list(step.items()), len(step)))
            out.write(json.dumps(step, separators=(", ", ": ") if form == "dumps" else (",", ":")) + "\n")


FORMS = [("alike", 1), ("own", 1), ("own", 128), ("compact", 512), ("compact", 3000), ("dumps", 8), ("shuffled", 8), ("floats", 8)]


def check_instruction_sets(rwkvmon, directory):
    """Bytes: every instruction set that is there, one thread and several, the default rules and none."""
    said = subprocess.run([rwkvmon, "--version"], capture_output=True, check=True, text=True).stdout
    native = said.split("kernels: ")[1].split()[0]
    sets = ["scalar"] + ["avx2"] * native.startswith("avx") + [native] * (native not in ("scalar", "avx2"))
    for name in ("avx2", "avx512"):
        if not any(name in known for known in sets):
            print("SKIPPED: analyze_split: this processor has no %s" % name, file=sys.stderr)
    bad = runs = 0
    for form, alive in FORMS:
        log = os.path.join(directory, "%s-%d.log" % (form, alive))
        make_form(log, form, alive, 4000 if FEWER else 24000)
        for rules in "default", "none":
            answers = {}
            for simd in sets:
                for threads in "1", "2", "4":
                    done = subprocess.run([rwkvmon, "analyze", "--format", "json", "--rules", rules, "--threads", threads, log],
                                          capture_output=True, check=True, env={**os.environ, "RWKVMON_SIMD": simd})
                    answers[simd, threads] = done.stdout
                    runs += 1
            first = next(iter(answers.values()))
            for key in (key for key in answers if answers[key] != first):
                bad += 1
                print("FAIL: %s, rules %s, %s, %s threads: %s" % (log, rules, *key, first_difference(
                    json.loads(first), json.loads(answers[key]))))
    return bad, runs


def comparison(rwkvmon, a, b, threads):
    done = subprocess.run([rwkvmon, "compare", "--json", "--threads", str(threads), a, b], capture_output=True, check=False)
    if done.returncode:
        sys.exit("FAIL: compare %s %s: exit code %d: %s" % (a, b, done.returncode, done.stderr.decode()))
    return json.loads(done.stdout)


def analysis(rwkvmon, paths, *options):
    done = subprocess.run([rwkvmon, "analyze", "--format", "json", *options, *paths], capture_output=True, check=False)
    if done.returncode:
        sys.exit("FAIL: %s %s: exit code %d: %s" % (options, paths, done.returncode, done.stderr.decode()))
    return json.loads(done.stdout)


def without_files(found):
    """All but what says in which file something stood."""
    found["input"].pop("files")
    for skipped in found["input"]["skipped"]:
        skipped.pop("file")
        skipped.pop("line")
    return found


def write_part(rng, path, data):
    if rng.random() < 0.3:
        with gzip.open(path + ".gz", "wb") as out:
            out.write(data)
        return path + ".gz"
    with open(path, "wb") as out:
        out.write(data)
    return path


def split(rng, directory, log, parts):
    """At line ends, into files of very different sizes that are named as rotation names them."""
    with open(log, "rb") as f:
        lines = f.read().split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + [lines[-1]] * bool(lines[-1])
    cuts = sorted(rng.sample(range(1, len(lines)), parts - 1))
    pieces = [b"".join(lines[a:b]) for a, b in zip([0] + cuts, cuts + [len(lines)])]
    return [write_part(rng, os.path.join(directory, "part.log.%d" % (parts - i)), piece) for i, piece in enumerate(pieces)]


def first_difference(a, b, where=""):
    if type(a) is not type(b):
        return "%s: %r, %r" % (where, a, b)
    if isinstance(a, dict):
        for key in sorted(set(a) | set(b)):
            if a.get(key) != b.get(key):
                return first_difference(a.get(key), b.get(key), where + "." + key)
    if isinstance(a, list):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return first_difference(x, y, "%s[%d]" % (where, i))
        return "%s: %d and %d items" % (where, len(a), len(b))
    return "%s: %r, %r" % (where, a, b)


def main():
    rwkvmon, directory, troubles = sys.argv[1:]
    if troubles == "--sets":
        bad, runs = check_instruction_sets(rwkvmon, directory)
        print("%d analyses, %d differ" % (runs, bad))
        return 1 if bad else 0
    ordered = os.path.join(directory, "ordered.log")
    make_ordered(ordered)
    rng = random.Random(1)
    bad = runs = 0
    for log in troubles, ordered:
        for rules in "baseline", "thresholds":
            whole = analysis(rwkvmon, [log], "--rules", rules, "--threads", "1")
            for threads in (2, 5) if FEWER else range(2, 9):
                other = analysis(rwkvmon, [log], "--rules", rules, "--threads", str(threads))
                runs += 1
                if other != whole:
                    bad += 1
                    print("FAIL: %s, %s, %d threads: %s" % (log, rules, threads, first_difference(whole, other)))
            whole = without_files(whole)
            for parts in (3, 20) if FEWER else (2, 3, 7, 20):
                paths = split(rng, directory, log, parts)
                other = without_files(analysis(rwkvmon, rng.sample(paths, parts), "--rules", rules,
                                               "--threads", str(1 + parts % 4)))
                size = whole["input"].pop("bytes"), other["input"].pop("bytes")
                runs += 1
                if other != whole or size[0] != size[1]:
                    bad += 1
                    print("FAIL: %s, %s, %d files: %s %s" % (log, rules, parts, first_difference(whole, other), size))
                whole["input"]["bytes"] = size[0]
                for path in paths:
                    os.unlink(path)
    whole = comparison(rwkvmon, troubles, ordered, 1)
    for threads in 2, 3, 8:
        other = comparison(rwkvmon, troubles, ordered, threads)
        runs += 1
        if other != whole:
            bad += 1
            print("FAIL: compare, %d threads: %s" % (threads, first_difference(whole, other)))
    print("%d analyses, %d differ" % (runs, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
