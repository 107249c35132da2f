"""`rwkvmon ship` and `rwkvmon fleet URL` with the real VictoriaLogs; a simulated fleet while a storage node dies."""
import json, os, re, shutil, subprocess, sys, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from servers import await_true, check, fetch, free_port, scratch, skipped, start, stop
import fleet
from cluster import Cluster, Node, find_engine, load_sim, same_sums

build = os.path.abspath(sys.argv[1])
rwkvmon = build + "/rwkvmon"
engine = find_engine(build)
if not engine:
    skipped("engine_test: no victoria-logs here; tools/engines installs it")
    sys.exit(77)
dir = scratch()
os.chdir(dir)
LONG = os.environ.get("RWKVMON_LONG") == "1"
SPAN = ["--since", "2025-10-01T00:00:00Z", "--until", "2025-12-01T00:00:00Z"]  # all logs of fleet.py


def asked(url, *args, code=0):
    done = subprocess.run([rwkvmon, "fleet", url, "--json", "-q", "--lang", "en", *args], capture_output=True, text=True)
    check(done.returncode == code, "fleet", url, args, done.returncode, done.stderr)
    return json.loads(done.stdout) if not code else done.stderr


def told_by(url, *args):
    """What it says once it says anything; None before."""
    done = subprocess.run([rwkvmon, "fleet", url, "--json", "-q", "--lang", "en", *args], capture_output=True, text=True)
    return json.loads(done.stdout) if not done.returncode else None


def by_instance(f):
    return {i["instance"]: i for i in f["instances"]}


def is_whole(of_logs, of_engine):
    """Is all that was shipped there? Records, and what says how sessions ended."""
    counts = lambda f: {name: (i["records"], i["alarms"], i["state"]) for name, i in by_instance(f).items()}
    return of_engine is not None and counts(of_logs) == counts(of_engine)


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
single = Node(engine, dir, "single")
for logs in ("sick", "all"):
    subprocess.run([rwkvmon, "ship", logs, "--to", single.url, "--once", "-q"], check=True)
    of_logs = json.loads(subprocess.run([rwkvmon, "fleet", logs, "--json", "-q"], capture_output=True, text=True, check=True).stdout)
    await_true("all roll-ups can be asked for", lambda: is_whole(of_logs, told_by(single.url, *SPAN)))
    compare(of_logs, asked(single.url, *SPAN))
    asked(single.url, *SPAN, "--fail-on", "quantization_error")  # collectors judged the steps, and raised none
    stop(single.process)
    shutil.rmtree("single")
    single.start()
check("no roll-ups from" in asked(single.url, "--last", "5m", code=3), "an empty time")
check("status 4" in asked(single.url + "/nowhere", code=3), "another path")
for name in subprocess.run([rwkvmon, "export", "victorialogs"], capture_output=True, text=True, check=True).stdout.splitlines():
    if name and not name.startswith("#"):
        status, _, text = fetch(single.url + "/select/logsql/query?query=" + urllib.request.quote(name))
        check(status == 200, "the engine refuses", name, text)


# --- the same behind TLS, by a token from a file, with the nginx of deploy/fleet ----------------------------------------
SERVERS = re.findall(r"^server \{.*?^\}", open(f"{HERE}/../../deploy/fleet/nginx-victorialogs.conf").read(), re.M | re.S)
KNOWN, WHO = ["--to-ca", "tls/cert.pem"], ["--to-token", "@tls/fleet-token"]


def make_secrets():
    os.mkdir("tls")
    for name in ("fleet-token", "storage-token"):
        token = os.urandom(24).hex()
        open(f"tls/{name}", "w").write(token + "\n")
        open(f"tls/{name}.conf", "w").write(f'set $expected "Bearer {token}";\n')
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "tls/key.pem", "-out", "tls/cert.pem"], check=True, capture_output=True)


def server(which, inner):
    """One of the file's two servers (0: for clients, 1: before a storage node) before a port; its text and its own port."""
    outer, text = free_port(), SERVERS[which]
    for found, put in (("9443" if not which else "9444", f"127.0.0.1:{outer}"), ("127.0.0.1:9428" if not which else "127.0.0.1:9491", f"127.0.0.1:{inner}"),
                       ("/etc/rwkvmon", dir + "/tls")):
        check(found in text, "nginx-victorialogs.conf lacks", found)
        text = text.replace(found, put)
    return text, outer


def nginx(name, *servers):
    temp = " ".join(f"{kind}_temp_path {dir}/tls/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    open(f"tls/{name}.conf", "w").write(f"daemon off; master_process off; pid {dir}/tls/{name}.pid; error_log stderr; events {{}} "
                                        f"http {{ access_log off; {temp}\n" + "\n".join(text for text, _ in servers) + "}\n")
    process = start(["nginx", "-p", dir + "/tls", "-c", f"{dir}/tls/{name}.conf"], stderr=open(f"tls/{name}.said", "w"))
    for _, port in servers:
        await_true("nginx", lambda: fetch(f"http://127.0.0.1:{port}/")[0] == 400)
    return process


