#!/usr/bin/env python3
"""What the proxy does to requests and what it writes about them, before the stand-in of upstream.py.

    proxy_check.py PROGRAM DIRECTORY

Checks by counts and bytes, never by the clock."""
import atexit
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

program, directory = os.path.abspath(sys.argv[1]), sys.argv[2]
here = os.path.dirname(os.path.abspath(__file__))
os.chdir(directory)
failed = False


def ok(what, condition, *more):
    global failed
    print(("ok: " if condition else "not ok: ") + what, *([] if condition else [repr(m)[:600] for m in more]))
    failed = failed or not condition


def wait_for(condition):
    """True as soon as it holds; the time only ends a test that hangs."""
    until = time.time() + 120
    while not condition():
        if time.time() > until:
            return False
        time.sleep(0.02)
    return True


def sockets(state, where, port):
    """Bytes (of a socket that listens: clients) that wait in each TCP socket of that state and port."""
    found = []
    for line in open("/proc/net/tcp"):
        word = line.split()
        if word[3] == state and int(word[where].split(":")[1], 16) == port:
            found.append(int(word[4].split(":")[1], 16))
    return found


def clients_before(port):
    return sum(sockets("0A", 1, port))


def bytes_from(port):
    return sum(sockets("01", 2, port))


class Upstream:
    asked = 0

    def __init__(self, name, *certificate):
        self.seen_file = name + ".seen"
        self.process = subprocess.Popen([sys.executable, here + "/upstream.py", name + ".port", self.seen_file, *certificate])
        atexit.register(self.process.kill)
        assert wait_for(lambda: os.path.exists(name + ".port")), "the stand-in did not start"
        self.port = int(open(name + ".port").read())

    def seen(self):
        return [json.loads(line) for line in open(self.seen_file)]

    def requests(self, target):
        return [s for s in self.seen() if s.get("target") == target]

    def ended(self, model):
        return [s for s in self.seen() if s.get("ended") == model]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Proxy:
    asked = 0

    def __init__(self, name, upstream, *options):
        self.log, self.said = name + ".log", name + ".said"
        with open(self.said, "w") as said:
            self.process = subprocess.Popen([program, "proxy", "--upstream", upstream, "--bind", "127.0.0.1:0", "--log", self.log,
                                             "--lang", "en", *options], stderr=said)
        atexit.register(self.process.kill)
        assert wait_for(lambda: self.process.poll() is not None or "\nlog: " in open(self.said).read()), "the proxy did not start"
        self.port = int(open(self.said).read().split("127.0.0.1:")[1].split()[0])

    def metrics(self):
        url = [line for line in open(self.said) if "/metrics" in line][0].split("/")[2]
        c = http.client.HTTPConnection(url)
        c.request("GET", "/metrics")
        return c.getresponse().read().decode()

    def records(self):
        return [json.loads(line) for line in open(self.log)]

    def steps(self, sequence=None):
        return [r for r in self.records() if r["event_type"] == "inference_step" and sequence in (None, key_of(r))]

    def resident_kib(self):
        return int([x for x in open(f"/proc/{self.process.pid}/status") if x.startswith("VmRSS")][0].split()[1])

    def leaves(self, waiting):
        """It sleeps although something waits for it: what it would take wakes it at once."""
        return all(open(f"/proc/{self.process.pid}/stat").read().split(") ")[1][0] == "S" and waiting() for _ in range(5))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def key_of(r):
    return r["session_id"], r["sequence"]


def ends(proxy):
    """The last record of each request."""
    return [r for r in proxy.steps() if "request_duration_ms" in r.get("performance", {})]


def ask(whom, body, target="/v1/chat/completions", method="POST", headers=None):
    whom.asked += method == "POST" and "completions" in target
    c = http.client.HTTPConnection("127.0.0.1", whom.port, timeout=60)
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    c.request(method, target, data, {"Content-Type": "application/json", **(headers or {})})
    r = c.getresponse()
    try:
        text = r.read()
    except http.client.IncompleteRead as e:
        return r, e.partial, True
    return r, text, False


