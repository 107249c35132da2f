"""`rwkvmon serve` from outside: JSON, /metrics of several instances, files that come, rotate and are damaged.
    serve.py BUILD_DIR"""
import json, os, re, resource, subprocess, sys
from servers import *

RWKVMON = sys.argv[1] + "/rwkvmon"
HERE = os.path.dirname(os.path.abspath(__file__))


def start_serve(*more):
    process = start([RWKVMON, "serve", "--listen", "127.0.0.1:0", "--lang", "en", *more], stderr=subprocess.PIPE, text=True)
    address = process.stderr.readline().strip()
    check(address.startswith("http://"), "serve told no address:", address)
    return process, address


def get(url, path):
    status, headers, text = fetch(url + path)
    check(status == 200 and headers["Content-Type"] == "application/json; charset=utf-8", path, status, headers["Content-Type"])
    return json.loads(text)


def run_to(log, tokens, *more):
    subprocess.run([RWKVMON, "run", "--prompt", "It was", "--tokens", str(tokens), "--log", log, "--quiet", *more], check=True,
                   stdout=subprocess.DEVNULL)


def steps_in(dir):
    """Steps in the logs there; an alarm's line holds one too, inside."""
    step = re.compile(r'^\{"timestamp":"[^"]*","session_id":"[^"]*","event_type":"inference_step"', re.M)
    return sum(len(step.findall(open(f"{dir}/{name}", errors="replace").read())) for name in os.listdir(dir))


def records(url):
    return sum(i["records"] for i in get(url, "/api/v1/instances")["instances"])


def metric(url, name):
    text = fetch(url + "/metrics")[2]
    return {m[1]: float(m[2]) for m in re.finditer(rf"^{name}\{{([^}}]*)\}} (\S+)$", text, re.M)}


def check_json(dir, url):
    await_true("all records", lambda: records(url) == steps_in(dir))
    instances = get(url, "/api/v1/instances")["instances"]
    check(len(instances) == 2 and all(not i["up"] and i["now"] for i in instances), instances)
    whole = get(url, "/api/v1/findings")
    check(whole["input"]["records"] == records(url), "findings of all:", whole["input"])
    for i in instances:
        one = get(url, "/api/v1/findings?" + urllib.parse.urlencode({"instance": i["instance"]}))
        check(one["input"]["records"] == i["records"] and len(one["sessions"]) == 1, "findings of one instance")
    check(fetch(url + "/api/v1/findings?instance=nobody")[0] == 404, "an unknown instance")
    check(fetch(url + "/api/v1/records?instance=nobody")[0] == 404, "records of an unknown instance")
    name = urllib.parse.urlencode({"instance": instances[0]["instance"]})
    for query in ("findings?instance=%00", f"findings?{name}%00", "findings?instance=", "findings?instanse=x", f"records?{name}&{name}",
                  "records?instance=" + "x" * 200, "records?n=%00", "records%00?n=1", "alarms?n=1", "instances?x"):
        check(fetch(url + "/api/v1/" + query)[0] == 400, "a query that would tell of more than was asked for:", query)
    check(fetch(url + "/events?about=")[0] == 400 and fetch(url + "/events?about=" + "x" * 128)[0] == 400, "events of no name, of one too long")
    some = get(url, "/api/v1/records?n=7")
    check(len(some) == 7 and some[-1]["record"]["event_type"], "records")
    check(all(a["record"]["event_type"].startswith("alarm") for a in get(url, "/api/v1/alarms")), "alarms")
    check(fetch(url + "/healthz")[2] == "ok\n", "healthz")
    tokens = metric(url, "rwkv_token_total")
    check(len(tokens) == 2 and sorted(tokens.values()) == [150, 250], "/metrics keeps instances apart:", tokens)


