#!/bin/sh
# What receivers of alarms cost a call: the same text with the log alone, and with exporter (scraped each second), alarm
# file, webhook and Alertmanager besides, in turns. The rules of this bench fire about every tenth token: far more than
# rules should. --slow: the webhook never answers.
#     receivers_bench.sh BUILD_DIR [PAIRS [TOKENS]] [--slow]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd) rwkvmon=$1/rwkvmon pairs=${2:-15} tokens=${3:-6000} how=ok
case $* in *--slow) how=slow ;; esac
dir=$(mktemp -d)
python3 "$here/tests/integration/receiver.py" "$dir/posts" "$dir/port" &
receiver=$!
trap 'kill $receiver; rm -rf "$dir"' EXIT
cat >"$dir/rules.yaml" <<'YAML'
rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 2, cooldown: 0, clear: 0.5, warmup: 0}]
YAML
while ! [ -s "$dir/port" ]; do sleep 0.1; done
RWKVMON=$rwkvmon DIR=$dir PAIRS=$pairs TOKENS=$tokens HOW=$how PORT=$(cat "$dir/port") python3 - <<'PY'
import json, os, resource, statistics, subprocess, threading, time, urllib.request

rwkvmon, where, how = os.environ["RWKVMON"], os.environ["DIR"], os.environ["HOW"]
pairs, tokens, web = int(os.environ["PAIRS"]), os.environ["TOKENS"], "http://127.0.0.1:" + os.environ["PORT"]
stop = threading.Event()


def scrape():
    while not stop.wait(1):
        try:
            urllib.request.urlopen("http://127.0.0.1:18765/metrics", timeout=1).read()
        except OSError:
            pass


def run(log, *extra):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([rwkvmon, "run", "--prompt", "It was", "--tokens", tokens, "--seed", "1", "--json", "--quiet", "--rules",
                          f"{where}/rules.yaml", "--log", log, *extra],
                         check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(out)
    return (said["overhead_seconds"] / said["records"] * 1e6, said["decode_seconds"] / said["tokens"] * 1e6, said["alarms"],
            said["dropped"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


threading.Thread(target=scrape, daemon=True).start()
arms = {"log alone": [], "log, exporter, file, webhook, Alertmanager": ["--listen", "127.0.0.1:18765", "--alarm-to", f"file+{where}/alarms",
                                                                      "--alarm-to", f"webhook+{web}/{how}", "--alarm-to", f"alertmanager+{web}/ok"]}
got = {arm: [] for arm in arms}
for i in range(pairs):
    for arm in sorted(arms, reverse=i % 2):
        got[arm].append(run(f"{where}/{i}{len(arm)}.log", *arms[arm]))
stop.set()
for arm, rows in got.items():
    own, call, alarms, dropped, cpu = (statistics.median(r[k] for r in rows) for k in range(5))
    print(f"{arm}: {own:.2f} us per call of {call:.1f} us ({100 * own / call:.2f} %), {alarms:.0f} alarms, {dropped:.0f} dropped, "
          f"{cpu:.2f} s CPU in all")
PY
