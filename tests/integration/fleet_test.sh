#!/bin/sh
# `rwkvmon fleet`: who is in trouble stands on top, in the terminal and as JSON; nothing is left out without a word.
#     fleet_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
told() { # LOGS EXPRESSION, of f, the fleet, and i, its instances by name
	python3 -c "
import json, sys
f = json.load(open('$1.json'))
i = {(one['instance'] or '').split(':')[0]: one for one in f['instances']}
sys.exit(0 if $2 else str({**f, 'instances': f['instances'][:5]})[:3000])"
}

python3 "$here/fleet.py" sick 60 --steps 240 --slow host17=2.5 --slow host23=1.5 --silent host7 || exit 1
python3 "$here/fleet.py" clean 50 --steps 120 --seed 3 || exit 1
python3 "$here/fleet.py" all 12 --steps 240 --all 1.6@0.5 || exit 1
PYTHONPATH=$here python3 - <<'PY' || exit 1
from fleet import write
write("version", {f"host{i}": {"steps": 320, **({"model": "m2", "factor": 1.7, "begins": 0.5} if i % 5 == 0 else {})} for i in range(25)})
write("alone", {f"host{i}": {"steps": 320, **({"factor": 1.7, "begins": 0.6} if i == 3 else {})} for i in range(8)})
write("kinds", {f"host{i}": {"steps": 80, **({"factor": 1.7} if i % 3 == 0 else {})} for i in range(24)})
PY
python3 "$here/fleet.py" many 200 --steps 52 --slow host112=2 || exit 1
for logs in sick clean many all version alone kinds; do "$rwkvmon" fleet $logs --json -q >$logs.json || failed=$((failed + 1)); done

check "every instance is listed once" told sick "len(f['instances']) == f['instances_total'] == 60 == len(i)"
check "the slowest first, then the slow one, then the silent one" told sick \
	"[o['instance'].split(':')[0] for o in f['instances']][:3] == ['host17', 'host23', 'host7'] and i['host7']['state'] == 'silent'"
check "each with a cause of its own" told sick \
	"{n for n in i if i[n]['cause'] == 'unlike_peers'} == {'host17', 'host23'} and sum(o['verdict'] == 'healthy' for o in i.values()) == 57"
check "how far it is from its peers" told sick \
	"2.2 < i['host17']['times_peers'] < 2.8 and i['host17']['peers']['peers'] == 58 and i['host1']['peers'] is None"
check "one group, named" told sick \
	"[(g['model_name'], g['strategy'], g['device'], g['instances']) for g in f['groups']] == [('m', 'cuda fp16', 'NVIDIA H200', 60)]"
check "its course over time" told sick "18 < min(c for c in i['host1']['course'] if c) and max(c for c in i['host17']['course'] if c) > 40"
check "the fleet's verdict names it" told sick "f['cause'] == 'unlike_peers' and 'host17:' in f['verdict_text'] and ' × the median of its 58 peers' in f['verdict_text']"
"$rwkvmon" fleet "$here/../logs/worked.log" --json >one.json
check "an only one has the verdict of all" told one "f['verdict'] not in ('healthy', 'undecided') and [n['verdict'] for n in i.values()] == [f['verdict']]"
check "a clean fleet is healthy" told clean "f['verdict'] == 'healthy' and {o['verdict'] for o in i.values()} == {'healthy'} and f['unlike_peers'] == 0"
check "one in two hundred" told many "f['instances'][0]['instance'].startswith('host112:') and f['unlike_peers'] == 1 and len(i) == 200"

slowed() { # LOGS EXPRESSION, of s, the slowdown
	told "$1" "(lambda s: $2)(f['fleet']['slowdown'])"
}
check "all at the same time: common" slowed all "s['scope'] == 'common' and s['together'] >= 10 and 1.4 < s['times'] < 1.8"
check "one model's hosts: a group, by what they share" slowed version \
	"s['scope'] == 'group' and s['shared'] == {'model_name': 'm2'} and (s['together'], s['of']) == (5, 25)"
check "one host: local" slowed alone "s['scope'] == 'local' and s['worst'].startswith('host3:') and s['instances'] == 1"
check "which is a fault, named in the headline" told alone \
	"f['verdict'] == 'attention' and f['cause'] == 'unlike_peers' and 'host3:' in f['verdict_text'] and i['host3']['cause'] == 'unlike_peers'"