def send_raw(port, data, read=True):
    s = socket.create_connection(("127.0.0.1", port), 60)
    try:
        s.sendall(data)
        got = b""
        while read:
            part = s.recv(65536)
            if not part:
                break
            got += part
        return got
    except OSError:
        return b""
    finally:
        s.close()


def open_stream(whom, body):
    whom.asked += 1
    data = json.dumps({"stream": True, **body}).encode()
    s = socket.create_connection(("127.0.0.1", whom.port), 60)
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    return s


def last_end(proxy):
    """The end of the request that was asked last, once it is written."""
    wait_for(lambda: len(ends(proxy)) >= proxy.asked)
    found = ends(proxy)
    return found[-1] if len(found) == proxy.asked else {}


up = Upstream("up")
proxy = Proxy("p", f"http://127.0.0.1:{up.port}", "--listen", "127.0.0.1:0")
base = "/v1/chat/completions"

# --- what passes -------------------------------------------------------------------------------------------------------
body = b'{ "model":"m",  "stream": true, "tokens":3, "x": "\\u00e9\xc3\xa9", "stream_options":{"include_usage":true}}'
r, text, cut = ask(proxy, body, headers={"Authorization": "Bearer sk-SECRET", "X-Own": "1", "X-Hop": "2",
                                              "Connection": "X-Hop", "TE": "trailers", "Proxy-Authorization": "x", "Cookie": "a=SECRET"})
sent = up.requests(base)[-1]
names = {n.lower(): v for n, v in sent["headers"]}
_, direct, _ = ask(up, body)
ok("a request's body arrives unchanged", sent["body"].encode("latin-1") == body, sent)
ok("a stream comes back unchanged", text == direct and not cut and b"[DONE]" in text, text)
ok("end-to-end headers go up", names.get("authorization") == "Bearer sk-SECRET" and names.get("x-own") == "1" and "cookie" in names, names)
ok("hop-by-hop headers end here", not {"x-hop", "te", "proxy-authorization", "connection", "expect"} & set(names), names)
ok("Host names the upstream", names["host"] == f"127.0.0.1:{up.port}", names)
ok("end-to-end headers come down", r.getheader("X-Kept") == "yes" and r.getheader("Server") == "stand-in")
ok("hop-by-hop headers of the answer end here", r.getheader("X-Hop") is None and r.getheader("Keep-Alive") is None)
r, text, _ = ask(proxy, {"model": "m", "tokens": 4}, "/v1/completions?a=%2F..%2f&b=%20")
ok("the target is not touched", up.seen()[-1]["target"] == "/v1/completions?a=%2F..%2f&b=%20", up.seen()[-1])
ok("headers that come twice come twice", r.headers.get_all("X-Twice") == ["a", "b"])
for method in "GET", "DELETE", "OPTIONS", "PUT", "PATCH":
    r, text, _ = ask(proxy, None if method in ("GET", "OPTIONS") else b"{}", "/v1/models", method)
    ok(f"{method} goes on as {method}", up.seen()[-1]["method"] == method and r.status == 200, up.seen()[-1])
r, text, _ = ask(proxy, None, "/v1/models", "HEAD")
ok("HEAD has a length and no body", int(r.getheader("Content-Length")) > 9 and text == b"")
r, text, _ = ask(proxy, None, "/none", "GET")
ok("an error of the upstream is handed on", r.status == 404 and json.loads(text)["error"]["message"] == "no such thing")
r, text, _ = ask(proxy, {"model": "continue"})
ok("100 Continue of the upstream is not the answer", r.status == 200)
proxy.asked += 1
got = send_raw(proxy.port, b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
               b"6\r\n{\"mode\r\n9\r\nl\":\"abc\"}\r\n0\r\n\r\n")