def check_findings_are_analyze(dir, url):
    """What serve knows of all logs is what analyze says of them, of a model that breaks, too."""
    lines = open(f"{dir}/a.log").read().replace("rwkv-sess-", "rwkv-sess-n").splitlines(True)
    with open(f"{dir}/broken.log", "w") as f:
        f.writelines(lines[:100] + [line.replace('"accuracy":{', '"accuracy":{"nan_logits":3,', 1) for line in lines[100:]])
    await_true("a broken model", lambda: records(url) == steps_in(dir))
    said = json.loads(subprocess.run([RWKVMON, "analyze", dir, "--format", "json"], check=True, capture_output=True, text=True).stdout)
    served = get(url, "/api/v1/findings")
    check({m for m, s in said["metrics"].items() if s} == {m for m, s in served["metrics"].items() if s}, "metrics")
    for m, s in ((m, s) for m, s in said["metrics"].items() if s):
        check(s["count"] == served["metrics"][m]["count"] and s["max"] == served["metrics"][m]["max"], m)
    check(said["anomalies"]["by_type"].get("non_finite"), "nothing is broken", said["anomalies"]["by_type"])
    check(said["anomalies"]["rule_set"] == served["anomalies"]["rule_set"], "rule set", served["anomalies"]["rule_set"])
    check(said["anomalies"]["by_type"] == served["anomalies"]["by_type"], "anomalies", said["anomalies"]["by_type"], served["anomalies"]["by_type"])


def check_findings_are_kept(dir, url):
    """Who asks again gets the same text; another page, instance or record has another one."""
    ask = lambda query="": fetch(url + "/api/v1/findings" + query)[2]
    first, names = ask(), [i["instance"] for i in get(url, "/api/v1/instances")["instances"]]
    others = [ask("?sessions=1&sessions_from=0"), *(ask("?instance=" + urllib.parse.quote(n)) for n in names)]
    check(len({first, *others}) == len(others) + 1, "answers to different questions are the same")
    check(ask() == first, "the same question, nothing new: another answer")
    before = records(url)
    with open(f"{dir}/more.log", "w") as f:
        f.writelines(line.replace("rwkv-sess-", "rwkv-sess-m") for line in open(f"{dir}/a.log"))
    await_true("more records", lambda: records(url) > before)
    await_true("what is new is in the findings", lambda: json.loads(ask())["input"]["records"] == records(url) > before)


def check_files_come(dir, url):
    run_to(f"{dir}/c.log", 500, "--log-rotate-bytes", "60000")
    check(len([f for f in os.listdir(dir) if f.startswith("c.")]) > 2, "no rotation took place")
    await_true("a rotated log, each record once", lambda: records(url) == steps_in(dir))
    with open(f"{dir}/d.log", "w") as f:
        f.write('{"broken\n\0\0\n[]\nnot json\n' + open(f"{dir}/a.log").read().replace("rwkv-sess-", "rwkv-sess-x").replace(":", ":", 1))
    await_true("what is whole of a damaged one", lambda: records(url) == steps_in(dir))


def check_compressed(dir, url):
    before = records(url)
    run_to(f"{dir}/e.tmp.zst", 90)
    os.rename(f"{dir}/e.tmp.zst", f"{dir}/e.log.zst")  # compressed logs are read as they stand
    await_true("a compressed log", lambda: records(url) == before + 91)


def await_looks(dir, url, name, looks=3):
    """Until serve has looked through the folder so often, each time for a log that was not there at the look before: what stood there at
    the beginning it has seen by then. How many records that added."""
    lines = open(f"{dir}/a.log").read().splitlines(True)[:2]
    for k in range(looks):
        before, session = records(url), f"rwkv-sess-{name}-{k}"
        with open(f"{dir}/look-{name}-{k}.log", "w") as f:
            f.writelines(json.dumps({**json.loads(line), "session_id": session}, separators=(",", ":")) + "\n" for line in lines)
        await_true("a look through the folder", lambda: records(url) > before)
    return looks


