"""Real servers for the tests: started on free ports, stopped at the end, asked by HTTP."""
import atexit, json, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.error, urllib.parse, urllib.request

PATIENCE = 120  # seconds; a deadline for broken runs, never a measure


def check(condition, *what):
    if not condition:
        print("FAILED:", *what)
        sys.exit(1)


def skipped(what):
    print(f"SKIPPED: {what}", flush=True)


def scratch():
    path = tempfile.mkdtemp(prefix="rwkvmon-servers-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url, headers={}, method="GET"):
    """(status, headers, text); never raises for a status."""
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


def await_true(what, test):
    """test()'s first true answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = test()
        except (OSError, ValueError):
            answer = None
        if answer:
            return answer
        time.sleep(0.2)
    check(False, "waited in vain for:", what)


def packers():
    """Commands that compress a file in its place."""
    for command, end in ((["gzip"], ".gz"), (["zstd", "-q", "--rm"], ".zst")):
        if shutil.which(command[0]):
            yield command, end
        else:
            skipped(f"logs that {command[0]} compresses: it is not installed")


def lines_of(stream):
    """A list that grows as lines come: nobody waits for one that may never come."""
    lines = []
    threading.Thread(target=lambda: lines.extend(iter(stream.readline, "")), daemon=True).start()
    return lines


def start(argv, **more):
    process = subprocess.Popen(argv, **more)
    atexit.register(stop, process)
    return process


def stop(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def start_run(rwkvmon, *more):
    """A generation that goes on until it is stopped; (process, URL)."""
    process = start([rwkvmon, "run", "--prompt", "It was a dark night", "--tokens", "100000000", "--listen", "127.0.0.1:0",
                     *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if match := re.match(r"(http://\S+)/metrics$", line):
            return process, match[1]
    check(False, "run --listen told no address")


class Prometheus:
    def __init__(self, config, rules=None):
        """config: the text of scrape_configs and what else there is, YAML."""
        self.dir = scratch()
        self.url = f"http://127.0.0.1:{free_port()}"
        with open(f"{self.dir}/prometheus.yml", "w") as f:
            f.write(config)
        if rules:
            with open(f"{self.dir}/rules.yml", "w") as f:
                f.write(rules)
        log = open(f"{self.dir}/log", "w")
        self.process = start(["prometheus", f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
                              f"--web.listen-address={self.url[7:]}"], stdout=log, stderr=log)
        await_true("Prometheus", lambda: fetch(self.url + "/-/ready")[0] == 200)

    def query(self, expression):
        """The vector's samples: [(labels, value)]."""
        status, _, text = fetch(self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        answer = json.loads(text)
        check(answer["status"] == "success", expression, answer)
        return [(s["metric"], float(s["value"][1])) for s in answer["data"]["result"]]
