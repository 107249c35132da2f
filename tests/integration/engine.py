"""`rwkvmon ship` and `rwkvmon fleet URL` with the real VictoriaLogs; a simulated fleet while a storage node dies."""
import importlib.machinery, importlib.util, json, os, re, shutil, signal, subprocess, sys, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from servers import await_true, check, fetch, free_port, scratch, skipped, start, stop
import fleet

build = os.path.abspath(sys.argv[1])
rwkvmon = build + "/rwkvmon"
engine = next((p for p in (shutil.which("victoria-logs"), build + "/engines/victoria-logs", HERE + "/../../build/engines/victoria-logs")
               if p and os.access(p, os.X_OK)), None)
if not engine:
    skipped("engine_test: no victoria-logs here; tools/engines installs it")
    sys.exit(77)
loader = importlib.machinery.SourceFileLoader("fleet_sim", HERE + "/../../tools/fleet-sim")
sys.dont_write_bytecode = True
sim = importlib.util.module_from_spec(importlib.util.spec_from_loader("fleet_sim", loader))
loader.exec_module(sim)
dir = scratch()
os.chdir(dir)
LONG = os.environ.get("RWKVMON_LONG") == "1"


class Node:
    """One process of the engine."""
    def __init__(self, name, *flags):
        self.name, self.port = name, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.argv = [engine, f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={dir}/{name}", "-retentionPeriod=100y",
                     "-inmemoryDataFlushInterval=1s", "-memory.allowedBytes=300MB", *flags]
        self.start()

    def start(self):
        self.process = start(self.argv, stdout=subprocess.DEVNULL, stderr=open(f"{dir}/{self.name}.said", "a"))
        await_true(self.name + " answers", lambda: fetch(self.url + "/health")[0] == 200)

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(url, *args, code=0):
    done = subprocess.run([rwkvmon, "fleet", url, "--json", "-q", "--lang", "en", *args], capture_output=True, text=True)
    check(done.returncode == code, "fleet", url, args, done.returncode, done.stderr)
    return json.loads(done.stdout) if not code else done.stderr


def by_instance(f):
    return {i["instance"]: i for i in f["instances"]}


def compare(of_logs, of_engine):
    a, b = by_instance(of_logs), by_instance(of_engine)
    check(a.keys() == b.keys(), "other instances", a.keys() ^ b.keys())
    for name in a:
        for key in ("records", "tokens", "alarms", "state", "cause", "verdict", "group"):
            check(a[name][key] == b[name][key], name, key, a[name][key], b[name][key])
        x, y = a[name]["token_latency_ms"], b[name]["token_latency_ms"]
        check(abs(x - y) < 0.01 * x, name, "median", x, y)
    check(of_logs["fleet"]["slowdown"]["scope"] == of_engine["fleet"]["slowdown"]["scope"], "scope", of_logs["fleet"], of_engine["fleet"])
    check(of_logs["groups"][0]["device"] == of_engine["groups"][0]["device"], "device", of_engine["groups"])
    check(of_logs["cause"] == of_engine["cause"], "cause")


# --- the units of deploy/fleet start as they are, except for program, folder and port ---------------------------------
def unit(name, ports, **texts):
    """The command of a unit, and where it answers."""
    text = open(f"{HERE}/../../deploy/fleet/{name}").read()
    command = re.search(r"^ExecStart=(.*)$", text, re.M)[1]
    for key, value in texts.items():
        command = command.replace("${" + key + "}", value)
    command = command.replace("/var/lib/", dir + "/unit-").replace("%i", str(ports[0]))
    command = re.sub(r"-httpListenAddr=127\.0\.0\.1:\d+", f"-httpListenAddr=127.0.0.1:{ports[0]}", command).split()
    program = shutil.which(os.path.basename(command[0])) or engine
    return start([program, *command[1:]], stdout=subprocess.DEVNULL, stderr=open(f"{dir}/units.said", "a")), f"http://127.0.0.1:{ports[0]}"


