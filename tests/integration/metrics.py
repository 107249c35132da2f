"""/metrics of a real run, by parsers that are not ours and the real Prometheus.
    metrics.py BUILD_DIR"""
import json, re, shutil, signal, subprocess, sys
from servers import *

RWKVMON = sys.argv[1] + "/rwkvmon"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LEGACY = ["rwkv_token_total", "rwkv_inference_latency_ms", "rwkv_logits_entropy"]  # VRAM: only with a GPU

SAMPLE = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$')


def samples(text):
    """{series: value} of the text format, and its rules: HELP and TYPE once and first, samples of a family together."""
    values, typed, closed, family = {}, {}, set(), None
    for line in text.splitlines():
        if line == "# EOF" or line.startswith("# UNIT "):
            continue
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            if name != family:
                closed.add(family)
                check(name not in closed, "family in two places:", name)
                family = name
            if what == "TYPE":
                check(name not in typed, "two TYPE lines:", name)
                typed[name] = rest
            continue
        match = SAMPLE.match(line)
        check(match, "no sample:", line)
        check(match[1].startswith(family) and family in typed, "sample outside of its family:", line)
        check(match[1] + (match[2] or "") not in values, "series twice:", line)
        values[match[1] + (match[2] or "")] = float(match[3])
    return values


def total(values, name):
    return sum(v for k, v in values.items() if k == name or k.startswith(name + "{"))


def check_histograms(values):
    for name in {k.split("_bucket{")[0] for k in values if "_bucket{" in k}:
        buckets = [v for k, v in values.items() if k.startswith(name + "_bucket{")]
        check(buckets == sorted(buckets), "buckets fall:", name)
        check(buckets[-1] == total(values, name + "_count"), "+Inf is not the count:", name)


def check_formats(url):
    status, headers, text = fetch(url + "/metrics")
    check(status == 200 and headers["Content-Type"] == TEXT, status, headers["Content-Type"])
    values = samples(text)
    check(len(values) < 250, "too many series:", len(values))
    check_histograms(values)
    for name in LEGACY:
        check(any(k.startswith(name + "{") for k in values), "legacy name is missing:", name)
    check("-nan" not in text and "undefined" not in text and "None" not in text, "placeholder")
    status, headers, opened = fetch(url + "/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    check(status == 200 and headers["Content-Type"] == OPEN, status, headers["Content-Type"])
    check(opened.endswith("# EOF\n"), "no # EOF")
    check({k for k in samples(opened)} == set(values), "the formats differ")
    return text, opened


def check_foreign_parsers(text, opened):
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
        from prometheus_client.parser import text_string_to_metric_families as plain
    except ImportError:
        return skipped("metrics_test: prometheus_client's parsers (python3-prometheus-client)")
    ours = samples(text)
    theirs = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in plain(text) for s in f.samples}
    check(len(theirs) == len(ours) and sorted(theirs.values()) == sorted(ours.values()), "prometheus_client reads other numbers")
    check(len([s for f in open_metrics(opened) for s in f.samples]) == len(ours), "its OpenMetrics parser reads other series")


def check_promtool(text):
    if not shutil.which("promtool"):
        return skipped("metrics_test: promtool check metrics (prometheus)")
    said = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    lint = (said.stdout + said.stderr).split("\n")
    allowed = [f"{name} metric names should not contain abbreviated units" for name in ("rwkv_inference_latency_ms", "rwkv_vram_usage_mb")]
    check(not [l for l in lint if l and l not in allowed], "promtool:", lint)


def check_prometheus(url):
    if not shutil.which("prometheus"):
        return skipped("metrics_test: a scrape by the real Prometheus")
    p = Prometheus(f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: rwkvmon
    static_configs: [{{targets: ["{url[7:]}"]}}]
""")
    await_true("a scrape", lambda: p.query("rwkv_tokens_total"))
    check([v for _, v in p.query('up{job="rwkvmon"}')] == [1], "up is not 1")
    before = await_true("tokens", lambda: [v for _, v in p.query('rwkv_token_total') if v])[0]
    await_true("more tokens", lambda: p.query("rwkv_token_total")[0][1] > before)
    await_true("a rate", lambda: [v for _, v in p.query("rate(rwkv_tokens_total{phase='decode'}[5s])") if v > 0])
    (labels, p50), = await_true("a quantile", lambda: p.query("histogram_quantile(0.5, rate(rwkv_token_duration_seconds_bucket[5s]))"))
    check(0 < p50 < 1, "median token", p50)
    check({k for k in labels if k not in ("instance", "job")} == {"model", "backend"}, labels)


def check_short_run(dir):
    prom, log = dir + "/short.prom", dir + "/short.log"
    subprocess.run([RWKVMON, "run", "--prompt", "Hello", "--tokens", "50", "--metrics-textfile", prom, "--log", log, "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)
    values = samples(open(prom).read())
    end = json.loads(open(log).read().splitlines()[-1])
    check(total(values, "rwkv_tokens_total") == end["totals"]["tokens"], "tokens of the file and of the log differ")
    check(total(values, "rwkv_token_total") == 50 and total(values, "rwkv_requests_total") == 1, "decode tokens, requests")
    check(abs(total(values, "rwkv_obs_overhead_seconds_total") - end["totals"]["overhead_seconds"]) < 1e-6, "overhead")


def check_two_files(dir):
    """Files in one folder are gathered together: no series may stand in both."""
    seen = {}
    for name in ("a", "b"):
        subprocess.run([RWKVMON, "run", "--prompt", "Hello", "--tokens", "5", "--metrics-textfile", f"{dir}/{name}.prom", "--log", "none",
                        "--instance", name, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        for line in open(f"{dir}/{name}.prom").read().splitlines():
            if not line.startswith("#"):
                series = line[:line.rindex(" ")]
                check(series not in seen, series, "stands in two files")
                seen[series] = name
    check(len(seen) > 100 and all(f'instance="{name}"' in series for series, name in seen.items()), "labels", len(seen))


def check_refusals(run, url):
    for path in ("/", "/../etc/passwd", "/metrics/", "/%2e%2e/"):
        check(fetch(url + path)[0] == 404, path)
    check(fetch(url + "/metrics", method="POST")[0] == 405, "POST")
    check(fetch(url + "/metrics", {"Host": "evil.example"})[0] == 403, "a foreign Host")


def check_token(dir):
    with open(dir + "/token", "w") as f:
        f.write("a-token-of-mine\n")
    run, url = start_run(RWKVMON, "--log", "none", "--listen-token", "@" + dir + "/token")
    check(fetch(url + "/metrics")[0] == 401, "without the token")
    check(fetch(url + "/metrics", {"Authorization": "Bearer a-token-of-mine"})[0] == 200, "with the token")
    stop(run)


if "libmicrohttpd" not in subprocess.run([RWKVMON, "--version"], capture_output=True, text=True).stdout.split("live page: ")[1][:13]:
    skipped("metrics_test: this build has no HTTP server (libmicrohttpd was missing)")
    sys.exit(77)
dir = scratch()
check_short_run(dir)
check_two_files(dir)
run, url = start_run(RWKVMON, "--log", "none")
await_true("tokens", lambda: total(samples(fetch(url + "/metrics")[2]), "rwkv_token_total") > 200)
text, opened = check_formats(url)
check_foreign_parsers(text, opened)
check_promtool(text)
check_refusals(run, url)
check_prometheus(url)
check(stop(run, signal.SIGINT) == 0, "run ended badly")
check_token(dir)
print("metrics_test: passed")