ok("a body in chunks arrives whole", b" 200 " in got[:20] and up.seen()[-1]["body"] == '{"model":"abc"}', up.seen()[-1])
big = json.dumps({"model": "big", "x": "y" * 3000000}).encode()
r, text, _ = ask(proxy, big)
ok("a large body arrives whole", r.status == 200 and up.requests(base)[-1]["body"].encode() == big)

# --- what is written ---------------------------------------------------------------------------------------------------
ok("tokens are counted by usage, not by chunks",
   last_end(proxy) and [(s["phase"], s["token_count"]) for s in proxy.steps(key_of(ends(proxy)[0]))] == [("prefill", 0), ("prefill", 7), ("decode", 3)],
   proxy.steps())
ask(proxy, {"model": "m", "stream": True, "tokens": 3, "pause_ms": 5})
e = last_end(proxy)
ok("without usage their number stays unknown", sum(s["token_count"] for s in proxy.steps(key_of(e))) == 0
   and "token_latency_ms" not in e["performance"] and "time_to_first_token_ms" in proxy.steps(key_of(e))[0]["performance"], e)
ok("but how it ended is known", e["finish_reason"] == "stop" and e["http_status"] == 200, e)
for target in base, "/v1/completions":
    ask(proxy, {"model": "length", "stream": True, "tokens": 3, "pause_ms": 5, "logprobs": True}, target)
    e = last_end(proxy)
    mine = [s.get("accuracy") for s in proxy.steps(key_of(e)) if s["phase"] == "decode" and s["token_count"]]
    ok(f"logprobs tell surprisal and an estimate of entropy ({target})",
       mine == [{"entropy_estimate_nats": 1.3863, "surprisal_nats": 1.3863}] * 3 and e["finish_reason"] == "length", mine, e)
r, text, _ = ask(proxy, {"model": "gzip", "tokens": 6}, headers={"Accept-Encoding": "gzip"})
e = last_end(proxy)
ok("a coded answer passes as it is, and is read", r.getheader("Content-Encoding") == "gzip" and text[:2] == b"\x1f\x8b"
   and sum(s["token_count"] for s in proxy.steps(key_of(e))) == 13, text, e)
r, text, cut = ask(proxy, {"model": "dies", "stream": True, "tokens": 9, "pause_ms": 5})
e = last_end(proxy)
ok("an upstream that dies in its answer cuts the client too", cut and b"tok1" in text and b"tok2" not in text, text)
ok("and is an error in the log", e.get("finish_reason") == "error" and "broke off" in e.get("error", ""), e)
r, text, cut = ask(proxy, {"model": "error", "stream": True, "tokens": 9, "pause_ms": 5})
ok("an error inside a stream is one in the log", last_end(proxy).get("error") == "the model fell over" and not cut)
for model in "garbage", "long-event":
    r, text, cut = ask(proxy, {"model": model, "stream": True, "tokens": 2})
    ok(f"a hostile stream passes and ends ({model})", last_end(proxy).get("finish_reason") == "stop" and b"[DONE]" in text)
for model, status, why in (("mute", 502, "no data"), ("resets", 502, "closed the connection"), ("junk", 502, "nsupported"), ("headers", 502, "too long")):
    r, text, _ = ask(proxy, {"model": model})
    e = last_end(proxy)
    ok(f"an upstream that gives no answer is a clear {status} ({model})",
       r.status == status and "the upstream http://127.0.0.1" in json.loads(text)["error"]["message"] and e["error"]
       == json.loads(text)["error"]["message"] and why in e["error"], text, e)
ok("and is asked once", len([s for s in up.requests(base) if '"mute"' in s["body"]]) == 1)
for model in "endless", "negative", "wordy", "two":
    r, text, cut = ask(proxy, {"model": model})
    ok(f"an answer whose length cannot be does not look complete ({model})", r.status == 502 and "the upstream http" in
       json.loads(text)["error"]["message"] and last_end(proxy)["finish_reason"] == "error", r.status, text)
r, text, cut = ask(proxy, {"model": "short"})
ok("an answer that is too short is cut", cut and text == b'{"choices":' and last_end(proxy)["finish_reason"] == "error", text)

