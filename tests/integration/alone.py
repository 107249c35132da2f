#!/usr/bin/env python3
"""Of a folder of logs, `fleet` says of each instance what `diagnose` says of its log alone, except for what its peers add.

    alone.py RWKVMON DIR CASE...

Each case becomes the log of one instance, and its first steps that of another one. These stand in folders that differ by who is whose neighbour:

  hosts    each on a host of its own, at the times that it has
  beside   all are processes of one host, at the times that they have
  after    all are processes of one host, one after the other, as one that is started again and again; most run the same model
"""
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta

TOLD = ("verdict", "cause", "confidence", "session_id", "since")
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


def main():
    rwkvmon, folder, cases = sys.argv[1], sys.argv[2], []
    for path in sys.argv[3:]:
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
    print(*wrong, sep="\n")
    return 1 if wrong or len(cases) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
