#!/usr/bin/env python3
"""Logs of a simulated fleet: hosts that differ by a few percent, noise that remembers, and the faults one asks for.

    fleet.py DIR N [--seed S] [--steps N] [--slow HOST=FACTOR[@SHARE]]... [--all FACTOR@SHARE] [--silent HOST]... [--now]

One log per host; --now: they go on until about now, and none has ended. SHARE of the run has passed when the fault begins (default 0: from the start on); --all slows every
host at the same time. As a module: write(DIR, hosts) and host(...).
"""
import argparse
import json
import math
import os
import random
from datetime import datetime, timezone
from time import time as clock

BEGIN = 1_760_000_000
ANSWER, IDLE = 40, 100  # tokens of an answer, seconds until the next question


def stamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lines(name, draw, begin=BEGIN, steps=240, factor=1.0, begins=0.0, model="m", strategy="cuda fp16", gpu="NVIDIA H200", ms=20.0, ends=True,
          entropy=0.0, surprisal=0.0, sessions=1, stops=1.0, instance=None, first=1.0):
    """The lines of one host; `begins` and `stops`: the share of the run at which its fault begins, its log stops; `entropy`
    and `surprisal`: nats by which it is off; `first`: how many times its first call takes what others do; `instance`: its name, for several processes of a host."""
    usual, unsure, memory = ms * math.exp(draw.gauss(0, 0.03)), 2.2 + draw.gauss(0, 0.08) + entropy, 0.0
    about = {"model_name": model, "strategy": strategy, "host": {"cpu": "AMD EPYC 9654", "cores": 8, "gpu": gpu}}
    time, per = begin + draw.random(), steps // sessions
    for session in range(sessions):
        common = {"session_id": f"{name}-{session}", "instance": instance or f"{name}:{100 + len(name)}"}
        yield {"timestamp": stamp(time), **common, "event_type": "session_start", "metadata": about}
        for step in range(per):
            done = session * per + step
            if done >= stops * steps:
                return
            memory = 0.9 * memory + draw.gauss(0, 0.02)
            latency = usual * math.exp(memory + draw.gauss(0, 0.05)) * (factor if done >= begins * steps else 1) * (1 if done else first)
            time += 1.02 * latency / 1000 + (IDLE if step and step % ANSWER == 0 else 0)
            yield {"timestamp": stamp(time), **common, "event_type": "inference_step", "sequence_length": 1 + step % ANSWER,
                   "sequence": step // ANSWER, "phase": "decode", "token_count": 1,
                   "performance": {"token_latency_ms": round(latency, 3), "throughput_tps": round(1000 / latency, 2)},
                   "accuracy": {"logits_entropy": round(max(0.05, unsure + draw.gauss(0, 0.5)), 4),
                                "surprisal_nats": round(draw.expovariate(1 / unsure) + surprisal, 4)},
                   "metadata": {"model_name": model, "strategy": strategy}}
        if ends:
            yield {"timestamp": stamp(time), **common, "event_type": "session_end"}


def write(directory, hosts, seed=1):
    """hosts: {name: arguments of lines()}."""
    os.makedirs(directory, exist_ok=True)
    for name, how in hosts.items():
        with open(os.path.join(directory, name + ".log"), "w") as log:
            log.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines(name, random.Random(f"{seed} {name}"), **how))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("directory")
    a.add_argument("n", type=int)
    a.add_argument("--seed", default="1")
    a.add_argument("--steps", type=int, default=240)
    a.add_argument("--slow", action="append", default=[])
    a.add_argument("--all", default="")
    a.add_argument("--silent", action="append", default=[])
    a.add_argument("--now", action="store_true")
    a = a.parse_args()
    hosts = {f"host{i}": {"steps": a.steps} for i in range(a.n)}
    for how in hosts.values() if a.now else []:
        how.update(begin=clock() - (a.steps - 1) // ANSWER * (IDLE + ANSWER * 0.06), ends=False)
    for fault in a.slow:
        name, _, how = fault.partition("=")
        factor, _, share = how.partition("@")
        hosts[name].update(factor=float(factor), begins=float(share or 0))
    for how in hosts.values() if a.all else []:
        factor, _, share = a.all.partition("@")
        how.update(factor=float(factor), begins=float(share or 0))
    for name in a.silent:
        hosts[name].update(ends=False, stops=0.1)
    write(a.directory, hosts, a.seed)


if __name__ == "__main__":
    main()
