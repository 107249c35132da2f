"""Compares what every face of rwkvmon says of each log: one_verdict.py RWKVMON LOG…"""
import html
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

RWKVMON = sys.argv[1]
PATIENCE = 120  # seconds; a deadline for broken runs, never a measure
failed = 0


def say(*arguments):
    done = subprocess.run([RWKVMON, *arguments, "--lang", "en"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("FAILED: %s: exit code %d: %s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout


def fails_on(verdict, log, *goal):
    """The exit code of --fail-on: 0 the log passes, 1 it does not, 3 it cannot be judged."""
    return subprocess.run([RWKVMON, "analyze", log, "--fail-on", verdict, *goal], capture_output=True).returncode


def flat(text):
    """Words alone: line breaks, indents and markup differ between faces."""
    text = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", text)  # the page in words, without its data
    return re.sub(r"[^\w%.×]+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)).replace("\\", "")).strip()


def check(log, what, holds):
    global failed
    if not holds:
        failed += 1
        print("FAILED: %s: %s" % (log, what))


def what_was_read(told):
    return told["input"]["records"], told["live"]["alarms"], told["live"]["dropped"]


def served(log, goal, wanted):
    """The findings of serve's /api, once it has read as much: what it says then, right or wrong."""
    server = subprocess.Popen([RWKVMON, "serve", log, "--listen", "127.0.0.1:0", *goal], stderr=subprocess.PIPE, text=True)
    try:
        address = None
        for line in server.stderr:
            found = re.search(r"http://[^/ ]+:\d+", line)
            if found:
                address = found[0]
                break
        if not address:
            raise SystemExit("FAILED: %s: serve told no address" % log)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = json.load(urllib.request.urlopen(address + "/api/v1/findings"))
            if what_was_read(answer) == wanted:
                return answer
            time.sleep(0.05)
        raise SystemExit("FAILED: %s: serve has read %s, not %s" % (log, what_was_read(answer), wanted))
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


for place, log in enumerate(sys.argv[2::5] if "RWKVMON_FEWER" in os.environ else sys.argv[2:]):
    found = re.search(r"__goal_(\d+tps)", log)
    goal = ["--goal", found[1]] if found else []
    diagnosis = json.loads(say("diagnose", log, "--format", "json", *goal))
    analysis = json.loads(say("analyze", log, "--format", "json", *goal))
    for key in ("verdict", "verdict_text", "cause", "confidence", "also", "session_id", "since"):
        check(log, "analyze and diagnose differ in %s: %s, %s" % (key, analysis[key], diagnosis[key]),
              analysis[key] == diagnosis[key])
    sentence = flat(diagnosis["verdict_text"])
    for face in (("analyze",), ("analyze", "--format", "markdown"), ("analyze", "--format", "html"), ("diagnose",),
                 ("diagnose", "--format", "html")):
        text = flat(say(face[0], log, *face[1:], *goal))
        check(log, "%s does not say: %s" % (" ".join(face), sentence), sentence in text)
    if not log.endswith(".zst"):
        watched = json.loads(say("watch", log, "--once", "--json", *goal))
        for key in ("verdict", "cause"):
            check(log, "watch says %s %s, not %s" % (key, watched[key], diagnosis[key]), watched[key] == diagnosis[key])
    for least, codes in (("attention", {"attention": 1, "critical": 1, "healthy": 0}),
                         ("critical", {"attention": 0, "critical": 1, "healthy": 0})):
        check(log, "--fail-on %s of %s" % (least, diagnosis["verdict"]),
              fails_on(least, log, *goal) == codes.get(diagnosis["verdict"], 3))
    # What is not called bad by its cause is not called bad by its verdict.
    check(log, "%s, %s" % (diagnosis["verdict"], diagnosis["cause"]),
          diagnosis["healthy"] == (diagnosis["verdict"] == "healthy"))
    named = {cause["cause"] for cause in diagnosis["ruled_out"]}
    check(log, "ruled out and named: %s" % diagnosis["cause"], diagnosis["cause"] not in named)
    check(log, "ruled out and not measured: %s" % named,
          not named & {cause["cause"] for cause in diagnosis["not_measured"] if cause["cause"] != diagnosis["cause"]})
    # Advice fits what is run.
    strategy = (analysis["sessions"] or [{"strategy": ""}])[0]["strategy"]
    for advised in [diagnosis] + diagnosis["also"] + diagnosis["advice"]:
        for when, words in (("i8", ("int8 weights", "fp16i8,", "uantise to")), ("cuda", ("--threads", "cpupower", "cpu fp32i8")),
                            ("cpu fp", ("nvidia-smi", "cuda fp16"))):
            if when in strategy and not ("cuda" in strategy and when == "cpu fp"):
                check(log, "%s is advised: %s" % (strategy, advised["fix"]), not any(word in advised["fix"] for word in words))
    if not log.endswith(".zst") and (place % 13 == 0 or "/odd_" in log):
        answer = served(log, goal, what_was_read(analysis))
        for key in ("verdict", "cause", "verdict_text"):
            check(log, "serve's /api says %s %s" % (key, answer[key]), answer[key] == diagnosis[key])
print("%d logs, %d failed" % (len(sys.argv) - 2, failed))
sys.exit(failed > 0)
