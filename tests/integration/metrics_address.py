"""`rwkvmon watch` and `serve` over addresses of /metrics that are not ours.
    metrics_address.py BUILD_DIR"""
import http.server, json, re, subprocess, sys, threading
from servers import *

RWKVMON = sys.argv[1] + "/rwkvmon"


class Server(http.server.ThreadingHTTPServer):
    """Each answer: 40 tokens of prompts more, and 10 generated at 25 ms each."""

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Answer)
        self.name = "127.0.0.1:%d" % self.server_address[1]
        self.asked = 0
        self.restarted = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        n = self.server.asked - self.server.restarted
        text = (f"# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.\n"
                f"# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total {1000 + 40 * n}\n"
                f"llamacpp:prompt_seconds_total {n * .5}\nllamacpp:tokens_predicted_total {500 + 10 * n}\n"
                f"llamacpp:tokens_predicted_seconds_total {20 + n * .25}\nllamacpp:requests_processing 2\n"
                f"llamacpp:requests_deferred 0\nother_total 7\n").encode()
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def check_watch(server):
    run = subprocess.run([RWKVMON, "watch", "--once", "--json", "--interval", "0.2", "http://" + server.name], capture_output=True,
                         text=True)
    check(run.returncode == 0, run.stderr)
    board = json.loads(run.stdout)
    check(board["tokens"] == 1500 + 50 * server.asked, board["tokens"], server.asked)
    check([i["name"] for i in board["instances"]] == [server.name], board["instances"])
    check(abs(board["metrics"]["token_latency_ms"]["now"] - 25) < 1e-6, board["metrics"])
    check(board["metrics"]["requests_running"]["now"] == 2 and board["metrics"]["throughput_tps"]["now"] > 0, board["metrics"])
    check("logits_entropy" not in board["metrics"], "what nobody said is there")


def check_serve(server):
    process = start([RWKVMON, "serve", "--listen", "127.0.0.1:0", "--lang", "en", "http://" + server.name], stderr=subprocess.PIPE,
                    text=True)
    url = process.stderr.readline().strip()
    check(url.startswith("http://"), "serve told no address:", url)
    said = lines_of(process.stderr)

    def instance():
        known = json.loads(fetch(url + "/api/v1/instances")[2])["instances"]
        return known[0] if known and known[0]["records"] >= 4 else None
    seen = await_true("steps", instance)
    check(seen["instance"] == server.name and seen["up"] and seen["tokens"] % 50 == 0, seen)
    check(seen["judged"]["verdict"] and seen["judged"]["text"], "nobody looks, and nothing was judged", seen["judged"])
    check(abs(seen["now"]["token_latency_ms"] - 25) < 1e-6 and seen["now"]["requests_running"] == 2, seen)
    text = fetch(url + "/metrics")[2]
    tokens = {m[1]: float(m[2]) for m in re.finditer(r'^rwkv_tokens_total\{.*phase="(\w+)"\} (\S+)$', text, re.M)}
    check(tokens["prefill"] == 4 * tokens["decode"] > 0, tokens)
    check(re.search(r'^rwkv_time_to_first_token_seconds_count\{[^}]*\} 0$', text, re.M), "a first token was invented")
    server.restarted = server.asked    # counters fall: what is there now has happened since
    before = tokens["decode"]
    await_true("a restart is no loss", lambda: any(
        float(m) > before for m in re.findall(r'^rwkv_tokens_total\{.*phase="decode"\} (\S+)$', fetch(url + "/metrics")[2], re.M)))
    server.shutdown()
    server.server_close()
    await_true("a server that is gone is told", lambda: any(server.name in line for line in said))

    def is_up(value):
        return json.loads(fetch(url + "/api/v1/instances")[2])["instances"][0]["up"] == value and re.search(
            r'^rwkv_backend_up\{.*\} %d$' % value, fetch(url + "/metrics")[2], re.M)
    await_true("and is down", lambda: is_up(False))
    back = Server(server.server_address[1])
    await_true("and is up when it is back", lambda: is_up(True))
    back.shutdown()
    back.server_close()
    process.send_signal(signal.SIGINT)
    check(process.wait(PATIENCE) == 0, "serve ended with", process.returncode, *said)


server = Server()
check_watch(server)
check_serve(server)
refused = subprocess.run([RWKVMON, "watch", "--once", "http://" + server.name], capture_output=True, text=True)
check(refused.returncode == 3 and server.name in refused.stderr, refused)
print("watch and serve over another server's /metrics")