check "nothing slowed in a clean fleet" slowed clean "s['scope'] == 'none' and s['of'] > 40"
check "hosts of two kinds are told" sh -c "'$rwkvmon' fleet kinds | tr -s ' \n' ' ' | grep -q 'Token latency: 8 of 24 instances of m, cuda fp16, NVIDIA H200 differ clearly'"
check "in the report, too" sh -c "'$rwkvmon' analyze kinds | grep -q '8 of 24 instances'"
check "and on the page" sh -c "'$rwkvmon' analyze kinds --format html | grep -q '8 of 24 instances'"
check "diagnose has a cause for the fleet and for each" sh -c "'$rwkvmon' diagnose sick | tr -s ' \n' ' ' | grep -q 'An instance is unlike its peers: 2 (host17:106, host23:106)'"

COLUMNS=80 "$rwkvmon" fleet sick --top 5 >sick.txt
check "80 columns are enough" sh -c "! grep -q '.\{81\}' sick.txt"
check "the worst row says why" sh -c "grep -A1 'host17:' sick.txt | grep -q ' × the median of its 58 peers'"
check "what is left out is counted" grep -q 'and 55 more instances.*--top 0' sick.txt
check "--top 0 lists all" sh -c "[ \$('$rwkvmon' fleet sick --top 0 | grep -c ' host[0-9]*:') -ge 60 ]"
check "--match finds by state" sh -c "'$rwkvmon' fleet sick --match SILENT | grep -c '^[^ ]* host[0-9]*:' | grep -qx 1"
check "and says how many do not" sh -c "'$rwkvmon' fleet sick --match silent | grep -q 'do not match --match: 59 of 60'"
check "--sort" sh -c "'$rwkvmon' fleet sick --sort name --json | python3 -c 'import json, sys; n = [o[\"instance\"] for o in json.load(sys.stdin)[\"instances\"]]; sys.exit(n != sorted(n))'"
check "ASCII terminals get ASCII" sh -c "LC_ALL=C '$rwkvmon' fleet sick >ascii.txt && [ -s ascii.txt ] && ! LC_ALL=C grep -q '[^ -~]' ascii.txt"
check "Chinese" sh -c "'$rwkvmon' fleet sick --lang zh --top 3 | grep -q '是同类的 2.* 倍（同类 58 个）'"
status() { # STATUS COMMAND...
	want=$1
	shift
	"$@"
	[ $? = "$want" ]
}
check "--fail-on attention" status 1 "$rwkvmon" fleet sick --fail-on attention
check "lets a clean fleet pass" status 0 "$rwkvmon" fleet clean --fail-on attention
check "a wrong order is refused" status 2 "$rwkvmon" fleet sick --sort age
check "no log is told" status 2 "$rwkvmon" fleet
check "logs of one instance are a list of one" sh -c "'$rwkvmon' fleet sick/host1.log | grep -q '^  1 instance: '"
COLUMNS=100 "$rwkvmon" watch sick --once >watch.txt
check "watch has the worst on top" sh -c "grep -o 'host[0-9]*:' watch.txt | head -1 | grep -q host17:"

check "and says how many it does not show, and what does" sh -c "COLUMNS=100 '$rwkvmon' watch many --once >many.txt && grep -q '/ 64 of 200' many.txt && grep -q '136 more instances; rwkvmon fleet' many.txt"
check "the page of a diagnosis has the causes, too" sh -c "'$rwkvmon' diagnose sick --format html | grep -q 'An instance is unlike its peers: 2 (host17:106'"
check "and its Markdown" sh -c "'$rwkvmon' diagnose sick --format markdown | grep -q '^- An instance is unlike its peers: 2 (host17'"
check "a page tells how many series were not searched" sh -c "'$rwkvmon' analyze many -q --format html | grep -q 'The series of [0-9]* instances were searched neither for changes'"