def check_copied_and_packed(dir, url):
    """logrotate's copytruncate, and its compression later: each record once, however fast the file grows again."""
    for name, rest in (("slow", 40), ("fast", 1000)):
        lines = [line.replace("rwkv-sess-", f"rwkv-sess-{name}-") for line in open(f"{dir}/a.log")]
        before, log = records(url), f"{dir}/{name}.log"
        with open(log, "a") as f:
            f.writelines(lines[:60])
            f.flush()
            await_true("the first lines", lambda: records(url) == before + 59)
            shutil.copy(log, log + ".1")
            os.truncate(log, 0)
            f.writelines(lines[60:60 + rest])
            f.flush()
            steps = sum('"event_type":"inference_step","' in line for line in lines[:60 + rest])
            await_true("a truncated log, each record once: " + name, lambda: records(url) == before + steps)
            more = await_looks(dir, url, name + "-copy")  # the copy is found, and is none
            check(records(url) == before + steps + more, "a copy counted twice:", name, records(url) - before - more, steps)
            subprocess.run(["gzip", log + ".1"], check=True)
            more += await_looks(dir, url, name + "-packed")
            check(records(url) == before + steps + more, "a packed log counted twice:", name)


def check_copy_of_what_went(dir, url):
    """A log and its first copy go together: the second copy is what goes on."""
    lines = [line.replace("rwkv-sess-", "rwkv-sess-heir-") for line in open(f"{dir}/a.log")]
    steps = [sum('"event_type":"inference_step","' in line for line in part) for part in (lines[:60], lines[60:90])]
    first, app, last = (f"{dir}/heir-{name}.log" for name in ("00", "app", "zz"))
    open(first, "w").close()
    open(app, "w").close()
    await_looks(dir, url, "heir-empty")
    before = records(url)
    with open(app, "w") as f:
        f.writelines(lines[:60])
    await_true("the log before it is copied", lambda: records(url) == before + steps[0])
    shutil.copy(app, first)
    shutil.copy(app, last)
    before += steps[0] + await_looks(dir, url, "heir-copied")
    os.unlink(app)
    os.unlink(first)
    before += await_looks(dir, url, "heir-gone", 5)  # what is gone is forgotten
    with open(last, "a") as f:
        f.writelines(lines[60:90])
    await_true("the rest, in the copy that is left", lambda: records(url) == before + steps[1])


