#!/usr/bin/env python3
"""Of a folder of logs, `fleet` says of each instance what `diagnose` says of its log alone, except for what its peers add.

    alone.py RWKVMON DIR CASE...

Each case becomes the log of one instance, and its first steps that of another one. These stand in folders that differ by who is whose neighbour:

  hosts    each on a host of its own, at the times that it has
  beside   all are processes of one host, at the times that they have
  after    all are processes of one host, one after the other, as one that is started again and again; most run the same model

And a log that goes on in another process of the host, after the middle, shows as a whole what it shows as one.
"""
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta

TOLD = ("verdict", "cause", "confidence", "session_id", "since")
SMALL = 900_000  # bytes of a case that stands in folders
FEW = 6  # lines: five steps, too few to be judged
STAMP = re.compile(r'"timestamp": ?"([^".+Z]{19})')
MODEL = re.compile(r'("model_name"|"strategy"): ?"[^"]*"')


def ask(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit("%s: exit code %d: %s" % (" ".join(command), done.returncode, done.stderr))
    return json.loads(done.stdout)


def read(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout.decode().splitlines()
    with open(path, encoding="utf-8") as log:
        return log.read().splitlines()


def seconds(stamp):
    return datetime.fromisoformat(stamp)


def renamed(lines, instance, begin=None):
    """The same lines of that instance; begin: the time of the first one is moved there. And when they end."""
    times = [seconds(m.group(1)) for m in map(STAMP.search, lines) if m]
    later = begin - times[0] if begin else timedelta(0)
    out = []
    for line in lines:
        line = STAMP.sub(lambda m: '"timestamp": "' + (seconds(m.group(1)) + later).isoformat(), line)
        line = re.sub(r'"instance": ?"[^"]*"', '"instance": "%s"' % instance, line)
        if '"instance"' not in line and line.endswith("}"):
            line = line[:-1] + ', "instance": "%s"}' % instance
        out.append(line + "\n")
    return out, max(times) + later


def one_instance(lines):
    return len({m.group(1) for line in lines for m in [re.search(r'"instance": ?"([^"]*)"', line)] if m}) <= 1


def readable(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def write(folder, how, cases):
    """Returns {instance: its log}."""
    os.makedirs(folder)
    logs, at = {}, datetime(2026, 3, 1)
    for i, (name, lines) in enumerate(cases):
        instance = "h%d:%s" % (i, 100 + i) if how == "hosts" else "vm:%d" % (100 + i)
        text, end = renamed(lines, instance, at if how == "after" else None)
        at = end + timedelta(seconds=20)
        logs[instance] = os.path.join(folder, "%03d-%s.log" % (i, name))
        with open(logs[instance], "w", encoding="utf-8") as log:
            log.writelines(text)
    return logs


def differences(rwkvmon, folder, logs):
    """Of its own each shows what it shows alone. What may be chance among so many is told as that, and who is unlike its peers is not so alone."""
    fleet = {i["instance"]: i for i in ask(rwkvmon, "fleet", folder, "--json", "-q")["instances"]}
    for instance, log in logs.items():
        alone, here = ask(rwkvmon, "diagnose", log, "--format", "json", "-q"), fleet[instance]
        want, got = [alone[k] for k in TOLD], [here[k] for k in TOLD]
        chance = here["by_chance"] and alone["cause"] in here["by_chance"]["causes"]
        if want != got and not chance and here["cause"] != "unlike_peers":
            yield "%s: %s, alone %s" % (os.path.basename(log), got, want)


# Memory that the second process has more is no growth, and one of few exchanges or calls has too few in each half.
GO_ON = re.compile("(gpu_throttling|throttling|cpu_quota|other_load|vram_above_plan|repetition|caller|slow_tail)__|stalls__(?!one_of_them_in_a_prompt)|memory_growth__one_of_two_gpus"
                   "|history_refed__(chat|three)")


def started_again(rwkvmon, folder, path):
    """None, or how what is said of the log differs when its second half is another process's, with a session_start of its own."""
    text, _ = renamed(read(path), "vm:100")
    half = len(text) // 2
    now = STAMP.search(text[half]).group(0)
    starts = [STAMP.sub(lambda m: now, line) for line in text if '"session_start"' in line][:1]
    cut = os.path.join(folder, "again-" + os.path.basename(path))
    with open(cut, "w", encoding="utf-8") as log:
        log.writelines(text[:half] + [line.replace('"vm:100"', '"vm:200"') for line in starts + text[half:]])
    one, two = (ask(rwkvmon, "diagnose", log, "--format", "json", "-q")["cause"] for log in (path, cut))
    return None if one == two else "%s: %s instead of %s once it was started again" % (os.path.basename(path), two, one)


def main():
    rwkvmon, folder, cases = sys.argv[1], sys.argv[2], []
    for path in sys.argv[3:]:
        if os.path.getsize(path) > SMALL:
            continue
        lines = read(path)
        # A line that cannot be read is nobody's; it is told of the folder.
        if one_instance(lines) and sum(not readable(line) for line in lines) < 2:
            cases += [(os.path.basename(path).split(".")[0], lines), ("few-" + os.path.basename(path).split(".")[0], lines[:FEW])]
    same = [(name, [MODEL.sub(r'\1: "m"', line) for line in lines]) for name, lines in cases if name.startswith(("healthy", "few-healthy", "not_enough"))]
    wrong = []
    for how, them in (("hosts", cases), ("beside", cases), ("after", cases), ("beside", same), ("after", same)):
        at = os.path.join(folder, "%s-%d" % (how, len(them)))
        found = list(differences(rwkvmon, at, write(at, how, them)))
        print("%s: %d instances, %d differ" % (how, len(them), len(found)))
        wrong += ["%s: %s" % (how, one) for one in found]
    again = [path for path in sys.argv[3:] if GO_ON.match(os.path.basename(path))]
    wrong += filter(None, (started_again(rwkvmon, folder, path) for path in again))
    print("%d logs that go on in another process" % len(again))
    print(*wrong, sep="\n")
    return 1 if wrong or len(cases) < 20 or len(again) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
