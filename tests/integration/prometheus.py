"""The alerting rules and the dashboard, by promtool and the real Prometheus and Alertmanager.
    prometheus.py BUILD_DIR"""
import json, re, shutil, subprocess, sys
from servers import *

BUILD = sys.argv[1]
RWKVMON = BUILD + "/rwkvmon"
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = HERE + "/../golden/metrics.prom.exact"


def export(*what):
    return subprocess.run([RWKVMON, "export", *what], check=True, capture_output=True, text=True).stdout


def exposed():
    """Every name that a query may ask for: samples of an instance that knows everything, and the process's own."""
    text = open(GOLDEN).read()
    return set(re.findall(r"^(rwkv_\w+)[{ ]", text, re.M)) | {"rwkv_process_cpu_seconds_total"}


def names_in(expression):
    return set(re.findall(r"(?<![:\w])rwkv_\w+(?!:)", re.sub(r"instance_model:\S+?(?=[\s\[){]|$)", "", re.sub(r'"[^"]*"', "", expression))))


# --- rules ----------------------------------------------------------------------------

def without_annotations(rules):
    kept, inside = [], False
    for line in rules.splitlines():
        if line.strip() == "annotations:":
            inside = True
        elif inside and not line.startswith("          "):
            inside = False
        if not inside:
            kept.append(line)
    return "\n".join(kept) + "\n"


def check_rules(dir):
    rules = {lang: export("prometheus-rules", "--lang", lang) for lang in ("en", "zh")}
    expressions = [json.loads(e) for e in re.findall(r"^ +expr: (.*)$", rules["en"], re.M)]
    alerts, recorded = re.findall(r"alert: (\w+)", rules["en"]), re.findall(r"record: (\S+)", rules["en"])
    check(len(expressions) == len(alerts) + len(recorded), "expressions")
    for e in expressions:
        check(names_in(e) <= exposed(), "a rule asks for what is not exposed:", names_in(e) - exposed())
        used = set(re.findall(r"instance_model:\w+:\w+", e))
        check(used <= set(recorded), "a rule asks for what is not recorded:", used)
    docs = open(HERE + "/../../docs/PROMETHEUS-ALERTS.md").read()
    for a in alerts:
        check(f"### {a}\n" in docs, "docs/PROMETHEUS-ALERTS.md lacks what the runbook link points to:", a)
    if not shutil.which("promtool"):
        return skipped("prometheus_test: promtool check rules, test rules (prometheus)")
    for lang, text in rules.items():
        open(f"{dir}/rules_{lang}.yml", "w").write(text)
        said = subprocess.run(["promtool", "check", "rules", f"{dir}/rules_{lang}.yml"], capture_output=True, text=True)
        check(said.returncode == 0 and f"{len(expressions)} rules found" in said.stdout, said.stdout, said.stderr)
    open(f"{dir}/rules.yml", "w").write(without_annotations(rules["en"]))
    shutil.copy(HERE + "/rules_cases.yml", dir)
    said = subprocess.run(["promtool", "test", "rules", f"{dir}/rules_cases.yml"], capture_output=True, text=True)
    check(said.returncode == 0, "promtool test rules:", said.stdout, said.stderr)