def ship_secretly(url, *more, code):
    done = subprocess.run([rwkvmon, "ship", "sick", "--to", url, "--spool", "tls/spool", "--once", "--lang", "en", *more], capture_output=True, text=True)
    check(done.returncode == code and open("tls/fleet-token").read().strip() not in done.stderr, more, done.returncode, done.stderr)
    return done.stderr


def compare_secretly(url):
    """All lines that were shipped are told, as from the logs."""
    of_logs = json.loads(subprocess.run([rwkvmon, "fleet", "sick", "--json", "-q"], capture_output=True, text=True, check=True).stdout)
    await_true("lines behind TLS", lambda: is_whole(of_logs, told_by(url, *KNOWN, *WHO, *SPAN)))
    compare(of_logs, asked(url, *KNOWN, *WHO, *SPAN))


def behind_tls():
    before = server(0, single.port)
    front, url = nginx("single", before), f"https://127.0.0.1:{before[1]}"
    check("certificate" in ship_secretly(url, *WHO, code=4), "an unknown certificate")
    check("status 401" in ship_secretly(url, *KNOWN, code=4), "no token")
    check("0 wait in the spool; 0 were lost" in ship_secretly(url, *KNOWN, *WHO, code=0), "what waited is sent")
    compare_secretly(url)
    check("status 401" in asked(url, *KNOWN, *SPAN, code=3), "asked without a token")
    check("certificate" in asked(url, *WHO, *SPAN, code=3), "asked with an unknown certificate")
    stop(front)


def cluster_behind_tls():
    """Storage nodes are reached by TLS and a token of their own, as victorialogs-front.service says; so is the front."""
    shutil.rmtree("tls/spool")
    nodes = [Node(engine, dir, "tls-a"), Node(engine, dir, "tls-b")]
    storage = [server(1, n.port) for n in nodes]
    proxy = nginx("nodes", *storage)
    text = open(f"{HERE}/../../deploy/fleet/victorialogs-front.service").read()
    flags = re.search(r"^#   ExecStart=\S.* (-storageNode\.tls .*)$", text, re.M)[1]

    def front_with(token):
        return Node(engine, dir, "tls-front", f"-storageNode={','.join(f'127.0.0.1:{port}' for _, port in storage)}",
                    *flags.replace("%d/cert", dir + "/tls/cert.pem").replace("%d/token", f"{dir}/tls/{token}").split())

    inner = front_with("fleet-token")
    check(asked(inner.url, *SPAN, code=3), "nodes do not answer a front that has another token")
    stop(inner.process)
    inner = front_with("storage-token")
    before = server(0, inner.port)
    outer, url = nginx("front", before), f"https://127.0.0.1:{before[1]}"
    check("status 401" in ship_secretly(url, *KNOWN, code=4), "no token before a cluster")
    check("0 wait in the spool; 0 were lost" in ship_secretly(url, *KNOWN, *WHO, code=0), "what waited is sent to a cluster")
    compare_secretly(url)
    check("status 401" in asked(f"https://127.0.0.1:{storage[0][1]}", *KNOWN, *WHO, *SPAN, code=3), "the clients' token opens no storage node")
    for process in (outer, proxy, inner.process, *(n.process for n in nodes)):
        stop(process)


if shutil.which("nginx") and shutil.which("openssl"):
    make_secrets()
    behind_tls()
    cluster_behind_tls()
else:
    skipped("engine_test: TLS before the engine (nginx-light, openssl)")
stop(single.process)

# --- a cluster, and a simulated fleet ---------------------------------------------------------------------------
sim = load_sim()
instances, minutes, faults, batch = (1000, 60, 12, 500) if LONG else (120, 16, 4, 5)
cluster = Cluster(engine, dir)
front = cluster.front.url


def while_one_is_dead():
    said = asked(front, "--last", "7d", code=3)
    check("it answered with status" in said, "half of a fleet is no answer", said)


seed = int.from_bytes(os.urandom(6), "big")
truth = sim.simulate(front, instances, minutes, seed, faults, time.time(), cluster.weather(while_one_is_dead), batch)
check(truth["twice"] > 0 and truth["late"] > 0, "nothing came twice or late: the test shows nothing", truth)
cpu = cluster.cpu_seconds()
# What the cluster took it passes on to its nodes, and shows, a while later.
await_true("the sums are those that were produced", lambda: same_sums(sim.score(truth, asked(front, "--last", "2h"))))
s = sim.score(truth, asked(front, "--last", "2h"))
print(f"seed {seed}: {instances} instances, {minutes} minutes: found {s['found']} of {len(truth['faulty'])}, missed {s['missed']}, false {s['false']}; "
      f"{truth['rollups']} roll-ups, {truth['bytes'] / truth['sent_lines']:.0f} bytes a line; engine {cpu:.1f} s of processor time for {minutes} minutes, "
      f"{100 * cpu / (60 * minutes):.2f} % of a core", flush=True)
check(same_sums(s), "sums differ", s)
check(s["found"] == len(truth["faulty"]) and not s["false"], "faults", s, truth["faulty"])
print("passed")
