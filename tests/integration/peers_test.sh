#!/bin/sh
# Instances unlike their peers are named; instances of a healthy fleet are not.
#     peers_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1

PYTHONPATH=$here python3 - <<'PY' || exit 1
from fleet import write

def fleet(name, n, seed, steps=120, sessions=2, **hosts):
    write(name, {f"host{i}": {"steps": steps, "sessions": sessions, **hosts.get(f"host{i}", {})} for i in range(n)}, seed)

fleet("healthy", 40, 1)
fleet("slow", 40, 2, host17={"factor": 1.6}, host23={"surprisal": 1.5})
fleet("later", 12, 3, steps=400, host5={"factor": 2.5, "begins": 0.5})
fleet("kinds", 30, 6, **{f"host{i}": {"factor": 1.7} for i in range(0, 30, 3)})
fleet("devices", 30, 6, **{f"host{i}": {"factor": 1.7, "gpu": "NVIDIA A100"} for i in range(0, 30, 3)})
fleet("few", 3, 4, host1={"factor": 3})
fleet("content", 40, 7, **{f"host{i}": {"entropy": 3 - 0.1 * i} for i in range(0, 40, 7)})
fleet("many", 1100, 5, steps=60, sessions=1)
PY
for log in *; do "$rwkvmon" analyze "$log" --format json -q >"$log.json" || failed=$((failed + 1)); done

told() { # LOG EXPRESSION, of p, the peers
	python3 -c "import json, sys; a = json.load(open('$1.json')); p = a.get('peers'); sys.exit(0 if $2 else str(p)[:2000])"
}
check "a healthy fleet has no outlier" told healthy "p['outliers'] == [] and (p['groups'], p['compared'], p['alone']) == (1, 40, 0)"
check "the slow host and the one that is surprised beyond its entropy are named" told slow \
	"sorted((o['instance'], o['metric']) for o in p['outliers']) == [('host17:106', 'token_latency_ms'), ('host23:106', 'surprisal_nats')]"
check "a host whose texts are others is none" told content "p['outliers'] == [] and p['mixed'] == 0"
check "with how far they are out" told slow "all(o['peers'] == 39 and o['z'] > 5 for o in p['outliers'])"
check "by its own median and that of its peers" told slow \
	"[1.4 < o['value'] / o['peers_median'] < 1.8 for o in p['outliers'] if o['metric'] == 'token_latency_ms'] == [True]"
check "since when" told later "[(o['instance'], o['since']) for o in p['outliers']] == [('host5:105', \
	next(json.loads(l)['timestamp'] for l in open('later/host5.log') if 'host5-1' in l and 'inference_step' in l))]"
check "hosts of two kinds are no outliers" told kinds "p['outliers'] == [] and p['mixed'] == 2"
check "and in two groups when they say so" told devices "p['outliers'] == [] and (p['groups'], p['mixed']) == (2, 0)"
check "three instances are no peers" told few "p is None and a['instances_total'] == 3"
check "1,100 instances" told many "p['outliers'] == [] and p['compared'] == 1100 and len(a['instances']) == 1100 and a['instances_total'] == 1100"
"$rwkvmon" analyze slow >slow.txt
check "the terminal names them" grep -q '^  host17:106  Token latency .* times the median of its 39 peers' slow.txt
check "and has the worst on top of its list" sh -c "grep -A2 '^Instances' slow.txt | grep -q 'host[12][73]:106 '"
check "the page" "$rwkvmon" analyze slow --format html -o slow.html
check "names them too" grep -q 'Unlike their peers' slow.html
check "Chinese" sh -c "'$rwkvmon' analyze slow --lang zh | grep -q '倍于其 39 个同类的中位数'"
finish
