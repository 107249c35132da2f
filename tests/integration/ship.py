"""`rwkvmon ship` against an engine that misbehaves on command: nothing is lost, nothing counts twice, nothing private leaves.

What the real engine does with it is tested in engine_test.sh."""
import http.server, json, os, shutil, signal, subprocess, sys, threading, time, urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import await_true, check, packers, scratch, start, stop
import fleet

rwkvmon = os.path.abspath(sys.argv[1]) + "/rwkvmon"
dir = scratch()
os.chdir(dir)


class Engine(http.server.BaseHTTPRequestHandler):
    """Takes lines as VictoriaLogs does. `mode` says how it fails."""
    mode = "fine"
    taken, requests = [], []
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with Engine.lock:
            mode = Engine.mode
            Engine.requests.append((mode, self.path, dict(self.headers), len(body)))
            if mode in ("fine", "forgets to answer"):
                Engine.taken += [json.loads(line) for line in body.decode().splitlines()]
        if mode == "forgets to answer":
            self.connection.close()
            return
        status = {"fine": 200, "busy": 503, "locked": 401, "refuses": 400}[mode]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def reset(mode="fine"):
    with Engine.lock:
        Engine.mode = mode
        Engine.taken, Engine.requests = [], []


def ship(*args, code=0, **more):
    done = subprocess.run([rwkvmon, "ship", *args, "--to", url, "--lang", "en"], capture_output=True, text=True, **more)
    check(done.returncode == code, "ship", args, "ended with", done.returncode, done.stderr)
    return done.stderr


def steps_of(*logs):
    """What the logs hold: steps, tokens, alarms by instance."""
    sums = {}
    for path in logs:
        for line in open(path):
            r = json.loads(line)
            of = sums.setdefault(r["instance"], {"records": 0, "tokens": 0, "alarms": 0, "latency": 0.0})
            if r["event_type"] == "inference_step":
                of["records"] += 1
                of["tokens"] += r["token_count"]
                of["latency"] += r["performance"]["token_latency_ms"]
            of["alarms"] += r["event_type"] == "alarm"
    return sums


def arrived():
    """The same from what was taken, each line once: roll-ups by id, the rest by session and number."""
    sums, seen = {}, set()
    for r in Engine.taken:
        key = r["rollup"]["id"] if r["event_type"] == "rollup" else (r["event_type"], r["instance"], r["session_id"], r.get("record"), r["timestamp"])
        if key in seen:
            continue
        seen.add(key)
        of = sums.setdefault(r["instance"], {"records": 0, "tokens": 0, "alarms": 0, "latency": 0.0})
        if r["event_type"] == "rollup":
            of["records"] += r["rollup"]["records"]
            of["tokens"] += r["rollup"]["tokens"]
            for part in ("metrics", "prefill"):
                of["latency"] += r["rollup"].get(part, {}).get("token_latency_ms", {}).get("sum", 0)
        of["alarms"] += r["event_type"] == "alarm"
    return sums


def same(a, b):
    return a.keys() == b.keys() and all(
        {k: v for k, v in a[i].items() if k != "latency"} == {k: v for k, v in b[i].items() if k != "latency"}
        and abs(a[i]["latency"] - b[i]["latency"]) < 1e-6 * max(1, b[i]["latency"]) for i in a)


# --- what is sent ---------------------------------------------------------------------------------
fleet.write("logs", {f"host{i}": {"steps": 300, "sessions": 3} for i in range(5)})
logs = [f"logs/{name}" for name in sorted(os.listdir("logs"))]
want = steps_of(*logs)
open("token", "w").write("open-sesame\n")
said = ship("logs", "--once", "--to-token", "@token")
check("0 wait in the spool; 0 were lost" in said, said)
check(same(arrived(), want), "sums differ", arrived(), want)
path, headers = Engine.requests[0][1:3]
query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
check(urllib.parse.urlsplit(path).path == "/insert/jsonline" and query["_time_field"] == ["timestamp"], path)
check("session_id" not in query["_stream_fields"][0] and "instance" in query["_stream_fields"][0].split(","), query)
check(headers["Authorization"] == "Bearer open-sesame", headers)
check(all(r["event_type"] != "inference_step" for r in Engine.taken), "steps were shipped")
check(all(size <= 1 << 20 for _, _, _, size in Engine.requests), "a request is too large")
Engine.taken = []
ship("logs", "--once")
check(not Engine.taken, "shipped a second time", len(Engine.taken))

# Each line is of format 1, and short streams share their instance's roll-up.
schema = json.loads(subprocess.run([rwkvmon, "export", "schema"], capture_output=True, text=True, check=True).stdout)
try:
    import jsonschema
    shutil.rmtree("logs/rwkv_ship.spool")
    ship("logs", "--once")
    for r in Engine.taken:
        jsonschema.validate(r, schema)
