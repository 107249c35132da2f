"""`rwkvmon serve` from outside: JSON, /metrics of several instances, files that come, rotate and are damaged.
    serve.py BUILD_DIR"""
import json, re, subprocess, sys
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
    some = get(url, "/api/v1/records?n=7")
    check(len(some) == 7 and some[-1]["record"]["event_type"], "records")
    check(all(a["record"]["event_type"].startswith("alarm") for a in get(url, "/api/v1/alarms")), "alarms")
    check(fetch(url + "/healthz")[2] == "ok\n", "healthz")
    tokens = metric(url, "rwkv_token_total")
    check(len(tokens) == 2 and sorted(tokens.values()) == [150, 250], "/metrics keeps instances apart:", tokens)


def check_findings_are_analyze(dir, url):
    """What serve knows of all logs is what analyze says of them."""
    said = json.loads(subprocess.run([RWKVMON, "analyze", dir, "--format", "json", "--rules", "thresholds"], check=True,
                                     capture_output=True, text=True).stdout)
    served = get(url, "/api/v1/findings")
    check({m for m, s in said["metrics"].items() if s} == {m for m, s in served["metrics"].items() if s}, "metrics")
    for m, s in ((m, s) for m, s in said["metrics"].items() if s):
        check(s["count"] == served["metrics"][m]["count"] and s["max"] == served["metrics"][m]["max"], m)
    check(said["anomalies"]["by_type"] == served["anomalies"]["by_type"], "anomalies")


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


def check_refusals(url):
    for path in ("/../serve.py", "/%2e%2e%2fserve.py", "/live.js/..", "/api/v1", "/api/v1/findings/", "/etc/passwd", "/a.log"):
        check(fetch(url + path)[0] == 404, path)
    check(fetch(url + "/api/v1/instances", method="DELETE")[0] == 405, "DELETE")
    policy = fetch(url + "/")[1]["Content-Security-Policy"]
    check("script-src 'self'" in policy and "unsafe" not in policy, policy)


if "live page: libmicrohttpd" not in subprocess.run([RWKVMON, "--version"], capture_output=True, text=True).stdout:
    skipped("serve_test: this build has no HTTP server (libmicrohttpd was missing)")
    sys.exit(77)
check(subprocess.run([RWKVMON, "serve"], capture_output=True).returncode == 2, "no log is named")
check(subprocess.run([RWKVMON, "serve", "/nonexistent"], capture_output=True).returncode == 3, "no such log")
dir = scratch()
server, url = start_serve(dir)  # an empty directory
check(get(url, "/api/v1/instances") == {"instances": [], "left_out": 0}, "nothing yet")
run_to(f"{dir}/a.log", 150)
run_to(f"{dir}/b.log", 250)
check_json(dir, url)
check_findings_are_analyze(dir, url)
check_files_come(dir, url)
check_compressed(dir, url)
check_refusals(url)
check(stop(server) == 0, "serve ended badly")
print("serve_test: passed")