units = []
storage = [free_port(), free_port()]
for ports, name, texts in (([free_port()], "victorialogs.service", {}), ([storage[0]], "victorialogs-storage@.service", {}),
                           ([storage[1]], "victorialogs-storage@.service", {}),
                           ([free_port()], "victorialogs-front.service", {"NODES": ",".join(f"127.0.0.1:{p}" for p in storage)})):
    units.append(unit(name, ports, **texts))
    await_true(name + " answers", lambda: fetch(units[-1][1] + "/health")[0] == 200)
if shutil.which("victoria-metrics") and shutil.which("prometheus"):
    units.append(unit("victoriametrics.service", [free_port()]))
    metrics, web = units[-1][1], free_port()
    await_true("victoriametrics.service answers", lambda: fetch(metrics + "/health")[0] == 200)
    config = open(f"{HERE}/../../deploy/fleet/prometheus-remote-write.yml").read()
    open("prometheus.yml", "w").write(config.replace("http://127.0.0.1:8428", metrics).replace("15s", "1s").replace("127.0.0.1:8000", f"127.0.0.1:{web}"))
    units.append((start(["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address=127.0.0.1:{web}"],
                        stdout=subprocess.DEVNULL, stderr=open("prometheus.said", "w")), ""))
    await_true("what Prometheus writes on", lambda: '"host":"host1"' in fetch(metrics + "/api/v1/query?query=up")[2])
else:
    skipped("engine_test: remote write (prometheus, victoria-metrics)")
for process, _ in units:
    stop(process)

# --- single: logs through the engine answer as the logs themselves do ---------------------------------------------
fleet.write("sick", {f"host{i}": {"steps": 400, **({"factor": 2.0} if i == 3 else {})} for i in range(24)})
fleet.write("all", {f"host{i}": {"steps": 400, "factor": 1.7, "begins": 0.5} for i in range(12)})
single = Node("single")
for logs in ("sick", "all"):
    subprocess.run([rwkvmon, "ship", logs, "--to", single.url, "--once", "-q"], check=True)
    of_logs = json.loads(subprocess.run([rwkvmon, "fleet", logs, "--json", "-q"], capture_output=True, text=True, check=True).stdout)
    await_true("lines can be asked for", lambda: '"n":"' in fetch(single.url + "/select/logsql/query?query=*%20|%20stats%20count()%20n")[2])
    time.sleep(1.5)
    compare(of_logs, asked(single.url, "--since", "2025-10-01T00:00:00Z", "--until", "2025-12-01T00:00:00Z"))
    stop(single.process)
    shutil.rmtree("single")
    single.start()
check("no roll-ups from" in asked(single.url, "--last", "5m", code=3), "an empty time")
check("status 4" in asked(single.url + "/nowhere", code=3), "another path")
for name in subprocess.run([rwkvmon, "export", "victorialogs"], capture_output=True, text=True, check=True).stdout.splitlines():
    if name and not name.startswith("#"):
        status, _, text = fetch(single.url + "/select/logsql/query?query=" + urllib.request.quote(name))
        check(status == 200, "the engine refuses", name, text)


