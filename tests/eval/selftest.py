#!/usr/bin/env python3
"""Tests the judge itself: every kind writes well-formed lines, the same seed writes the same log, faults show what they claim."""
import importlib.machinery
import json
import os
import random
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate
from scoring import ROOT, wilson


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def check(condition, what):
    if not condition:
        sys.exit("FAILED: " + what)


def keys_of_the_format():
    """Paths of all fields of a line, as src/spec declares them."""
    with open(os.path.join(ROOT, "src", "spec", "fields.def"), encoding="utf-8") as f:
        keys = set(re.findall(r'^FIELD\(\w+, *"([^"]+)"', f.read(), re.M))
    with open(os.path.join(ROOT, "src", "spec", "metrics.def"), encoding="utf-8") as f:
        for group, key in re.findall(r'^METRIC\([^,]*, \w+, (\w+), "[^"]*", "([^"]*)"', f.read(), re.M):
            keys.add(group.lower() + "." + key)
    return keys


def paths(value, at=""):
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from paths(inner, at + key + ".")
        else:
            yield at + key


def check_keys(told, known, what):
    """A reader passes over a key that it does not know: what a generator means by it would be judged by nobody."""
    strange = {path for line in told for path in paths(line)} - known
    check(not strange, "%s: no keys of the format: %s" % (what, sorted(strange)))


def check_keys_of_fleets(known, folder):
    judge = judge_of("run-fleet")
    for name, how, illness in judge.ILL:
        judge.write_fleet(folder, "keys/" + name, how, 2, illness, 600)
        for log in os.listdir(folder):
            told = lines(os.path.join(folder, log))
            check_keys(told, known, "run-fleet, " + name)
        check(not illness.loop or any("repeat_cycle_tokens" in r.get("accuracy", {}) for log in os.listdir(folder) for r in lines(os.path.join(folder, log))),
              "a loop is told as the collector tells it")


def judge_of(name):
    """The script of that name as a module."""
    return importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(os.path.dirname(os.path.abspath(__file__)), name)).load_module()


def check_scorer_of_actions():
    judge = judge_of("run-actions")
    words = [w for line in (judge.__doc__ or "").splitlines() for w in line.split()]
    text = " ".join(w for i in range(4) for w in words[i:])
    check(judge.repeated_suffix(text.encode()) < judge.LOOP_BYTES, "prose ends in no repetition")
    check(judge.repeated_suffix((text + " and the sea" * 11).encode()) >= judge.LOOP_BYTES, "eleven copies are a repetition")
    check(judge.repeated_suffix((text + text[-50:]).encode()) < judge.LOOP_BYTES, "two copies are none")
    scorer = judge.Scorer([text] * 2)
    check(not scorer.loops(text) and scorer.loops(text + " and the sea" * 50), "the scorer tells prose from a loop")
    dealt = [p for pool in judge.pools(random.Random(5)).values() for p in pool]
    check(len(dealt) == len(set(dealt)) == sum(judge.POOLS.values()), "no prompt is in two pools")


def main():
    check_scorer_of_actions()
    low, high = wilson(148, 203)
    check(abs(low - 0.664) < 0.002 and abs(high - 0.786) < 0.002, "Wilson's interval of 148 of 203 is 66.4 to 78.6 %")
    known = keys_of_the_format()
    check(len(known) > 100 and "accuracy.repeat_cycle_period" in known and "metadata.host.gpu" in known, "the format's fields are found")
    with tempfile.TemporaryDirectory() as folder:
        check_keys_of_fleets(known, folder)
    with tempfile.TemporaryDirectory() as folder:
        for job in generate.jobs(97, 1, 1, {"nan_at_once", "loop_short", "slow_first_call", "clean_short_log"}):
            name, truth = generate.write(*job, folder)
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                once = f.read()
            generate.write(*job, folder)
            with open(path, "rb") as f:
                check(f.read() == once, "the same seed writes the same log: " + name)
            told = lines(path)
            steps = [r for r in told if r["event_type"] == "inference_step"]
            check(told[0]["event_type"] == "session_start" and told[-1]["event_type"] == "session_end", "a log begins and ends: " + name)
            check_keys(told, known, name)
            stamps = [r["timestamp"] for r in told]
            check(stamps == sorted(stamps), "time does not run back: " + name)
            check(sum(r["token_count"] for r in steps) == sum(r["totals"]["tokens"] for r in told if "totals" in r), "tokens add up: " + name)
            if truth["kind"] == "nan_at_once":
                check(any("nonfinite_logits" in r["accuracy"] for r in steps), "values are not finite: " + name)
            if truth["kind"] == "loop_short":
                check(any("repeat_cycle_tokens" in r["accuracy"] for r in steps), "a cycle is told: " + name)
            if truth["kind"] == "slow_first_call":
                calls = [r["performance"]["chunk_process_time_ms"] for r in steps]
                check(calls[0] > 20 * sorted(calls)[len(calls) // 2], "the first call is slow: " + name)
            if truth["clean"]:
                check(truth["causes"] == ["healthy"], "clean logs are healthy: " + name)
    print("the judge is sound")


if __name__ == "__main__":
    main()