cp -r sick nameless
sed -i 's/"instance": *"host17[^"]*"/"instance": ""/' nameless/*
"$rwkvmon" fleet nameless --json -q >nameless.json || failed=$((failed + 1))
check "an instance without a name is null among its cause's" told nameless \
	"(lambda worst: None in worst and '' not in worst)(next(c['worst'] for c in f['fleet']['causes'] if c['cause'] == 'healthy'))"
check "and a dash in texts" sh -c "'$rwkvmon' fleet nameless --top 60 | grep -q '^. - '"

# Six processes of one host, of which one slows down, as files and as one log; one that was started again; states that jump in one of three.
PYTHONPATH=$here python3 - <<'PY' || exit 1
import json, os, random
from fleet import lines, write, BEGIN
write("workers", {f"w{i}": {"steps": 320, "sessions": 4, "instance": f"box:{i}", **({"factor": 1.8, "begins": 0.5} if i == 3 else {})} for i in range(6)})
os.mkdir("onelog")
with open("onelog/all.log", "w") as log:
    log.writelines(sorted((line for i in range(6) for line in open(f"workers/w{i}.log")), key=lambda line: json.loads(line)["timestamp"]))
write("again", {f"p{i}": {"steps": 320, "instance": f"solo:{i}", "begin": BEGIN + 4000 * i} for i in range(2)})
os.mkdir("jumps")
for host in range(3):
    draw, done = random.Random(host), 0
    with open(f"jumps/host{host}.log", "w") as log:
        for line in lines(f"host{host}", draw, steps=500):
            if line["event_type"] == "inference_step":
                done += 1
                fell = host == 1 and done in (350, 400, 450)
                line.update(sequence=0, sequence_length=done)
                line["accuracy"]["state_similarity"] = round(0.15 if fell else 0.997 + draw.gauss(0, 0.001), 5)
            log.write(json.dumps(line) + "\n")
PY
for logs in workers onelog again jumps; do "$rwkvmon" fleet $logs --json -q >$logs.json || failed=$((failed + 1)); done
for logs in workers onelog; do
	check "a slow process does not make its siblings slow ($logs)" told $logs \
		"{o['instance']: o['cause'] for o in f['instances'] if o['cause'] != 'healthy'} == {'box:3': 'unlike_peers'}"
	check "it alone has slowed ($logs)" told $logs "(lambda s: s['scope'] == 'local' and s['worst'] == 'box:3' and (s['instances'], s['of']) == (1, 6))(f['fleet']['slowdown'])"
done
check "a process that was started again goes on in the host's course" told again "len({str(o['course']) for o in f['instances']}) == 1 and f['verdict'] == 'healthy'"
check "each is judged by its own events" told jumps "{n: o['cause'] for n, o in i.items()} == {'host0': 'healthy', 'host1': 'state_jump', 'host2': 'healthy'}"

# Of many instances, some show by chance signs that would count in a single log: they do not count, and are listed. What is beyond chance, what all
# have and what is a fact counts.
PYTHONPATH=$here python3 - <<'PY' || exit 1
import json
from fleet import write
write("chance", {f"host{i}": {"steps": 240, "first": 80 if i == 5 else 1} for i in range(300)})
write("certain", {f"host{i}": {"steps": 240, "first": 4000 if i == 5 else 1} for i in range(300)})
write("shared", {f"host{i}": {"steps": 240, "first": 80} for i in range(60)})
write("fact", {f"host{i}": {"steps": 240, "first": 80 if i == 5 else 1} for i in range(300)})
with open("fact/host9.log") as log:
    lines = [json.loads(line) for line in log]
lines[50]["accuracy"]["nonfinite_logits"] = 3
with open("fact/host9.log", "w") as log:
    log.writelines(json.dumps(line) + "\n" for line in lines)
PY
for logs in chance certain shared fact; do "$rwkvmon" fleet $logs --json -q >$logs.json || failed=$((failed + 1)); done
check "one log alone is called ill" sh -c "'$rwkvmon' diagnose chance/host5.log | grep -q 'The first calls are slow  (confidence'"
check "of many it may be chance" told chance "f['verdict'] == 'healthy' and {o['verdict'] for o in i.values()} == {'healthy'}"
check "which is told, for each" told chance \
	"{n: o['by_chance']['causes'] for n, o in i.items() if o['by_chance']} == {'host5': ['slow_start']} and 'The first calls are slow' in i['host5']['by_chance']['text']"
check "and in all" told chance "f['fleet']['instances_by_chance'] == 1 and 'The first calls are slow: 1' in f['fleet']['left_out'][0]"
check "in the list, with what lists them" sh -c "'$rwkvmon' fleet chance | tr -s ' \n' ' ' | grep -q '1 instance shows signs that would count .*: The first calls are slow: 1.* --match by_chance'"
check "which does" sh -c "'$rwkvmon' fleet chance --match by_chance | grep -A1 'host5:' | grep -q 'The first calls are slow (may be chance)'"
check "it stands before those that show nothing" told chance "f['instances'][0]['instance'].startswith('host5:')"
check "Chinese, too" sh -c "'$rwkvmon' fleet chance --lang zh | grep -q '首次调用过慢（可能是偶然）'"
check "nor does --fail-on count it" status 0 "$rwkvmon" fleet chance --fail-on attention
check "diagnose says the same" sh -c "'$rwkvmon' diagnose chance | tr -s ' \n' ' ' | grep -q 'HEALTHY.*1 instance shows signs that would count'"
check "what is beyond chance counts" told certain "{n: o['cause'] for n, o in i.items() if o['verdict'] != 'healthy'} == {'host5': 'slow_start'} and f['cause'] == 'slow_start'"
check "what all have counts" told shared "{o['cause'] for o in i.values()} == {'slow_start'} and f['cause'] == 'slow_start' and f['fleet']['instances_by_chance'] == 0"
check "a fact counts beside what may be chance" told fact \
	"{n: o['cause'] for n, o in i.items() if o['verdict'] != 'healthy'} == {'host9': 'fp16_overflow'} and f['verdict'] == 'critical' and i['host5']['by_chance'] is not None"

# Whatever leaves some out says so.
python3 "$here/fleet.py" beyond 1100 --steps 52 --slow host1090=2 || exit 1
PYTHONPATH=$here python3 - <<'PY' || exit 1
import json, os
from fleet import stamp, write, BEGIN
write("ill", {f"host{i}": {"steps": 120, **({"factor": 1.6} if i % 8 == 0 else {})} for i in range(40)})
os.mkdir("crowd")
with open("crowd/all.log", "w") as log:
    for s in range(20020):
        log.write(json.dumps({"timestamp": stamp(BEGIN + s), "session_id": f"s{s}", "event_type": "inference_step", "instance": f"host{s}:1",
                              "token_count": 1, "phase": "decode", "performance": {"token_latency_ms": 20}}) + "\n")
os.mkdir("restarts")
with open("restarts/all.log", "w") as log:
    for s in range(5000):
        log.write(json.dumps({"timestamp": stamp(BEGIN + s), "session_id": f"s{s}", "event_type": "inference_step", "instance": f"host:{s}",
                              "token_count": 1, "phase": "decode", "performance": {"token_latency_ms": 20}}) + "\n")
PY
for logs in beyond ill crowd restarts; do "$rwkvmon" fleet $logs --json -q >$logs.json || failed=$((failed + 1)); done
check "a cause of many instances says how many it does not name, and what lists them" sh -c \
	"'$rwkvmon' fleet ill | tr -s ' \n' ' ' | grep -q 'An instance is unlike its peers: 5 (host[0-9]*:10[56], host[0-9]*:10[56], host[0-9]*:10[56], and 2 more: rwkvmon fleet --match unlike_peers)'"
check "it does" sh -c "[ \$('$rwkvmon' fleet ill --match unlike_peers | grep -c ' host[0-9]*:') -ge 5 ]"
check "another order does not call the rest better" sh -c "'$rwkvmon' fleet ill --sort name --top 3 | grep -q 'and 37 more instances; --top 0 lists all'"
check "of a thousand hosts each has its times" told beyond "f['instances_total'] == len(i) == 1100 and f['fleet']['instances_untimed'] == 0"
check "one of them that is slow is the verdict on all" told beyond "f['verdict'] == 'attention' and f['cause'] == 'unlike_peers' and f['instance'].startswith('host1090:')"
check "and the first in the list" told beyond "f['instances'][0]['instance'].startswith('host1090:') and i['host1090']['cause'] == 'unlike_peers'"
check "nor are those of more processes than that of one host" told restarts "f['fleet']['instances_untimed'] == 5000 - 4095"
check "in whose times they count" told restarts "f['verdict'] == 'healthy' and {o['verdict'] for o in i.values()} == {'not_enough_data'}"
check "hosts beyond 4,096 have no times, and are counted" told crowd "f['fleet']['instances_untimed'] == 20000 - 4095"
check "no course that is a mixture of others" told crowd "sum(all(c is None for c in o['course']) for o in i.values()) == 20000 - 4095"
check "who reads the list is told" sh -c "'$rwkvmon' fleet crowd | tr -s ' \n' ' ' | grep -q 'The times of 15,905 instances were not followed'"
check "sessions that are not distinguished are counted" told crowd "f['records'] == 20020 and f['instances_total'] == 20000 and f['fleet']['sessions_unlisted'] == 20"
check "who reads the list is told of them, too" sh -c "'$rwkvmon' fleet crowd | tr -s ' \n' ' ' | grep -q '20 more sessions count only in the sums'"
check "a clean fleet leaves nobody out" told clean "f['fleet']['left_out'] == [] and f['fleet']['instances_untimed'] == f['fleet']['sessions_unlisted'] == 0"
check "a forecast of many says whom it did not look at" sh -c "'$rwkvmon' forecast beyond | tr -s ' \n' ' ' | grep -q 'The series of [1-9][0-9]* more instances were not looked at'"
check "watch as JSON says how many there are" sh -c "'$rwkvmon' watch many --once --json | python3 -c 'import json, sys; b = json.load(sys.stdin); sys.exit((b[\"instances_total\"], len(b[\"instances\"])) != (200, 64))'"

"$rwkvmon" ship many --to http://127.0.0.1:1 --spool spool --once -q 2>/dev/null
check "ship --once leaves none of many logs out" sh -c "cat spool/* | grep -a -o 'host[0-9]*:10[0-9]' | sort -u | wc -l | grep -qx 200"

if "$rwkvmon" --version | grep -q 'live page: libmicrohttpd'; then
	"$rwkvmon" serve sick --listen 127.0.0.1:0 2>serve.err &
	server=$!
	cat >ask.py <<'PY'
import json, re, sys, time, urllib.request
url, end = None, time.monotonic() + 300
while time.monotonic() < end:
    url = url or next(iter(re.findall(r"http://[0-9.:]+", open("serve.err").read())), None)
    page = url and urllib.request.urlopen(url + "/api/v1/fleet").read()
    if page and json.loads(page)["instances_total"] == 60 and json.loads(page)["records"] >= 60 * 240 - 300:
        break
    time.sleep(0.5)
else:
    sys.exit("the overview never had all instances")
fleet = json.loads(page)
first = [i["instance"].split(":")[0] for i in fleet["instances"]][:3]
if first != ["host17", "host23", "host7"] or len(page) > 60 * 2000:
    sys.exit(f"{first} {len(page)}")
with urllib.request.urlopen(url + "/events", timeout=30) as events:
    told = [events.readline().decode() for _ in range(5)]
if "event: many\n" not in told:
    sys.exit(f"no overview: {[t[:80] for t in told]}")
with urllib.request.urlopen(url + "/events?about=nobody", timeout=30) as events:
    told = [events.readline().decode() for _ in range(3)]
if any("many" in t or "event: instance" in t for t in told[:2]):
    sys.exit(f"nobody is told of: {[t[:80] for t in told]}")
PY
	check "serve has them as an overview, the worst first" python3 ask.py
	kill $server
	wait $server 2>/dev/null
else
	echo "SKIPPED: serve's overview is not tested: this build has no HTTP server"
fi
# What would be left out of the answer in silence is refused.
refused() { # TEXT COMMAND...
	words=$1
	shift
	"$rwkvmon" "$@" >/dev/null 2>said
	[ $? = 2 ] && grep -qF -- "$words" said
}
check "the time of an engine is none of logs" refused "--last is for an engine" fleet clean --last 6h
check "nor is its token" refused "--to-token is for an engine" fleet clean --to-token secret-of-mine
check "rules are none of an engine" refused "--rules is for logs" fleet http://127.0.0.1:1 --rules thresholds
check "an address to which paths are added has no query" refused "without ? and #" fleet 'http://127.0.0.1:1/?x=1'
check "nor where lines are shipped to" refused "without ? and #" ship clean --to 'http://127.0.0.1:1/#x'
finish