except ImportError:
    print("SKIPPED: lines against the schema: python3-jsonschema is not installed", flush=True)
shutil.rmtree("logs/rwkv_ship.spool")

# --- what stays here ---------------------------------------------------------------------------------
reset()
secret = {"text": "SECRET text", "tokens": [90210, 90211], "label": "SECRET label", "own": {"note": "SECRET own"}}
step = {"timestamp": "2025-09-11T12:00:00.000Z", "session_id": "s1", "event_type": "inference_step", "sequence_length": 1, "phase": "decode",
        "token_count": 1, "performance": {"token_latency_ms": 9, "note": "SECRET metric"}, "instance": "h:1", **secret}
alarm = {"timestamp": "2025-09-11T12:00:01.000Z", "session_id": "s1", "event_type": "alarm", "alarm_type": "high_latency", "severity": "warning",
         "details": step, "instance": "h:1", "record": 2, "rule": "r", "value": 9, "limit": 5, "own": "SECRET"}
begin = {"timestamp": "2025-09-11T12:00:00.000Z", "session_id": "s1", "event_type": "session_start", "instance": "h:1", "record": 0,
         "metadata": {"model_name": "m", "label": "SECRET label", "request_id": "SECRET request"}}
with open("private.log", "w") as f:
    f.writelines(json.dumps(r) + "\n" for r in (begin, step, alarm))
ship("private.log", "--once")
text = json.dumps(Engine.taken)
check("SECRET" not in text and "90210" not in text, "left the host:", text)
sent = [r for r in Engine.taken if r["event_type"] == "alarm"]
check(len(sent) == 1 and sent[0]["value"] == 9 and sent[0]["details"]["performance"] == {"token_latency_ms": 9}, sent)
shutil.rmtree("rwkv_ship.spool")
reset()
ship("private.log", "--once", "--ship-text")
check([r for r in Engine.taken if r["event_type"] == "alarm"] == [alarm], "as the log has it", Engine.taken)
shutil.rmtree("rwkv_ship.spool")

# --- behind a line whose end never comes -----------------------------------------------------------------
reset()
os.mkdir("docker")
wrapped = lambda text, stream: json.dumps({"log": text, "stream": stream, "time": "2025-09-11T12:34:56.789Z"}) + "\n"
with open("docker/a.log", "w") as f:
    f.write(wrapped("Killed", "stderr"))
    f.writelines(wrapped(line, "stdout") for line in open(logs[0]))
ship("docker", "--once")
check(same(arrived(), steps_of(logs[0])), "behind a line whose end never comes", arrived())
ship("docker", "--once")
check(same(arrived(), steps_of(logs[0])), "behind it, a second time", arrived())

# --- an engine that fails -------------------------------------------------------------------------------
reset("busy")
shipping = start([rwkvmon, "ship", "logs", "--to", url, "--spool", "spool", "-q"], stderr=subprocess.PIPE, text=True)
await_true("a request", lambda: Engine.requests)
stop(shipping, signal.SIGTERM)
check(any("-rollups-" in name for name in os.listdir("spool")), "nothing waits", os.listdir("spool"))
reset("forgets to answer")
shipping = start([rwkvmon, "ship", "logs", "--to", url, "--spool", "spool", "-q"], stderr=subprocess.PIPE, text=True)
await_true("lines that come without an answer", lambda: len(Engine.requests) >= 2)
with Engine.lock:
    Engine.mode = "locked"
await_true("a request that is refused for its token", lambda: any(mode == "locked" for mode, *_ in Engine.requests))
with Engine.lock:
    Engine.mode = "fine"
stop(shipping, signal.SIGTERM)
said = ship("logs", "--once", "--spool", "spool")
check("0 wait in the spool; 0 were lost" in said, said)
check(len(Engine.taken) > len({json.dumps(r) for r in Engine.taken}), "no line came twice: the test shows nothing")
check(same(arrived(), want), "after an engine that failed", arrived(), want)

reset("refuses")
said = ship("logs", "--once", "--spool", "refused", code=4)
check("were lost" in said and " 0 were lost" not in said and "status 400" in said, said)
reset()
said = ship("logs", "--once", "--spool", "refused")
check(sum(r["dropped"] for r in Engine.taken if r["event_type"] == "gap") == sum(i["records"] for i in want.values()), "what was refused is told by the next one", Engine.taken)

# --- killed while it reads: what was not in the spool is read again -----------------------------------------
reset()
os.mkdir("grown")
whole = open(logs[0]).read().splitlines(keepends=True)
with open("grown/a.log", "w") as f:
    f.writelines(whole[:200])
shipping = start([rwkvmon, "ship", "grown", "--to", url, "-q"])
await_true("the session's start", lambda: any(r["event_type"] == "session_start" for r in Engine.taken))
stop(shipping, signal.SIGKILL)
with open("grown/a.log", "a") as f:
    f.writelines(whole[200:])
