#!/bin/sh
# What /metrics and receivers of alarms add to monitoring: the same text with the log alone, and with an exporter that is
# scraped every 100 ms, an alarm file, a webhook and an Alertmanager that nobody answers at; in turns.
#     publish_bench.sh BUILD_DIR [PAIRS [TOKENS]]
set -eu
rwkvmon=$1/rwkvmon pairs=${2:-15} tokens=${3:-4000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
RWKVMON=$rwkvmon DIR=$dir PAIRS=$pairs TOKENS=$tokens exec python3 - <<'PY'
import json, os, re, statistics, subprocess, time, urllib.request

rwkvmon, where = os.environ["RWKVMON"], os.environ["DIR"]
pairs, tokens = int(os.environ["PAIRS"]), os.environ["TOKENS"]


def run(name, *extra):
    """The run's own account, scrapes."""
    argv = [rwkvmon, "run", "--prompt", "It was", "--tokens", tokens, "--seed", "1", "--json", "--log", f"{where}/{name}.log", *extra]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(f"{where}/err", "w"))
    scrapes, url = 0, None
    while extra and child.poll() is None:
        url = url or re.search(r"http://\S+/metrics", open(f"{where}/err").read())
        if url:
            try:
                urllib.request.urlopen(url[0], timeout=5).read()
                scrapes += 1
            except OSError:
                pass
        time.sleep(0.1)
    said = json.loads(child.stdout.read())
    child.wait()
    return said, scrapes


everything = ("--listen", "127.0.0.1:0", "--alarm-to", f"file+{where}/alarms", "--alarm-to", "webhook+http://127.0.0.1:1/",
              "--alarm-to", "alertmanager+http://127.0.0.1:1")
own, rate, scrapes = {False: [], True: []}, {False: [], True: []}, 0
for i in range(pairs):
    for on in ((False, True) if i % 2 else (True, False)):
        said, n = run(f"{i}-{on}", *(everything if on else ()))
        own[on].append(said["overhead_seconds"] / said["records"] * 1e6)
        rate[on].append(said["tokens_per_second"])
        scrapes += n
least = {on: min(own[on]) for on in own}  # of all runs: what others on the machine did not disturb
print(f"collector on the inference thread, us per call: log alone median {statistics.median(own[False]):.2f}, least {least[False]:.2f}; "
      f"with exporter and three sinks median {statistics.median(own[True]):.2f}, least {least[True]:.2f} (ratio of the least {least[True] / least[False]:.3f})")
print(f"tokens/s: {statistics.median(rate[False]):.0f} and {statistics.median(rate[True]):.0f} "
      f"({pairs} pairs of {tokens} tokens, {scrapes} scrapes)")
PY
