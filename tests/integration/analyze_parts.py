"""Splits logs by whole sessions, makes a part of each, and wants the report of all logs, to the byte.

  analyze_parts.py RWKVMON DIRECTORY FLEET.md
"""
import gzip
import json
import os
import random
import re
import subprocess
import sys

os.environ["RWKVMON_FEWER"] = "1"
from analyze_split import make_form, make_ordered

FORMATS = (["--format", "json"], ["--format", "html", "--rules", "thresholds", "--since", "2025-09-11T12:01:00Z"])
failures = 0


def check(what, fine):
    global failures
    failures += not fine
    print("%s: %s" % ("ok" if fine else "FAIL", what))


def run(*command, **how):
    return subprocess.run(command, capture_output=True, check=False, **how)


def session_of(line, before):
    found = re.search(rb'"session_id": ?"([^"]*)"', line)
    return found.group(1) if found else before


def split(directory, log, n):
    """Into n logs, each of whole sessions; what is no record stays with the line before it."""
    logs, place, session = [[] for _ in range(n)], {}, b""
    with open(log, "rb") as f:
        for line in f:
            session = session_of(line, session)
            logs[place.setdefault(session, len(place) % n)].append(line)
    paths = []
    for i, lines in enumerate(logs):
        path = os.path.join(directory, "host%d.log%s" % (i, ".gz" if i % 3 == 2 else ""))
        with (gzip.open if i % 3 == 2 else open)(path, "wb") as out:
            out.write(b"".join(lines))
        paths.append(path)
    return paths


def check_split(rwkvmon, directory, log, n):
    rng = random.Random(n)
    logs = split(directory, log, n)
    parts, i = [], 0
    while i < n:
        several = logs[i:i + rng.choice((1, 1, 2))]
        parts.append(os.path.join(directory, "%d.part" % i))
        done = run(rwkvmon, "analyze", "--partial", "-o", parts[-1], *several)
        check("a part of %d logs" % len(several), done.returncode == 0)
        i += len(several)
    for how in FORMATS:
        whole = run(rwkvmon, "analyze", *how, *rng.sample(logs, n)).stdout
        merged = run(rwkvmon, "analyze", "--merge", *how, *rng.sample(parts, len(parts))).stdout
        check("%s as %d logs in %d parts, %s" % (os.path.basename(log), n, len(parts), how[1]),
              len(whole) > 10000 and merged == whole)
    smaller = sum(map(os.path.getsize, logs)) / sum(map(os.path.getsize, parts))
    for path in logs + parts:
        os.unlink(path)
    return smaller


def check_refused(rwkvmon, directory, log):
    part, bad = os.path.join(directory, "good.part"), os.path.join(directory, "bad.part")
    run(rwkvmon, "analyze", "--partial", "-o", part, log)
    with open(part, "rb") as f:
        good = f.read()
    rng = random.Random(1)

    def refused(what, data, words):
        with open(bad, "wb") as f:
            f.write(data)
        done = run(rwkvmon, "analyze", "--merge", "--format", "json", bad, env={**os.environ, "RWKVMON_LANG": "en"})
        said = done.stderr.decode()
        if done.returncode != 3 or words not in said or done.stdout:
            check("%s is refused: %d %s" % (what, done.returncode, said), False)

    before = failures
    for cut in [8, 19, 20, 33, len(good) - 1] + [rng.randrange(20, len(good)) for _ in range(8)]:
        refused("cut at %d" % cut, good[:cut], "cut off")
    for at in [20, 21, len(good) - 1] + [rng.randrange(20, len(good)) for _ in range(12)]:
        refused("a bit of byte %d" % at, good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1:], "the part is ")
    refused("more behind the end", good + b"x", "damaged")
    refused("another version", good[:8] + bytes([good[8] + 1]) + good[9:], "another version")
    refused("another vocabulary", good[:12] + b"\0" * 8 + good[20:], "another version")
    with open(log, "rb") as f:
        refused("a log", f.read(), "no part")
    refused("nothing", b"", "no part")
    check("damaged, cut and foreign parts are refused", failures == before)
    with open(bad, "wb") as f:
        f.write(good)
    check("a part twice is refused", run(rwkvmon, "analyze", "--merge", part, bad).returncode == 2)
    other, two = os.path.join(directory, "other.log"), os.path.join(directory, "two.part")
    with open(log, encoding="utf-8", errors="surrogateescape") as f, open(other, "w", encoding="utf-8", errors="surrogateescape") as to:
        to.write(f.read().replace('"session_id":"', '"session_id":"other-'))
    run(rwkvmon, "analyze", "--partial", "-o", two, log, other)
    together, merged = (json.loads(run(rwkvmon, "analyze", "--format", "json", *named).stdout)
                        for named in ((log, other), ("--merge", part, two)))
    check("a log that is in two parts counts once", all(
        together[key] == merged[key] for key in together if key != "input") and
        together["input"]["files"] == merged["input"]["files"] and together["input"]["records"] == merged["input"]["records"])
    check("and is told", any(log == line["file"] and "a copy of" in line["reason"] for line in merged["input"]["skipped"]))
    check("a part needs a file", run(rwkvmon, "analyze", "--partial", log).returncode == 2)
    check("what is for --merge is refused with --partial",
          run(rwkvmon, "analyze", "--partial", "-o", bad, "--since", "2025-09-11T12:01:00Z", log).returncode == 2)
    empty = os.path.join(directory, "empty.log")
    open(empty, "w").close()
    both = run(rwkvmon, "analyze", "--format", "json", log, empty).stdout
    made = run(rwkvmon, "analyze", "--partial", "-o", bad, empty).returncode
    check("an empty log is no error", made == 0 and json.loads(both)["input"]["files"] ==
          json.loads(run(rwkvmon, "analyze", "--merge", "--format", "json", part, bad).stdout)["input"]["files"])
    check("parts without a record are", run(rwkvmon, "analyze", "--merge", bad).returncode == 3)