ship("grown", "--once")
want_one = steps_of(logs[0])
check(same(arrived(), want_one), "after a kill", arrived(), want_one)

# A log that was rotated while nobody shipped is not read again.
reset()
os.rename("grown/a.log", "grown/a.log.1")
open("grown/a.log", "w").writelines(open(logs[1]))
ship("grown", "--once")
check(same(arrived(), steps_of(logs[1])), "after a rotation", arrived())

# --- logs that are compressed, while they are shipped and while nobody ships: each line arrives, and once -------
def await_looks(folder, name, looks=5):
    """Until ship has looked through the folder so often, each time for a log that was not there at the look before. What those hold."""
    for k in range(looks):
        session = f"look-{name}-{k}"
        with open(f"{folder}/{session}.jsonl", "w") as f:
            f.write(json.dumps({**json.loads(whole[0]), "session_id": session, "instance": "look:1"}) + "\n")
        await_true("a look through the folder", lambda: any(r["session_id"] == session for r in Engine.taken))


for command, end in packers():
    reset()
    os.mkdir(command[0])
    log = f"{command[0]}/a.jsonl"
    with open(log, "w") as f:
        f.writelines(whole[:150])
    shipping = start([rwkvmon, "ship", command[0], "--to", url, "-q"])
    await_true("the session's start", lambda: any(r["event_type"] == "session_start" for r in Engine.taken))
    subprocess.run([*command, log], check=True)
    await_looks(command[0], "packed")  # what is gone is forgotten, what is new is found
    stop(shipping, signal.SIGTERM)
    with open(f"{command[0]}/want", "w") as f:
        f.writelines(whole[:150])
    check(same({i: s for i, s in arrived().items() if i != "look:1"}, steps_of(f"{command[0]}/want")), "compressed while it is shipped", command, arrived())
    reset()
    subprocess.run([*command, "-d", log + end], check=True)
    with open(log, "a") as f:
        f.writelines(whole[150:])
    subprocess.run([*command, log], check=True)
    ship(command[0], "--once")
    with open(f"{command[0]}/want", "w") as f:
        f.writelines(whole[150:])
    check(same(arrived(), steps_of(f"{command[0]}/want")), "written to and compressed while nobody shipped", command, arrived())

# --- stopped while it reads a long log: what was read is in the spool, the rest is read by the next one ----------
reset()
os.mkdir("long")
with open("long/a.log", "w") as f:
    for i in range(400000):
        f.write('{"timestamp":"2025-09-11T12:%02d:%02d.%03dZ","session_id":"s1","event_type":"inference_step","sequence_length":%d,'
                '"phase":"decode","token_count":1,"performance":{"token_latency_ms":1},"instance":"h:1"}\n'
                % (i // 60000, i // 1000 % 60, i % 1000, i + 1))
for k in range(30):  # at whatever moment of its reading, on a fast machine and on a slow one
    shipping = start([rwkvmon, "ship", "long", "--to", url, "-q"])
    time.sleep(0.01 * k)
    stop(shipping, signal.SIGTERM)
ship("long", "--once")
check(arrived()["h:1"]["records"] == 400000, "stopped while it reads", arrived())

# Stopped before it has looked at a log: the places that the spool has stay there.
def end_awaits():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)


for _ in range(20):
    start([rwkvmon, "ship", "long", "--to", url, "-q"], preexec_fn=end_awaits).wait()
ship("long", "--once")
check(arrived()["h:1"]["records"] == 400000, "stopped before it has read", arrived())

# --- alarms do not wait for the minute -----------------------------------------------------------------------
reset()
os.mkdir("live")
open("live/a.log", "w").write(json.dumps(begin) + "\n")
shipping = start([rwkvmon, "ship", "live", "--to", url, "-q"])
await_true("the session", lambda: Engine.taken)
with open("live/a.log", "a") as f:
    f.write(json.dumps(alarm) + "\n")
await_true("the alarm", lambda: any(r["event_type"] == "alarm" for r in Engine.taken))
second = subprocess.run([rwkvmon, "ship", "live", "--to", url], capture_output=True, text=True)
check(second.returncode == 4 and "used by another process" in second.stderr, second)
stop(shipping, signal.SIGTERM)

# --- wrong use ------------------------------------------------------------------------------------------------
for args, words in (([], "no log is named"), (["logs"], "--to is missing"), (["logs", "--to", "host:9428"], "begins with http://"),
                    (["logs", "--to", url, "--spool-mb", "0"], "a whole number from 1"), (["nowhere.log", "--to", url, "--spool", "x"], "cannot be opened")):
    done = subprocess.run([rwkvmon, "ship", *args, "--lang", "en"], capture_output=True, text=True)
    check(done.returncode in (2, 3) and words in done.stderr, args, done)
print("passed")