def check_packed_in_place(dir, url):
    """A log that is compressed under its follower: at once, in steps that a slow disk makes, and while it is copied."""
    lines = open(f"{dir}/a.log").read().splitlines(keepends=True)
    for command, end in packers():
        for way in ("at once", "in steps"):
            log, before = f"{dir}/{command[0]} {way}.jsonl", records(url)
            mine = [line.replace("rwkv-sess-", f"rwkv-sess-{command[0]}-{way[0]}") for line in lines] * 20
            steps = sum('"event_type":"inference_step","' in line for line in mine)
            with open(log, "w") as f:
                f.writelines(mine)
            await_true("a log that is to be compressed", lambda: records(url) == before + steps)
            if way == "at once":
                subprocess.run([*command, log], check=True)
            else:
                packed = subprocess.run([command[0], "-c", log], capture_output=True, check=True).stdout
                with open(log + end, "wb") as f:
                    for at in range(0, len(packed), len(packed) // 4 + 1):
                        time.sleep(1.2)  # found empty, then as it grows
                        f.write(packed[at:at + len(packed) // 4 + 1])
                        f.flush()
                os.unlink(log)
            more = await_looks(dir, url, command[0] + way.replace(" ", "-"), 5)  # what is gone is forgotten, what is new is found
            check(records(url) == before + steps + more, "a log counted twice:", command, way, records(url) - before - steps - more)
    before = records(url)
    head = [line.replace("rwkv-sess-", "rwkv-sess-w") for line in lines]
    with open(f"{dir}/copied.log", "w") as f:
        f.writelines(head)
    await_true("a log that is to be copied", lambda: records(url) == before + 151)
    with open(f"{dir}/copied.log.1", "w") as f:
        f.write("".join(head)[:300])  # less than what a file is known by
        f.flush()
        more = await_looks(dir, url, "piece")
        f.write("".join(head)[300:])
    os.truncate(f"{dir}/copied.log", 0)
    more += await_looks(dir, url, "pieces")
    check(records(url) == before + 151 + more, "a copy that comes in pieces counted twice:", records(url) - before - 151 - more)


def check_odd_entries(dir, url, server):
    """What cannot be read is told once and costs itself alone; when it can be, it is."""
    os.symlink(f"{dir}/later.txt", f"{dir}/link.log")
    os.mkfifo(f"{dir}/pipe.log")
    said = lines_of(server.stderr)
    for words in ("link.log: left out: ", "pipe.log: left out: a pipe"):
        await_true("said: " + words, lambda: any(words in s for s in said))
    before = records(url)
    text = open(f"{dir}/b.log").read().replace("rwkv-sess-", "rwkv-sess-z")
    with open(f"{dir}/later.txt", "w") as f:
        f.write(text)
    await_true("a link that leads somewhere now", lambda: records(url) == before + 251)


def write_run(dir, k, lines):
    """A short run of an instance of its own: its start, some steps, its end."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    with open(f"{dir}/run-{k:05}.log", "w") as f:
        for line in lines:
            entry = json.loads(line)
            entry.update(session_id=f"rwkv-sess-{k:06}", instance=f"host:{k}", timestamp=now)
            f.write(json.dumps(entry, separators=(",", ":")) + "\n")


FULL = 6144  # runs after which all tables are: of all, 1,024 sessions and 3,072 instances; the overview and its successor hold 4,096 + 2,048
RUN_KIB = 120  # of memory that one of the first runs takes, at most; later ones take a third of it: what all share is there then


def check_flat(curve):
    """Threads and descriptors never grow; memory by so much a run until all tables are full, and then no more."""
    first, last = curve[0], curve[-1]
    check(len(curve) > 2, "too few measurements to tell growth", curve)
    check(last[1] <= first[1] and last[2] <= first[2] + 8, "threads or descriptors grow:", first, last)
    full = [c for c in curve if c[0] >= FULL]
    if len(full) > 1:
        check(last[3] <= 1.1 * full[0][3] + 4096, "memory grows: KiB", full[0], last)
        return
    if last[0] > 1000:  # asked for by somebody who looks at memory
        skipped("serve_test: memory that no longer grows: it takes more than %d runs (RWKVMON_RUNS)" % FULL)
    if "RWKVMON_FEWER" not in os.environ:  # a sanitizer's is its own
        check(last[3] <= first[3] + RUN_KIB * (last[0] - first[0]), "memory grows: KiB", first, last)


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def check_silent_connections(url):
    """990 connections that say nothing, then ten times one more and a scrape: each scrape is answered, and one at least while the silent
    connection that was opened before it is still open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        return skipped("serve_test: a thousand connections: too few descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    port = urllib.parse.urlparse(url).port
    silent = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(990)]
    still = 0
    for _ in range(10):
        silent.append(socket.create_connection(("127.0.0.1", port), PATIENCE))
        check(fetch(url + "/metrics")[0] == 200, "a scrape among silent connections")
        still += is_open(silent[-1])
    check(still, "no scrape was answered before the silent connection that was opened before it was given up")
    for s in silent:
        s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def check_runs_come_and_go(template, runs=int(os.environ.get("RWKVMON_RUNS", "400"))):
    """Thousands of short runs, each with a log of its own that is deleted later: the newest is shown, nothing grows."""
    dir = scratch()
    server, url = start_serve(dir)
    lines = [template[0], *template[1:6], template[-1]]
    proc = f"/proc/{server.pid}"
    size = lambda: int(re.search(r"VmRSS:\s+(\d+)", open(proc + "/status").read())[1])
    counts = lambda: (len(os.listdir(proc + "/task")), len(os.listdir(proc + "/fd")), size())
    logs_open = lambda: [f for f in os.listdir(proc + "/fd") if ".log" in os.readlink(f"{proc}/fd/{f}")]
    curve = []
    for first in range(0, runs, 50):
        for k in range(first, min(first + 50, runs)):
            write_run(dir, k, lines)
        newest = f"host:{min(first + 50, runs) - 1}"
        await_true("the newest run on the page: " + newest,
                   lambda: newest in [i["instance"] for i in get(url, "/api/v1/instances")["instances"]])
        await_true("and among the metrics", lambda: f'"{newest}"' in fetch(url + "/metrics")[2])
        for name in os.listdir(dir):
            os.unlink(f"{dir}/{name}")
        await_true("descriptors of logs that are gone", lambda: not logs_open())
        curve.append((min(first + 50, runs), *counts()))
        if runs > 1000 and len(curve) % 20 == 0:
            print("runs %d: %d threads, %d descriptors, %d KiB" % curve[-1], flush=True)
    check_flat(curve)
    check(len(os.listdir(proc + "/task")) <= 8, "threads:", len(os.listdir(proc + "/task")))
    check(len(os.listdir(proc + "/fd")) <= 160, "descriptors:", len(os.listdir(proc + "/fd")))
    # The tables, when they are full, and what is made of them while the page is: 276 MB.
    check(size() < (1024 if "RWKVMON_FEWER" in os.environ else 350) * 1024, "memory: KiB", size())  # a sanitizer's is its own
    check(get(url, "/api/v1/instances")["gone"] >= runs - 40, "who made room is counted")
    check(stop(server) == 0, "serve ended badly")


def check_kept_lines(dir, url):
    """Rows of several instances in one file, words and lines that are none between them: each line is kept as it is."""
    lines = []
    for i in range(900):
        entry = {"timestamp": "2025-09-11T12:34:%02d.000Z" % (i // 15), "session_id": f"rwkv-sess-k{i % 6}",
                 "event_type": "inference_step", "instance": f"kept:{i % 3}", "sequence_length": i + 1,
                 "token_count": 1, "performance": {"token_latency_ms": i / 4}, "metadata": {"model_name": f"m{i % 2}"}}
        entry.update({"text": f"w{i}\n\u00e9"} if i % 5 == 0 else {}, **({"tokens": [i, 7]} if i % 7 == 0 else {}))
        lines += [entry] + (["{broken", ""] if i % 11 == 0 else [])
    before = records(url)
    with open(f"{dir}/kept.log", "w") as f:
        f.writelines((json.dumps(line) if isinstance(line, dict) else line) + "\n" for line in lines)
    await_true("all of a log of several instances", lambda: records(url) == before + 900)
    entries = [line for line in lines if isinstance(line, dict)]
    for k in range(3):
        mine = [e for e in entries[-512:] if e["instance"] == f"kept:{k}"]
        kept = [r["record"] for r in get(url, f"/api/v1/records?n=512&instance=kept:{k}")]
        told = lambda e: {key: e.get(key) for key in ("session_id", "sequence_length", "text", "performance")}
        check([told(e) for e in kept] == [told(e) for e in mine], "kept lines of an instance", k)
        one = get(url, f"/api/v1/findings?instance=kept:{k}")
        check(one["input"]["records"] == 300 and len(one["sessions"]) == 2, "findings of one of several instances")
        check(one["metrics"]["token_latency_ms"]["max"] == (897 + k) / 4, "its greatest value")


def check_future(dir, url):
    """One record of the next century does not stay the newest one."""
    step = lambda year, n: json.dumps({"timestamp": f"{year}-01-01T00:00:00.000Z", "session_id": "ahead", "event_type": "inference_step",
                                       "sequence_length": n, "token_count": 1, "instance": "ahead:1"}) + "\n"
    with open(f"{dir}/ahead.log", "w") as f:
        f.writelines([step(2025, 1), step(2098, 2)])
    of = lambda: next((i for i in get(url, "/api/v1/instances")["instances"] if i["instance"] == "ahead:1"), {"records": 0})
    await_true("a record of the future", lambda: of()["records"] == 2)
    check(of()["last"] < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5)), "the newest record", of()["last"])


def check_actions(dir, url):
    """What was done about a loop: counted beside the instance, on its page and in /metrics."""
    run_to(f"{dir}/acted.log", 800, "-t", "0", "--on", "mode_collapse=rewind", "--instance", "acts")
    done = open(f"{dir}/acted.log").read().count('"action":"rewind"')
    check(done > 0, "nothing was done about a loop")
    of = lambda: next((i["actions"] for i in get(url, "/api/v1/instances")["instances"] if i["instance"] == "acts"), {})
    await_true("actions of an instance", lambda: of().get("rewind") == done)
    text = next(i["actions_text"] for i in get(url, "/api/v1/instances")["instances"] if i["instance"] == "acts")
    check("went back" in text, text)
    check(sum(v for labels, v in metric(url, "rwkv_actions_total").items() if 'action="rewind"' in labels) == done, "rwkv_actions_total")


def check_many_instances():
    """More instances than are shown, their lines in turn: each line counts for its instance, or as left out."""
    dir = scratch()
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    with open(f"{dir}/many.log", "w") as f:
        for n in range(3):
            f.writelines(json.dumps({"timestamp": now, "session_id": f"s{i}", "event_type": "inference_step", "sequence_length": n + 1,
                                     "token_count": 1, "instance": f"h{i}:1"}) + "\n" for i in range(1200))
    server, url = start_serve(dir)
    seen = lambda: get(url, "/api/v1/instances")
    await_true("all lines", lambda: sum(i["records"] for i in seen()["instances"]) + seen()["left_out"] >= 3600 or seen()["gone"])
    told = seen()
    if told["gone"]:  # read so slowly that the first ones were silent by then, and made room
        skipped("serve_test: more instances than are shown: this machine is too slow")
    else:
        check(len(told["instances"]) == 1024 and told["left_out"] == 176 * 3, "left out", len(told["instances"]), told["left_out"])
        check(all(i["records"] == 3 for i in told["instances"]), "records of each instance")
    check(stop(server) == 0, "serve ended badly")


def check_refusals(url):
    for path in ("/../serve.py", "/%2e%2e%2fserve.py", "/live.js/..", "/api/v1", "/api/v1/findings/", "/etc/passwd", "/a.log"):
        check(fetch(url + path)[0] == 404, path)
    for query in ("records?n=abc", "records?n=-1", "records?n=1x", "findings?sessions=x", "findings?sessions=-5", "findings?sessions_from=1.5",
                  "records?n=513", "records?n=99999999999999999999", "findings?sessions=1001", "findings?sessions_from=10001"):
        status, _, text = fetch(url + "/api/v1/" + query)
        check(status == 400 and "expected a whole number" in text, query, status, text[:100])
    check(fetch(url + "/api/v1/instances", method="DELETE")[0] == 405, "DELETE")
    policy = fetch(url + "/")[1]["Content-Security-Policy"]
    check("script-src 'self'" in policy and "unsafe" not in policy, policy)


if "live page: libmicrohttpd" not in subprocess.run([RWKVMON, "--version"], capture_output=True, text=True).stdout:
    skipped("serve_test: this build has no HTTP server (libmicrohttpd was missing)")
    sys.exit(77)
check(subprocess.run([RWKVMON, "serve"], capture_output=True).returncode == 2, "no log is named")
dir = scratch()
check(subprocess.run([RWKVMON, "serve", f"{dir}/none.log"], capture_output=True, timeout=60).returncode == 3, "no such log")
server, url = start_serve(dir)  # an empty directory
check(get(url, "/api/v1/instances") == {"instances": [], "left_out": 0, "gone": 0}, "nothing yet")
run_to(f"{dir}/a.log", 150)
run_to(f"{dir}/b.log", 250)
check_json(dir, url)
check_findings_are_analyze(dir, url)
check_findings_are_kept(dir, url)
check_files_come(dir, url)
check_compressed(dir, url)
check_copied_and_packed(dir, url)
check_copy_of_what_went(dir, url)
check_packed_in_place(dir, url)
check_odd_entries(dir, url, server)
check_kept_lines(dir, url)
check_actions(dir, url)
check_future(dir, url)
check_refusals(url)
check_silent_connections(url)
check(stop(server) == 0, "serve ended badly")  # with a pipe in the directory, too
check_many_instances()
check_runs_come_and_go(open(f"{dir}/a.log").read().splitlines())
print("serve_test: passed")
