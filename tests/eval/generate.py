#!/usr/bin/env python3
"""Writes logs of known truth: generate.py --out DIR [--seed N] [--each N] [--clean-each N] [--kinds a,b,…] [--list].

One file per log, DIR/KIND-SEED-I.log, and DIR/truth.json: {file: {"kind", "clean", "causes", "args"}}. The same seed writes the
same logs. No library except Python's own is needed.
"""
import argparse
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gpu_kinds  # adds its own to kinds
import kinds


def write(kind, is_clean, seed, index, folder):
    """One log; returns its file name and its truth."""
    rng = random.Random("%s/%d/%d" % (kind, seed, index))
    name = "%s%s-%d-%d.log" % ("clean_" if is_clean else "", kind, seed, index)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
        told = (kinds.CLEAN if is_clean else kinds.FAULTS)[kind](rng, out)
    told.update(kind=kind, clean=is_clean)
    return name, told


def jobs(seed, each, clean_each, only):
    """(kind, is_clean, seed, index) of all logs."""
    for kind in kinds.FAULTS:
        if not only or kind in only:
            for i in range(each):
                yield kind, False, seed, i
    for kind in kinds.CLEAN:
        if not only or "clean_" + kind in only or "clean" in only:
            for i in range(clean_each):
                yield kind, True, seed, i


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--each", type=int, default=1)
    p.add_argument("--clean-each", type=int, default=1)
    p.add_argument("--kinds", default="")
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    if a.list or not a.out:
        for title, table in (("FAULTS", kinds.FAULTS), ("CLEAN", kinds.CLEAN)):
            print(title)
            for name, function in table.items():
                print("  %-22s %s" % (name, " ".join((function.__doc__ or "").split())))
        return
    os.makedirs(a.out, exist_ok=True)
    told = {}
    for job in jobs(a.seed, a.each, a.clean_each, set(filter(None, a.kinds.split(",")))):
        name, truth = write(*job, a.out)
        told[name] = truth
    with open(os.path.join(a.out, "truth.json"), "w", encoding="utf-8") as out:
        json.dump(told, out, indent=1)
    print(len(told), "logs")


if __name__ == "__main__":
    main()