class Faulty:
    def __init__(self):
        self.process = start([BUILD + "/tests/faulty_run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def be(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()


def start_alertmanager(dir):
    """Receives and groups; sends to nobody."""
    port = free_port()
    open(f"{dir}/alertmanager.yml", "w").write("route: {receiver: none, group_wait: 1s}\nreceivers: [{name: none}]\n")
    log = open(f"{dir}/alertmanager.log", "w")
    start(["prometheus-alertmanager", f"--config.file={dir}/alertmanager.yml", f"--storage.path={dir}/am",
           f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    await_true("Alertmanager", lambda: fetch(url + "/-/ready")[0] == 200)
    return url


def check_alert_arrives(dir):
    """A fault arrives as one alert and resolves. Minutes are made seconds: the rules are the same otherwise."""
    if not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager")):
        return skipped("prometheus_test: a fault as an alert (prometheus, prometheus-alertmanager)")
    quick = re.sub(r"\b(for|keep_firing_for): \w+", r"\1: 2s", re.sub(r"\[\d+m\]", "[6s]", export("prometheus-rules", "--lang", "en")))
    faulty, manager = Faulty(), start_alertmanager(dir)
    p = Prometheus(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{manager[7:]}"]}}]}}]}}
scrape_configs:
  - job_name: rwkvmon
    static_configs: [{{targets: ["{faulty.url[7:]}"]}}]
""", quick)
    alerts = lambda: json.loads(fetch(manager + "/api/v2/alerts?active=true")[2])
    named = lambda name: [a for a in alerts() if a["labels"]["alertname"] == name]
    await_true("tokens", lambda: [v for _, v in p.query("rwkv_token_total") if v > 100])
    check(not named("RwkvNonFinite"), "an alert without a fault")
    faulty.be("nan")
    await_true("the alert", lambda: named("RwkvNonFinite"))
    alert, = named("RwkvNonFinite")
    check(alert["labels"]["severity"] == "critical" and alert["labels"]["model"] == "faulty", alert)
    check(alert["annotations"]["summary"] == "faulty computed NaN or Inf", alert["annotations"])
    check("var-model=faulty" in alert["annotations"]["dashboard_url"] and alert["annotations"]["runbook_url"].endswith("#rwkvnonfinite"), alert)
    faulty.be("healthy")
    await_true("its end", lambda: not named("RwkvNonFinite"))
    faulty.process.stdin.close()
    await_true("the target's alert", lambda: named("RwkvTargetDown"))


# --- dashboard ------------------------------------------------------------------------

def dashboard_parts(d):
    return [(p, t) for p in d["panels"] for t in p.get("targets", [])]


def check_layout(d):
    ids = [p["id"] for p in d["panels"]]
    check(len(set(ids)) == len(ids), "panel ids")
    taken = set()
    for p in d["panels"]:
        g = p["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        check(g["x"] + g["w"] <= 24 and not cells & taken, "panels overlap:", p["title"])
        taken |= cells


def check_dashboard():
    d = {lang: json.loads(export("grafana", "--lang", lang)) for lang in ("en", "zh")}
    check(d["zh"]["title"] == "RWKV性能监控" and d["en"]["title"] != d["zh"]["title"], "titles")
    for one in d.values():
        check(one["uid"] == "rwkv-monitor" and one["id"] is None and one["schemaVersion"] == 39 and one["refresh"] == "5s", "head")
        check(one["time"] == {"from": "now-6h", "to": "now"} and "__inputs" not in one, "time, inputs")
        check([v["name"] for v in one["templating"]["list"]] == ["datasource", "instance", "model"], "variables")
        check_layout(one)
        for panel, target in dashboard_parts(one):
            check(panel["type"] in ("timeseries", "stat", "heatmap", "state-timeline", "table"), panel["type"])
            check(len(panel["description"]) > 10, "no description:", panel["title"])
            for part in (panel, target):
                check(part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, part["datasource"])
            check(names_in(target["expr"]) and names_in(target["expr"]) <= exposed(), "not exposed:", names_in(target["expr"]) - exposed())
            check(panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None, "first threshold")
    public = json.loads(export("grafana", "--grafana-com"))
    check(public["__inputs"][0]["name"] == "DS_PROMETHEUS" and "datasource" not in [v["name"] for v in public["templating"]["list"]], "grafana.com")
    return d["en"]


def known_without_gpu(name):
    """Series that a run on the built-in model has: no GPU, no quantisation, no norms."""
    return not re.match(r"rwkv_(gpu_|quant_|state_norm)", name)


def check_queries(dashboard):
    """Every query against a real Prometheus that scrapes a real run; those whose numbers exist must answer."""
    if not shutil.which("prometheus"):
        return skipped("prometheus_test: the dashboard's queries against the real Prometheus")
    run, url = start_run(RWKVMON, "--log", "none")
    p = Prometheus(f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: rwkvmon
    static_configs: [{{targets: ["{url[7:]}"]}}]
""")
    await_true("scrapes", lambda: [v for _, v in p.query("count_over_time(rwkv_token_total[1h])") if v >= 4])
    for panel, target in dashboard_parts(dashboard):
        query = target["expr"].replace("$__rate_interval", "5s").replace("$__range", "1m").replace("$model", ".*").replace("$instance", ".*")
        if all(known_without_gpu(name) for name in names_in(query)) and "finish" not in query:
            await_true(f'an answer to "{panel["title"]}": {query}', lambda: p.query(query))
        else:
            p.query(query)
    stop(run)


def check_types(dashboard):
    """Grafana's own types (@grafana/schema), by the TypeScript compiler."""
    place = HERE + "/../grafana"
    if not os.path.exists(place + "/node_modules/.bin/tsc") and (not shutil.which("npm") or subprocess.run(
            ["npm", "--prefix", place, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], capture_output=True).returncode):
        return skipped("prometheus_test: the dashboard against @grafana/schema (npm, or its registry)")
    said = subprocess.run([sys.executable, HERE + "/../grafana/check.py", RWKVMON], capture_output=True, text=True)
    check(said.returncode == 0, said.stdout, said.stderr)


dir = scratch()
check_rules(dir)
dashboard = check_dashboard()
if "libmicrohttpd" not in subprocess.run([RWKVMON, "--version"], capture_output=True, text=True).stdout:
    skipped("prometheus_test: what needs /metrics: this build has no HTTP server")
else:
    check_queries(dashboard)
    check_alert_arrives(dir)
check_types(dashboard)
print("prometheus_test: passed")