# --- the same behind TLS, by a token from a file, with the nginx of docs/FLEET.md --------------------------------------
def behind_tls():
    outer, token = free_port(), os.urandom(24).hex()
    os.mkdir("tls")
    open("tls/token", "w").write(token + "\n")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "tls/key.pem", "-out", "tls/cert.pem"], check=True, capture_output=True)
    server = re.search(r"```nginx\n(.*?)```", open(f"{HERE}/../../docs/FLEET.md").read(), re.S)[1]
    for found, put in (("9443", f"127.0.0.1:{outer}"), ("127.0.0.1:9428", f"127.0.0.1:{single.port}"), ("/etc/rwkvmon", dir + "/tls"), ("TOKEN", token)):
        check(found in server, "the document lacks", found)
        server = server.replace(found, put)
    temp = " ".join(f"{kind}_temp_path {dir}/tls/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    open("tls/nginx.conf", "w").write(f"daemon off; master_process off; pid {dir}/tls/pid; error_log stderr; events {{}} http {{ access_log off; {temp}\n{server}}}\n")
    front = start(["nginx", "-p", dir + "/tls", "-c", dir + "/tls/nginx.conf"], stderr=open("tls/said", "w"))
    await_true("nginx", lambda: fetch(f"http://127.0.0.1:{outer}/")[0] == 400)
    url, known, who = f"https://127.0.0.1:{outer}", ["--to-ca", "tls/cert.pem"], ["--to-token", "@tls/token"]

    def ship(*more, code):
        done = subprocess.run([rwkvmon, "ship", "sick", "--to", url, "--spool", "tls/spool", "--once", "--lang", "en", *more], capture_output=True, text=True)
        check(done.returncode == code and token not in done.stderr, more, done.returncode, done.stderr)
        return done.stderr

    ranges = ["--since", "2025-10-01T00:00:00Z", "--until", "2025-12-01T00:00:00Z"]
    check("certificate" in ship(*who, code=4), "an unknown certificate")
    check("status 401" in ship(*known, code=4), "no token")
    check("0 wait in the spool; 0 were lost" in ship(*known, *who, code=0), "what waited is sent")
    await_true("lines behind TLS", lambda: '"n":"0"' not in fetch(single.url + "/select/logsql/query?query=_msg:rollup%20|%20stats%20count()%20n")[2])
    time.sleep(1.5)
    compare(json.loads(subprocess.run([rwkvmon, "fleet", "sick", "--json", "-q"], capture_output=True, text=True, check=True).stdout),
            asked(url, *known, *who, *ranges))
    check("status 401" in asked(url, *known, *ranges, code=3), "asked without a token")
    check("certificate" in asked(url, *who, *ranges, code=3), "asked with an unknown certificate")
    stop(front)


if shutil.which("nginx") and shutil.which("openssl"):
    behind_tls()
else:
    skipped("engine_test: TLS before the engine (nginx-light, openssl)")
stop(single.process)

# --- a cluster, and a simulated fleet ---------------------------------------------------------------------------
instances, minutes, faults = (1000, 60, 12) if LONG else (120, 16, 4)
nodes = [Node("a"), Node("b")]
front = Node("front", "-storageNode=" + ",".join(f"127.0.0.1:{n.port}" for n in nodes))
state = {"down": False, "cpu": 0.0}


def between(share):
    """In the middle a storage node is killed, and comes back after a quarter of the time; it had put on disk what it had taken."""
    if share >= 0.4 and not state["down"]:
        time.sleep(float(os.environ.get("PUT_ON_DISK", "6")))
        state["down"], state["cpu"] = True, nodes[1].cpu_seconds()
        stop(nodes[1].process, signal.SIGKILL)
        said = asked(front.url, "--last", "7d", code=3)
        check("it answered with status" in said, "half of a fleet is no answer", said)
    if share >= 0.65 and nodes[1].process.poll() is not None:
        nodes[1].start()


seed = int.from_bytes(os.urandom(6), "big")
began = time.monotonic()
truth = sim.simulate(front.url, instances, minutes, seed, faults, time.time(), between)
check(truth["twice"] > 0 and (truth["late"] > 0 or not LONG), "nothing came twice or late: the test shows nothing")
cpu = state["cpu"] + sum(n.cpu_seconds() for n in nodes + [front])



def is_all_there():
    """What the cluster took it passes on to its nodes, and shows, a while later."""
    of = sim.score(truth, asked(front.url, "--last", "2h"))
    return of["records"][0] == of["records"][1] and of["tokens"][0] == of["tokens"][1]


await_true("the sums are those that were produced", is_all_there)
began = time.monotonic()
answer = asked(front.url, "--last", "2h")
asked_s = time.monotonic() - began
s = sim.score(truth, answer)
print(f"seed {seed}: {instances} instances, {minutes} minutes: found {s['found']} of {len(truth['faulty'])}, missed {s['missed']}, false {s['false']}; "
      f"{truth['rollups']} roll-ups, {truth['bytes'] / truth['sent_lines']:.0f} bytes a line; engine {cpu:.1f} s of processor time for {minutes} minutes, "
      f"{100 * cpu / (60 * minutes):.2f} % of a core; asked in {asked_s:.1f} s", flush=True)
check(s["records"][0] == s["records"][1] and s["tokens"][0] == s["tokens"][1], "sums differ", s)
check(s["found"] == len(truth["faulty"]) and not s["false"], "faults", s, truth["faulty"])
print("passed")