# --- clients that misbehave ----------------------------------------------------------------------------------------------
s = open_stream(proxy, {"model": "left", "tokens": 100000, "pause_ms": 10})
s.recv(100)
s.close()
ok("a client that leaves ends the request at the upstream", wait_for(lambda: up.ended("left")) and up.ended("left")[0]["sent"] < 100000)
ok("and is an abort in the log", last_end(proxy).get("finish_reason") == "abort", ends(proxy)[-1])
s = open_stream(proxy, {"model": "left-early", "tokens": 5, "pause_ms": 600000})
wait_for(lambda: [r for r in up.requests(base) if "left-early" in r["body"]])
s.close()
ok("also one that leaves before the first token", last_end(proxy).get("finish_reason") == "abort")
for done, last in (True, b"[DONE]"), (False, b'"stop"'):
    s = open_stream(proxy, {"model": "lingers", "done": done})
    text = b""
    while last not in text:
        text += s.recv(1000)
    s.close()
    e = last_end(proxy)
    ok(f"one that leaves after the last word has aborted nothing ({last.decode()})", e.get("finish_reason") == "stop" and "error" not in e, e)
before = proxy.resident_kib()
s = open_stream(proxy, {"model": "slow", "tokens": 400, "pause_ms": 0, "filler": 100000})
wait_for(lambda: up.ended("slow") or proxy.leaves(lambda: bytes_from(up.port)))
ok("a slow reader holds the upstream back", not up.ended("slow"))
grown = proxy.resident_kib() - before
r = http.client.HTTPResponse(s)
r.begin()
got = r.read()
s.close()
ok("and gets everything in the end", got.count(b"tok399 ") == 1 and got.count(b"x" * 100000) == 400, len(got))
ok("without the proxy's keeping it", grown < 20000, grown)  # KiB of the 40,000 that were on their way
for what, data, status in (
        ("an absolute target", b"GET http://example.org/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        ("CONNECT", b"CONNECT example.org:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"40"),
        ("another host's name", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"403"),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        ("too large a body", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        ("too large headers", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200000 + b"\r\n\r\n", b"4"),
        ("garbage", b"\x16\x03\x01\x00\xff" * 100 + b"\r\n\r\n", b"4")):
    n = len(up.seen())
    got = send_raw(proxy.port, data)
    ok(f"{what} goes no further", len(up.seen()) == n and (not got or got[9:9 + len(status)] == status), got[:80])
framed = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\nabcdef"
for what, data in (
        ("two different lengths", framed % b"Content-Length: 5\r\nContent-Length: 6"),
        ("a length with a coding", framed % b"Content-Length: 6\r\nTransfer-Encoding: chunked"),
        ("a blank before a colon", framed % b"Content-Length : 6"),
        ("a tab before a colon", framed % b"X-A\t: 6\r\nContent-Length: 6"),
        ("an empty line with a colon", framed % b":\r\nContent-Length: 6"),
        ("an empty line with a colon at the end", framed % b"Content-Length: 6\r\n:"),
        ("a header without a name", framed % b": 6\r\nContent-Length: 6"),
        ("another coding", framed % b"Transfer-Encoding: xchunked"),
        ("two codings", framed % b"Transfer-Encoding: gzip, chunked"),
        ("a coding twice", framed % b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("a coding of HTTP/1.0", (framed % b"Transfer-Encoding: chunked").replace(b"/1.1", b"/1.0")),
        ("two hosts", framed % b"Host: evil\r\nContent-Length: 6"),
        ("no host", b"GET /v1/x HTTP/1.1\r\nX-A: b\r\n\r\n"),
        ("a NUL in the target", b"GET /v1/x\0y HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a NUL in the target, before a version", b"GET /v1/x\0HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a NUL in a header", framed % b"X-A: b\0c\r\nContent-Length: 6"),
        ("a NUL in the last header", framed % b"Content-Length: 6\r\nX-A: b\0c"),
        ("a NUL in a name", framed % b"X\0-A: b\r\nContent-Length: 6"),
        ("a folded header", framed % b"X-A: b\r\n folded: c\r\nContent-Length: 6"),
        ("a header folded by a tab", framed % b"X-A: b\r\n\tfolded\r\nContent-Length: 6"),
        ("the last header folded", framed % b"Content-Length: 6\r\nX-A: b\r\n folded"),
        ("a fold without text", framed % b"X-A: b\r\n \r\nContent-Length: 6"),
        ("a folded length", framed % b"Content-Length: 6\r\n 6"),
        ("the first header folded", b"GET /v1/x HTTP/1.1\r\n X-A: b\r\nHost: localhost\r\n\r\n"),
        ("a CR in a header", framed % b"X-A: b\rX-B: c\r\nContent-Length: 6"),
        ("lines that end in LF", b"GET /v1/x HTTP/1.1\nHost: localhost\n\n")):
    n = len(up.seen())
    got = send_raw(proxy.port, data)  # until it closes the connection
    ok(f"{what} is refused and goes no further", len(up.seen()) == n and got[9:12] == b"400" and got.count(b"HTTP/1.1 ") == 1
       and (b'"message":"' in got or b"incorrect" in got), got)
got = send_raw(proxy.port, b"GET /v1/models HTTP/1.1\r\nhost:localhost\r\nX-Empty:\r\nX-Blank: \t b \t\r\n\r\n" * 2
               + b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
ok("what is unusual but clear passes", got.count(b" 200 ") == 3, got)
r, text, _ = ask(proxy, None, "/v1/models", "GET")
ok("and it still serves", r.status == 200)

# --- 64 clients ------------------------------------------------------------------------------------------------------------
last_end(proxy)
before, answers = len(ends(proxy)), []
threads = [threading.Thread(target=lambda i=i: answers.append(ask(proxy, {
    "model": "many", "stream": True, "tokens": 20, "pause_ms": 5, "stream_options": {"include_usage": True},
    "logprobs": i % 2 == 0}))) for i in range(64)]
for t in threads:
    t.start()
for t in threads:
    t.join()
wait_for(lambda: len(ends(proxy)) >= before + 64)
many = [key_of(e) for e in ends(proxy)[before:]]
tokens = [sum(s["token_count"] for s in proxy.steps(k)) for k in many]
ok("64 clients at a time get their answers", len(answers) == 64 and all(b"[DONE]" in a[1] and not a[2] for a in answers))
ok("each is written apart, with its tokens", len(set(many)) == 64 and tokens == [27] * 64, tokens)
names = {r["metadata"]["model_name"] for r in proxy.records() if r["event_type"] == "session_start"}
ok("a session says which model was asked for", {"many", "dies", "left"} < names and "unknown" in names, names)

# --- the end -----------------------------------------------------------------------------------------------------------------
s = open_stream(proxy, {"model": "stopped", "tokens": 100000, "pause_ms": 10})
s.recv(100)
running = 'rwkv_requests_running{model="stopped",backend="openai-compatible"} 1\n'
ok("/metrics knows what is under way", wait_for(lambda: running in proxy.metrics()), proxy.metrics())
metrics = proxy.metrics()
ok("its answer has begun: nothing waits", 'rwkv_requests_waiting{model="stopped",backend="openai-compatible"} 0\n' in metrics, metrics)
waits = [r["performance"]["requests_waiting"] for r in proxy.records() if "requests_waiting" in r.get("performance", {})]
ok("how many waited is in the log", waits and max(waits) > 0 and min(waits) == 0, waits)
ok("and how requests of each model ended", all(f'{{model="{m}",backend="openai-compatible",finish_reason="{f}"}} {n}\n' in metrics for m, f, n in (
   ("length", "length", 2), ("left", "abort", 1), ("left-early", "abort", 1), ("many", "stop", 64), ("dies", "error", 1))),
   [x for x in metrics.split("\n") if "requests" in x])
ok("first tokens and durations are counted once each", all(f'{name}_count{{model="many",backend="openai-compatible"}} 64\n' in metrics
   for name in ("rwkv_time_to_first_token_seconds", "rwkv_request_duration_seconds", "rwkv_request_time_per_output_token_seconds")))
ok("it ends when it is told to", proxy.stop() == 0, open(proxy.said).read())
s.close()
ok("and what was under way is in the log", "the proxy was stopped" in ends(proxy)[-1].get("error", ""), ends(proxy)[-1])
log = open(proxy.log).read()
ok("no secret and no text is in the log", "SECRET" not in log and "tok1" not in log and "hello" not in log)
done = subprocess.run([program, "log", "check", proxy.log, "--lang", "en"], capture_output=True, text=True)
ok("`log check` finds nothing wrong in the log", done.returncode == 0, done)
done = subprocess.run([program, "analyze", proxy.log, "--format", "json"], capture_output=True, text=True)
read = json.loads(done.stdout)
ok("`analyze` reads all of it", done.returncode == 0 and read["input"]["records"] == len(proxy.steps())
   and read["tokens"] == sum(s["token_count"] for s in proxy.steps()), read["input"], read["tokens"])
ends_of = [r for r in proxy.steps() if "request_duration_ms" in r.get("performance", {})]
bad = [r for r in ends_of if "error" in (r.get("finish_reason"), *(k for k in r if k == "error")) and r.get("finish_reason") != "abort"
       or r.get("http_status", 0) >= 400]
ok("`analyze` counts requests and those that failed", len(bad) > 5 and read["requests"]["ended"] == len(ends_of)
   and read["requests"]["failed"] == len(bad) and read["requests"]["refused"] == len([r for r in ends_of if r.get("http_status", 0) >= 400]),
   read["requests"], len(bad), len(ends_of))
for how in ("text", f"{len(bad)} of {len(ends_of)} requests failed"), ("markdown", f"{len(bad)} of {len(ends_of)} requests failed"), ("html", " requests failed"):
    done = subprocess.run([program, "analyze", proxy.log, "--lang", "en", "--format", how[0]], capture_output=True, text=True)
    ok(f"and says so ({how[0]})", how[1] in done.stdout.replace("\n", " "), done.stdout)
# How fast the stand-in and 64 clients at a time were is this machine's affair, so any verdict will do.
done = subprocess.run([program, "diagnose", proxy.log, "--format", "json"], capture_output=True, text=True)
ok("`diagnose` reads it", done.returncode == 0 and json.loads(done.stdout)["cause"], done)

# --- settings ----------------------------------------------------------------------------------------------------------------
with open("rules.yaml", "w") as f:
    f.write("rules: [{alarm: slow_chunk, metric: time_to_first_token_ms, above: 0, warmup: 0}]\n")
proxy = Proxy("q", f"http://127.0.0.1:{up.port}/prefix/", "--ask-logprobs", "--log-text", "--max-body", "1000", "--rules", "rules.yaml",
              "--max-connections", "2")
ask(proxy, {"model": "m", "stream": True, "tokens": 2}, headers={"X-Request-Id": "req-1"})
sent = json.loads(up.requests("/prefix" + base)[-1]["body"])
ok("--ask-logprobs asks for them", sent["logprobs"] is True and sent["top_logprobs"] == 20, sent)
r, text, _ = ask(proxy, {"model": "m", "logprobs": False})
sent = json.loads(up.requests("/prefix" + base)[-1]["body"])
ok("unless the client said no", sent == {"model": "m", "logprobs": False}, sent, text)
r, text, _ = ask(proxy, {"model": "m", "x": "y" * 2000})
ok("--max-body holds", r.status == 413 and "--max-body" in json.loads(text)["error"]["message"], text)
got = send_raw(proxy.port, b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5dc\r\n" + b"x" * 1500
               + b"\r\n0\r\n\r\n")
ok("also for a body in chunks", b" 413 " in got[:20], got[:80])
held = [open_stream(proxy, {"model": "held", "tokens": 100000, "pause_ms": 10}) for _ in range(2)]
for s in held:
    came = more = s.recv(1000)
    while more and b"\n\n" not in came.partition(b"data:")[2]:  # its first token
        more = s.recv(1000)
        came += more
third = threading.Thread(target=lambda: answers.append(ask(proxy, {"model": "third"})))
third.start()
wait_for(lambda: not third.is_alive() or proxy.leaves(lambda: clients_before(proxy.port)))
waits = not [s for s in up.requests("/prefix" + base) if "third" in s["body"]]
for s in held:
    s.close()
third.join(60)
ok("--max-connections holds: others wait", waits and answers[-1][0].status == 200)
proxy.stop()
first = [r for r in proxy.records() if r.get("metadata", {}).get("request_id") == "req-1"]
alarms = [r for r in proxy.records() if r["event_type"] == "alarm"]
ok("rules judge live, each request by itself", len(first) == 1 and first[0]["session_id"] == alarms[0]["session_id"]
   and len({a["session_id"] for a in alarms}) == len(alarms) == 3, len(first), [a["session_id"] for a in alarms], first)
ok("text is logged when asked for", "tok0 tok1" in "".join(s.get("text", "") for s in proxy.steps()))

# libcurl's own limit counts from the mean of some seconds: it would have waited until the first token.
proxy = Proxy("s", f"http://127.0.0.1:{up.port}", "--upstream-timeout", "1")
r, text, _ = ask(proxy, {"model": "silent", "stream": True, "tokens": 1, "pause_ms": 5500}, "/v1/completions")
ok("--upstream-timeout is the time without data", r.status == 504 or b"tok0" not in text, r.status, text)
proxy.stop()
ok("and in the log", "is silent" in ends(proxy)[0].get("error", ""), ends(proxy))

up.stop()
proxy = Proxy("r", f"http://127.0.0.1:{up.port}")
r, text, _ = ask(proxy, {"model": "m"})
ok("a dead upstream is a clear 502", r.status == 502 and "connect" in json.loads(text)["error"]["message"], text)
proxy.stop()
e = ends(proxy)[0]
ok("and in the log", e["finish_reason"] == "error" and "http_status" not in e, e)

made = subprocess.run("openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost "
                      "-addext subjectAltName=IP:127.0.0.1 2>/dev/null", shell=True)
if made.returncode:
    print("SKIPPED: TLS, since openssl is not installed")
else:
    up = Upstream("tls", "cert.pem", "key.pem")
    for options, status in ((), 502), (("--upstream-ca", "cert.pem"), 200):
        proxy = Proxy("t", f"https://127.0.0.1:{up.port}", *options)
        r, text, _ = ask(proxy, {"model": "m"})
        ok(f"TLS is verified ({' '.join(options)})", r.status == status, text)
        proxy.stop()
    up.stop()
for bad in ("127.0.0.1:1", "ftp://x", "http://", "http://:8080", "http://[", "http://[]", "http://h:", "http://h:0", "http://h:99999",
            "http://h:abc", "http://u:secret@h", "http://h/?x", "http://h h"):
    done = subprocess.run([program, "proxy", "--upstream", bad, "--log", "none", "--bind", "127.0.0.1:0", "--lang", "en"],
                          capture_output=True, text=True, timeout=300)
    ok(f"--upstream {bad} is refused", done.returncode == 2 and "--upstream: expected" in done.stderr and "secret" not in done.stderr, done)
for name in "127.0.0.1", "localhost":
    for _ in range(10):  # until nobody else took the port meanwhile
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        done = subprocess.run([program, "proxy", "--upstream", f"http://{name}:{port}", "--bind", f"127.0.0.1:{port}", "--log", "none",
                               "--lang", "en"], capture_output=True, text=True)
        if done.returncode != 4:
            break
    ok(f"a proxy before itself is refused ({name})", done.returncode == 2 and "the proxy itself" in done.stderr, done)
sys.exit(failed)
