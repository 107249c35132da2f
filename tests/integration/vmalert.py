"""The exported rules by the real vmalert and VictoriaMetrics: of seven hosts one is slow, and is named until it no longer is.
    vmalert.py BUILD_DIR"""
import json, subprocess, sys
from servers import *

RWKVMON = sys.argv[1] + "/rwkvmon"
HOSTS, SLOW = 7, "host3"


def rules(name, change, *more):
    text = subprocess.run([RWKVMON, "export", "prometheus-rules", *more], check=True, capture_output=True, text=True).stdout
    with open(f"{dir}/{name}", "w") as f:
        f.write(change(text))
    return f"-rule={dir}/{name}"


def quick(text):
    """Minutes are made seconds: the rules are the same otherwise."""
    return re.sub(r"\bfor: \w+", "for: 2s", re.sub(r"\[\d+m\]", "[30s]", text))


class Fleet(threading.Thread):
    """Sends what seven hosts have counted, every half second. They differ by 1 %; a slow one takes four times as long."""
    def __init__(self):
        super().__init__(daemon=True)
        self.slow = True
        self.steps = [[0] * HOSTS, [0] * HOSTS]  # fast, slow
        self.start()

    def counted(self):
        for host in range(HOSTS):
            slow = self.slow and f"host{host}" == SLOW
            self.steps[slow][host] += 100
            fast, late, labels = self.steps[False][host], self.steps[True][host], f'instance="host{host}",model="m",backend="b"'
            for bound, n in (("0.01", 0), ("0.025", fast * (80 + host) // 100), ("0.05", fast), ("0.1", fast + late), ("+Inf", fast + late)):
                yield f'rwkv_token_duration_seconds_bucket{{{labels},le="{bound}"}} {n}'
            yield f"rwkv_token_duration_seconds_count{{{labels}}} {fast + late}"
            yield f"rwkv_token_duration_seconds_sum{{{labels}}} {0.02 * fast + 0.08 * late}"
            yield f'rwkv_alarm_active{{{labels},alarm="high_latency"}} {int(slow)}'

    def run(self):
        while True:
            text = "\n".join(self.counted()) + "\n"
            try:
                urllib.request.urlopen(urllib.request.Request(url + "/api/v1/import/prometheus", text.encode(), method="POST")).close()
            except OSError:
                return  # at the end
            time.sleep(0.5)


def ask(query):
    answer = json.loads(fetch(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")[2])
    check(answer["status"] == "success", answer)
    return answer["data"]["result"]


def firing():
    """As the alerts' manager would see it: vmalert's own list."""
    alerts = json.loads(fetch(f"http://127.0.0.1:{web}/api/v1/alerts")[2])["data"]["alerts"]
    return {(a["name"], a["labels"].get("instance")) for a in alerts or [] if a["state"] == "firing"}


if not (shutil.which("vmalert") and shutil.which("victoria-metrics")):
    skipped("vmalert_test: no vmalert, no victoria-metrics here (Debian's package victoria-metrics)")
    sys.exit(77)
dir = scratch()
said = subprocess.run(["vmalert", "-dryRun", rules("rules.yml", str)], capture_output=True, text=True)
check(not said.returncode or "unknown fields in rule: keep_firing_for" in said.stderr, "vmalert refuses the rules for something else:", said.stderr)
said = subprocess.run(["vmalert", "-dryRun", rules("old.yml", str, "--no-keep-firing")], capture_output=True, text=True)
check(not said.returncode, "vmalert refuses rules without keep_firing_for:", said.stderr)

port, web = free_port(), free_port()
url = f"http://127.0.0.1:{port}"
start(["victoria-metrics", f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={dir}/data", "-search.latencyOffset=0s", "-search.disableCache"],
      stdout=subprocess.DEVNULL, stderr=open(f"{dir}/metrics.said", "w"))
await_true("VictoriaMetrics", lambda: fetch(url + "/health")[0] == 200)
fleet = Fleet()
start(["vmalert", rules("quick.yml", quick, "--no-keep-firing"), "-datasource.url=" + url, "-remoteWrite.url=" + url, "-notifier.url=http://127.0.0.1:9",
       "-evaluationInterval=1s", "-remoteWrite.flushInterval=500ms", f"-httpListenAddr=127.0.0.1:{web}"],
      stdout=subprocess.DEVNULL, stderr=open(f"{dir}/vmalert.said", "w"))
named = {("RwkvUnlikePeers", SLOW), ("RwkvHighTokenLatency", SLOW)}
await_true("the slow host's alerts", lambda: named <= firing())
check({host for name, host in firing() if name == "RwkvUnlikePeers"} == {SLOW}, "a healthy host is named", firing())
for record in ("ln_beside_peers5m", "peer_z5m"):
    check(len(ask(f"last_over_time(instance_model:rwkv_token_duration_seconds:{record}[5m])")) == HOSTS, record, "is not there of each host")
fleet.slow = False
await_true("their end", lambda: not named & firing())
print("vmalert_test: passed")
