"""Compares what every face of rwkvmon says of each log: one_verdict.py RWKVMON LOG…"""
import functools
import html
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

RWKVMON = sys.argv[1]
WATCH_ALARMS = 100  # that it lists at most, the newest
WATCH_METRICS = ("token_latency_ms", "throughput_tps", "time_to_first_token_ms", "chunk_process_time_ms", "logits_entropy", "token_repetition_pct",
                 "state_similarity", "surprisal_nats", "gpu_utilization_pct", "cpu_utilization_pct", "process_memory_mb", "quant_kl_nats")
PATIENCE = 120  # seconds; a deadline for broken runs, never a measure
failed = 0


@functools.lru_cache(maxsize=64)
def say(*arguments, lang="en"):
    """What a face says; of the same log it is asked once."""
    done = subprocess.run([RWKVMON, *arguments, "--lang", lang], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("FAILED: %s: exit code %d: %s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout


def fails_on(verdict, log, *goal):
    """The exit code of --fail-on: 0 the log passes, 1 it does not, 3 it cannot be judged."""
    return subprocess.run([RWKVMON, "analyze", log, "--fail-on", verdict, *goal], capture_output=True).returncode


def flat(text, between=" "):
    """Words alone: line breaks, indents and markup differ between faces. Chinese has no blanks where its lines break."""
    text = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", text)  # the page in words, without its data
    return re.sub(r"[^\w%.×]+", between, html.unescape(re.sub(r"<[^>]*>", " ", text)).replace("\\", "")).strip()


def check(log, what, holds):
    global failed
    if not holds:
        failed += 1
        print("FAILED: %s: %s" % (log, what))


def what_was_read(told):
    return told["input"]["records"], told["live"]["alarms"], told["live"]["dropped"]


def ends_whole(log):
    """A line that is still being written is one more to who reads all at once, and awaited by who follows."""
    return not os.path.isdir(log) and open(log, "rb").read()[-1:] == b"\n"


def served(log, goal, wanted):
    """The findings of serve's /api, its overview and what watch makes of its /metrics, once it has read as much: what they say then, right or wrong."""
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
            if what_was_read(answer) == wanted[:3] and (answer["input"]["lines"] == wanted[3] or not ends_whole(log)):
                scraped = json.loads(say.__wrapped__("watch", address, "--once", "--json", "--interval", "0.1"))
                return answer, json.load(urllib.request.urlopen(address + "/api/v1/fleet")), scraped
            time.sleep(0.05)
        raise SystemExit("FAILED: %s: serve has read %s, not %s" % (log, what_was_read(answer), wanted))
    finally:
        server.kill()
        server.wait()
        server.stderr.close()


def findings_of_page(page):
    """What the page holds as JSON."""
    return json.loads(re.search(r'(?s)<script type="application/json" id="findings">(.*?)</script>', page)[1])


def check_counted(log, analysis, face, told):
    """A face judges by the same rules: as many records violate them, of all and of each instance, and the sentence is the same. serve
    names an instance by its file if the log does not name it."""
    for key in ("violating_records", "verdict_text"):
        check(log, "%s says %s %s, not %s" % (face, key, told.get(key), analysis[key]), told.get(key) == analysis[key])
    counted = {i["instance"]: i["violating_records"] for i in analysis["instances"]}
    for i in told.get("instances", []):
        if "violating_records" in i:  # a row of watch has none
            check(log, "%s says %s violating records of %s" % (face, i["violating_records"], i["instance"]),
                  counted.get(i["instance"], counted.get(None)) == i["violating_records"])


FACES = (("analyze",), ("analyze", "--format", "markdown"), ("analyze", "--format", "html"), ("diagnose",), ("diagnose", "--format", "html"))


def check_diagnosis(log, face, text, told, lang, between):
    """Every face of the diagnosis has the same title, evidence, causes beside it and advice."""
    for what, words in [("title", told["title"])] + [("also", c["title"]) for c in told["also"]] + \
            [("evidence", e["text"]) for e in told["evidence"] if e.get("text")] + [("fix", told["fix"])]:
        check(log, "%s (%s) lacks the %s: %s" % (" ".join(face), lang, what, words), flat(words or "", between) in text)


def check_same_numbers(log, analysis, watched):
    """watch says the verdict, the counts, the alarms and the quantiles of analyze."""
    for key in ("verdict", "cause", "sessions_total"):
        check(log, "watch says %s %s, not %s" % (key, watched[key], analysis[key]), watched[key] == analysis[key])
    for key in ("from", "to"):
        check(log, "watch ends or begins at %s, not %s" % (watched[key], analysis["span"][key]), watched[key] == analysis["span"][key])
    check(log, "watch skipped %d lines, not %d" % (watched["skipped_lines"], analysis["input"]["skipped_lines"]),
          watched["skipped_lines"] == analysis["input"]["skipped_lines"])
    check(log, "watch lost %d records, not %d" % (watched["dropped"], analysis["live"]["dropped"]),
          watched["dropped"] == analysis["live"]["dropped"])
    events = analysis["anomalies"]["events"]
    check(log, "watch counts %d alarms, not %d" % (watched["alarms_total"], analysis["anomalies"]["events_total"]),
          watched["alarms_total"] == analysis["anomalies"]["events_total"])
    check(log, "watch lists %d alarms, not %d" % (len(watched["alarms"]), min(len(events), WATCH_ALARMS)),
          len(watched["alarms"]) == min(len(events), WATCH_ALARMS))
    keys = ("alarm_type", "severity", "session_id", "from", "to", "records", "metric", "worst", "limit")
    for mine, event in zip(watched["alarms"], reversed(events)):
        for key in keys:
            check(log, "watch says %s %s of an alarm, not %s" % (key, mine[key], event[key]), mine[key] == event[key])
    measured = {metric for metric in WATCH_METRICS if (analysis["metrics"].get(metric) or {"count": 0})["count"]}
    check(log, "watch has the metrics %s, not %s" % (sorted(watched["metrics"]), sorted(measured)), set(watched["metrics"]) == measured)
    for metric, has in watched["metrics"].items():
        known = [analysis["metrics"][metric]] + [phase[metric] for phase in analysis["phases"].values() if phase.get(metric)]
        for key in ("p50", "p95"):
            check(log, "watch says %s %s of %s, not one of %s" % (key, has[key], metric, [k[key] for k in known]),
                  has[key] in [k[key] for k in known])


def check_fleet(log, analysis, fleet, text):
    """fleet has the instances of analyze, with their verdicts, and its text lists them in the order of its JSON."""
    for key in ("verdict", "verdict_text", "cause"):
        check(log, "fleet says %s %s, not %s" % (key, fleet[key], analysis[key]), fleet[key] == analysis[key])
    check(log, "fleet has %d instances, not %d" % (fleet["instances_total"], analysis["instances_total"]),
          fleet["instances_total"] == analysis["instances_total"])
    has = {i["instance"]: [i[key] for key in ("sessions", "records", "tokens", "from", "to")] for i in analysis["instances"]}
    for row in fleet["instances"]:
        counts = [row[key] for key in ("sessions", "records", "tokens", "from", "to")]
        check(log, "fleet says %s of %s, not %s" % (counts, row["instance"], has.get(row["instance"])), has.get(row["instance"]) == counts)
    names = [row["instance"] or "-" for row in fleet["instances"]]
    at = [re.search(r"(?m)^\S? *%s%s" % (re.escape(name[:18]), "" if name[18:] else " "), text) for name in names]
    check(log, "fleet lists %s" % names, all(at) and [m.start() for m in at] == sorted(m.start() for m in at))


def check_nothing_to_read(log):
    """A log without a record is the same error from every face, in both languages."""
    for lang in ("en", "zh"):
        said = {}
        for face in FACES + (("watch", "--once"), ("fleet",), ("forecast",)):
            done = subprocess.run([RWKVMON, face[0], log, *face[1:], "--lang", lang], capture_output=True, text=True)
            said[face] = (done.returncode, done.stdout, done.stderr.split("\n")[0])
        check(log, "faces differ (%s): %s" % (lang, said), len(set(said.values())) == 1)
        check(log, "no error with words, or an answer besides (%s): %s" % (lang, said),
              all(code and not answer and words for code, answer, words in said.values()))
        check(log, "English among Chinese: %s" % said[FACES[0]][2],
              lang == "en" or not re.search(r"[a-z]+ [a-z]+", said[FACES[0]][2].replace(log, "")))


for place, log in enumerate(sys.argv[2::5] if "RWKVMON_FEWER" in os.environ else sys.argv[2:]):
    if "/nothing_" in log:
        check_nothing_to_read(log)
        continue
    found = re.search(r"__goal_(\d+tps)", log)
    goal = ["--goal", found[1]] if found else []
    diagnosis = json.loads(say("diagnose", log, "--format", "json", *goal))
    analysis = json.loads(say("analyze", log, "--format", "json", *goal))
    for key in ("verdict", "verdict_text", "cause", "confidence", "also", "session_id", "since"):
        check(log, "analyze and diagnose differ in %s: %s, %s" % (key, analysis[key], diagnosis[key]),
              analysis[key] == diagnosis[key])
    for lang, between in (("en", " "), ("zh", "")):
        told = diagnosis if lang == "en" else json.loads(say("diagnose", log, "--format", "json", *goal, lang=lang))
        sentence = flat(told["verdict_text"], between)
        for face in FACES:
            said = say(face[0], log, *face[1:], *goal, lang=lang)
            check(log, "%s (%s) does not say: %s" % (" ".join(face), lang, sentence), sentence in flat(said, between))
            if face == ("analyze", "--format", "html") and lang == "en":
                check_counted(log, analysis, "the page", findings_of_page(said))
        for face in (("diagnose",), ("diagnose", "--format", "markdown"), ("diagnose", "--format", "html"), ("analyze", "--format", "html")):
            check_diagnosis(log, face, flat(say(face[0], log, *face[1:], *goal, lang=lang), between), told, lang, between)
    watched = json.loads(say("watch", log, "--once", "--json", *goal))
    check_same_numbers(log, analysis, watched)
    check(log, "analyze counts %d violating records, and %d" % (analysis["anomalies"]["records"], analysis["violating_records"]),
          analysis["anomalies"]["records"] == analysis["violating_records"])
    for face, told in (("diagnose", diagnosis), ("watch", watched)):
        check_counted(log, analysis, face, told)
    for lang in ("en", "zh"):
        frame = say("watch", log, "--once", *goal, lang=lang)
        check(log, "watch (%s) has another word for the verdict than analyze" % lang,
              frame.split()[1] == say("analyze", log, *goal, lang=lang).split()[1])
    if len(analysis["instances"]) > 1:
        fleet = json.loads(say("fleet", log, "--json", *goal))
        check_fleet(log, analysis, fleet, say("fleet", log, "--top", "0", *goal))
        check_counted(log, analysis, "fleet", fleet)
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
    if not log.endswith(".zst") and (place % 13 == 0 or "/odd_" in log or os.path.isdir(log)):
        answer, overview, scraped = served(log, goal, (*what_was_read(analysis), analysis["input"]["lines"]))
        for key in ("verdict", "cause", "verdict_text"):
            check(log, "serve's /api says %s %s" % (key, answer[key]), answer[key] == diagnosis[key])
            check(log, "serve's overview says %s %s" % (key, overview[key]), overview[key] == diagnosis[key])
        check(log, "watch of serve's /metrics says %s" % scraped["verdict"], scraped["verdict"] == diagnosis["verdict"])
        check_counted(log, analysis, "serve's /api", answer)
        for key in ("bytes", "skipped_lines", "doubled_records"):
            check(log, "serve's /api says %s %s, not %s" % (key, answer["input"][key], analysis["input"][key]),
                  not ends_whole(log) or answer["input"][key] == analysis["input"][key])
        check_counted(log, analysis, "serve's overview", overview)
        for key in ("records", "events_total", "by_type"):
            check(log, "serve's /api says %s %s, not %s" % (key, answer["anomalies"][key], analysis["anomalies"][key]),
                  answer["anomalies"][key] == analysis["anomalies"][key])
print("%d logs, %d failed" % (len(sys.argv) - 2, failed))
sys.exit(failed > 0)