def check_real(rwkvmon, directory):
    """A log of this program's own, with a norm of each layer's state."""
    log, part = os.path.join(directory, "real.log"), os.path.join(directory, "real.part")
    run(rwkvmon, "run", "-q", "--prompt", "a", "--tokens", "60", "--log", log, "--log-state-norms")
    run(rwkvmon, "analyze", "--partial", "-o", part, log)
    for command in ("analyze", "--format", "html"), ("diagnose", "--format", "json"), ("fleet", "--json"):
        whole = run(rwkvmon, *command, log).stdout
        check("a real log, %s" % command[0], whole and run(rwkvmon, *command, "--merge", part).stdout == whole)
    check("what to run next goes with parts", b"--merge" in run(rwkvmon, "analyze", "--merge", part).stdout)


def check_late_times(rwkvmon, directory):
    """A log whose first record lies behind many lines of another program has no time: with parts as without."""
    logs = [os.path.join(directory, name) for name in ("late.log", "early.log")]
    step = ('{"timestamp":"2025-09-%d1T12:34:%02d.789Z","session_id":"s%d","event_type":"inference_step","sequence_length":%d,'
            '"token_count":1,"performance":{"token_latency_ms":32.5}}\n')
    for log, day, foreign in ((logs[0], 2, 4000), (logs[1], 1, 0)):
        with open(log, "w", encoding="utf-8") as f:
            f.write(('{"foreign":"%s"}\n' % ("x" * 80)) * foreign)
            f.writelines(step % (day, i, day, i) for i in range(50))
        run(rwkvmon, "analyze", "--partial", "-o", log + ".part", log)
    for order in (logs, logs[::-1]):
        whole = run(rwkvmon, "analyze", "--format", "json", *order).stdout
        merged = run(rwkvmon, "analyze", "--format", "json", "--merge", *(log + ".part" for log in order)).stdout
        check("a log without a time near its beginning", whole and merged == whole)


def check_example(rwkvmon, directory, guide):
    """The lines of the guide, as they stand there."""
    with open(guide, encoding="utf-8") as f:
        example = next(e for e in re.findall(r"```sh\n(.*?)```", f.read(), re.S) if "--partial" in e)
    logs = os.path.join(directory, "logs")
    os.mkdir(logs)
    for i in range(4):
        make_form(os.path.join(logs, "host %d.log" % i), "own", 1 + i, 500)
    done = run("sh", "-ec", example, cwd=directory, env={**os.environ, "PATH": os.path.dirname(rwkvmon) + ":" + os.environ["PATH"]})
    whole = run(rwkvmon, "analyze", "--format", "json", "logs", cwd=directory).stdout
    with open(os.path.join(directory, "all.json"), "rb") as f:
        check("the example of docs/FLEET.md: %s" % done.stderr.decode(), done.returncode == 0 and f.read() == whole)


def main():
    rwkvmon, directory, guide = sys.argv[1:]
    rwkvmon = os.path.abspath(rwkvmon)
    ordered, many = os.path.join(directory, "ordered.log"), os.path.join(directory, "many.log")
    make_ordered(ordered)
    make_form(many, "floats", 512, 4000)
    for log, ways in ((ordered, (2, 3, 8)), (os.path.join(directory, "troubles.log"), (3,)), (many, (8,))):
        for n in ways:
            print("%.0f times smaller" % check_split(rwkvmon, directory, log, n))
    check_refused(rwkvmon, directory, ordered)
    check_real(rwkvmon, directory)
    check_late_times(rwkvmon, directory)
    check_example(rwkvmon, directory, os.path.abspath(guide))
    return 1 if failures else 0


sys.exit(main())
