#!/usr/bin/env python3
"""Tests the judge itself: every kind writes well-formed lines, the same seed writes the same log, faults show what they claim."""
import importlib.machinery
import json
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate
from scoring import wilson


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def check(condition, what):
    if not condition:
        sys.exit("FAILED: " + what)


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
