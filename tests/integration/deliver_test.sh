#!/bin/bash
# Alarms of real runs, delivered to a file, a command, an HTTP server that also misbehaves, and the real Alertmanager.
set -u
rwkvmon=$1/rwkvmon here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
cd "$dir" || exit 1
pids=
trap 'kill $pids 2>/dev/null; rm -rf "$dir"' EXIT
failed=0

ok() { # WHAT CONDITION...
	if "${@:2}"; then echo "ok: $1"; else echo "not ok: $1"; failed=1; fi
}
lines() { [ "$(wc -l <"$1")" = "$2" ]; }
holds() { grep -q -- "$2" "$1"; }
lacks() { ! grep -rq -- "$2" "$1"; }

cat >fires.yaml <<'YAML'
rules: [{alarm: high_latency, metric: token_latency_ms, above: 0, warmup: 5, summary: "slow $(touch pwned) <b>", action: "`touch pwned`; wait"}]
YAML
cat >moves.yaml <<'YAML'
rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 2, cooldown: 0, clear: 0.5, warmup: 0}]
YAML
run() { rm -f run.log; "$rwkvmon" run --rules fires.yaml --tokens 60 --seed 1 --quiet --lang en --log run.log "$@" </dev/null >text 2>said; }

python3 "$here/receiver.py" out port &
pids="$pids $!"
for _ in $(seq 2400); do [ -s port ] && break; sleep 0.05; done
web=http://127.0.0.1:$(cat port)

# --- file and command ----------------------------------------------------------------------------
run --alarm-to file+alarms.jsonl
logged() { grep '"event_type":"alarm"' run.log; }
ok "the alarm file has the alarm, as the log has it" cmp -s alarms.jsonl <(logged)
ok "and says which process it came from" grep -q "\"instance\":\"$(hostname):[0-9-]*\"" alarms.jsonl
told() { "$rwkvmon" fleet "$@" --json | tr ',{' '\n\n' | grep -e '"alarms":' -e '"state":' -e '"doubled_records":' -e '"model_name":'; }
ok "beside its log, it is no second alarm and no life sign" cmp <(told run.log) <(told run.log alarms.jsonl)
ok "of which there is one" [ "$(told run.log alarms.jsonl | grep -c '"alarms":1$')" = 1 ]
run --alarm-to file+alarms.jsonl
ok "the file is appended to" lines alarms.jsonl 2
run --alarm-to file+none/alarms.jsonl
ok "a file that cannot be opened is refused" holds said "none/alarms.jsonl: cannot be opened"

cat >keep <<'SH'
#!/bin/sh
for word in "$@"; do printf '%s\n' "$word"; done >words
exec cat >heard
SH
chmod +x keep
run --alarm-to 'command+["./keep","$(touch pwned)","; touch pwned","`touch pwned`","a b\u00e9\n"]'
ok "the command's words come as they are" cmp -s words <(printf '%s\n' '$(touch pwned)' '; touch pwned' '`touch pwned`' $'a b\xc3\xa9\n')
ok "its standard input is the alarm" cmp -s heard <(logged)
ok "no shell has seen any of it" test ! -e pwned
run --alarm-to 'command+["sh","-c","exit 3"]'
ok "a failing command is told" holds said "the alarm command sh missed 1 alarm: it ended with status 3"
run --alarm-to 'command+["sleep","1000"]'
ok "a command that does not end is killed at the end" holds said "the alarm command sleep missed 1 alarm: it was killed"
ok "and what it was is in the log" holds run.log '"undelivered":1,"undelivered_why":"the alarm command sleep'
run --alarm-to command+true
ok "a command that reads nothing is fine" test ! -s said
run --alarm-to command+./none
ok "a command that is not there is refused" holds said "./none: cannot be run"

# --- webhooks ---------------------------------------------------------------------------------------
post() { rm -f out; run --alarm-to "$1+$web/$2"; }
post webhook "ok/SECRET?token=SECRET"
ok "json: the alarm itself" python3 - <<'PY'
import json
got = [json.loads(line) for line in open("out")]
assert all(g["body"]["instance"] for g in got)
want = [json.loads(line) for line in open("run.log") if '"event_type":"alarm"' in line]
assert [g["body"] for g in got] == want and len(want) == 1
assert got[0]["path"] == "/ok/SECRET?token=SECRET" and got[0]["type"] == "application/json"
PY
for template in slack:text:ok feishu:content.text:code0 dingtalk:text.content:err0 wecom:text.content:err0; do
	IFS=: read -r name path answer <<<"$template"
	post "$name" "$answer"
	ok "$name: delivered" test ! -s said
	ok "$name: its message" env WHERE="$path" python3 - <<'PY'
import json, os
body = json.loads(open("out").readline())["body"]
for key in os.environ["WHERE"].split("."):
    body = body[key]
assert body.startswith("[ALARM] high_latency (warning)\nslow $(touch pwned) ‹b›\nvalue ") and " ms, limit 0 ms\n" in body, body
assert "\ndo: `touch pwned`; wait\n" in body and "\nmodel: tiny-rwkv7\n" in body
PY
done
# To a proxy, localhost is its own (localstack/localstack#239, lukevella/rallly#2901, wiktorn/Overpass-API#107)
http_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 post webhook ok
ok "a proxy of the environment is not asked for this machine" lines out 1
rm -f out
http_proxy=$web run --alarm-to webhook+http://monitor.invalid/ok
ok "and for others it is" grep -q '"path": "http://monitor.invalid/ok"' out
post feishu code1
ok "200 with an error inside is no success" holds said 'it answered code 19001: no'
# Words that are too long for the service are cut where it is told, and never cost the place and the time (BerriAI/litellm#2917,
# huggingface/peft#1251, serilog-contrib/serilog-sinks-slack#12)
python3 - >long.yaml <<'PY'
print('rules: [{alarm: high_latency, metric: token_latency_ms, above: 0, warmup: 5, summary: "%s", action: "%s"}]' % ("s" * 300, "Do <that> 😀. " * 300))
PY
rm -f out
rm -f run.log
"$rwkvmon" run --rules long.yaml --tokens 60 --seed 1 --quiet --lang en --log run.log </dev/null >text 2>said --alarm-to "wecom+$web/err0" --session-id the-session
ok "a long message says where and when" python3 - <<'PY'
import json
text = json.loads(open("out").readline())["body"]["text"]["content"]
assert len(text.encode()) <= 2048, len(text.encode())
what, *where = text.rsplit("\n", 4)
assert what.endswith("…") and "Do ‹that› 😀. " in what, what[-20:]
assert [line.split(": ")[0] for line in where] == ["model", "instance", "session", "time"] and "the-session" in where[2], where
PY
post wecom garbage
ok "garbage is no success" holds said 'its answer has no "errcode"'
post webhook gone
ok "404 is final" lines out 1
post webhook fail
ok "500 is tried again at the end, then told" holds said "missed 1 alarm: it answered with status 500"
post webhook slow?SECRET
ok "one that never answers delays no record" holds run.log '"records":61,"tokens":61,"dropped":0'
ok "nor the end by more than its patience" holds said "missed 1 alarm: it did not answer in time"
post webhook flood
ok "an endless answer ends" holds said "it did not answer in time"
rm -f out run.log
printf '# where alarms go\n\n webhook+%s/ok/SECRET \r\nfile+two.jsonl\n' "$web" >address
run --alarm-to @address
ok "addresses from a file" lines out 1
ok "all of them" lines two.jsonl 1
run --alarm-to webhook+http://user:SECRET@127.0.0.1:1/SECRET?token=SECRET
ok "a dead port is told" holds said "the webhook at http://127.0.0.1:1 missed 1 alarm"
ok "no secret in the log" lacks run.log SECRET
ok "nor in what is said" lacks said SECRET
run --alarm-to slack+ftp://127.0.0.1/
ok "only http" holds said "expected an address that begins with http"
run --alarm-to "slak+$web/SECRET"
ok "unknown kinds name the near one" holds said 'did you mean slack+'
ok "and no secret" lacks said SECRET
run --alarm-to "$web/ok"
ok "an address without a kind" holds said "expected KIND+ADDRESS"
run --alarm-to "slack+$web/ok" --alarm-to "slack+$web/ok"
ok "the same twice is refused" holds said "named twice"

# --- signed requests -------------------------------------------------------------------------------------
post dingtalk "err0?access_token=x#secret=SECabc"
ok "DingTalk: signed" env SECRET=SECabc python3 - <<'PY'
import base64, hashlib, hmac, json, os, urllib.parse
got = [json.loads(line) for line in open("out")]
assert len(got) == 1, got
query = urllib.parse.parse_qs(urllib.parse.urlparse(got[0]["path"]).query)
secret, stamp = os.environ["SECRET"], query["timestamp"][0]
want = base64.b64encode(hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()).decode()
assert query["sign"] == [want] and len(stamp) == 13 and query["access_token"] == ["x"], got
assert "SECabc" not in got[0]["path"] and got[0]["body"]["text"]["content"]
PY
post feishu "code0#secret=SECabc"
ok "Feishu: signed" env SECRET=SECabc python3 - <<'PY'
import base64, hashlib, hmac, json, os
got = [json.loads(line) for line in open("out")]
assert len(got) == 1, got
body, secret = got[0]["body"], os.environ["SECRET"]
want = base64.b64encode(hmac.new(f"{body['timestamp']}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()
assert body["sign"] == want and len(body["timestamp"]) == 10 and body["content"]["text"], got
PY
post slack "ok#secret=abc"
ok "a service without signatures takes no secret" holds said "takes no #secret="

# --- limits of rates: later, not never -------------------------------------------------------------------
mkfifo limit.in
talk() { # RECEIVER: says something, and ends when the receiver was told once
	rm -f out run.log
	"$rwkvmon" chat --rules fires.yaml --tokens 30 --quiet --lang en --log run.log --alarm-to "$1" <limit.in >text 2>said &
	chat=$!
	exec 9>limit.in
	echo "hello" >&9
	for _ in $(seq 1200); do [ -s out ] && break; sleep 0.05; done
	exec 9>&-
	wait $chat
}
for limit in slack:limit dingtalk:busy-130101 wecom:busy-45009 feishu:busy-11232 feishu:busy-9499; do
	talk "${limit%:*}+$web/${limit#*:}"
	ok "$limit: told to come later, it comes again" lines out 2
	ok "$limit: and is heard then" test ! -s said
done
post dingtalk busy-310000
ok "another code is final, and says why" holds said "it answered errcode 310000: too fast"
ok "and is not asked twice" lines out 1

# --- many receivers: none waits for another --------------------------------------------------------------
rm -f out two.jsonl
run --alarm-to "webhook+$web/slow" --alarm-to "alertmanager+$web/ok/" --alarm-to 'command+["sleep","1000"]' --alarm-to file+two.jsonl \
	--alarm-to "slack+$web/ok/1" --alarm-to "slack+$web/ok/2" --alarm-to "slack+$web/slow/"
ok "those that hang are told" holds said "the webhook at $web missed 1 alarm: it did not answer in time; the alarm command sleep missed 1 alarm"
ok "the healthy ones have it" python3 - <<'PY'
import json
posts = [json.loads(line) for line in open("out")]
alerts = [p["body"][0] for p in posts if p["path"] == "/ok/api/v2/alerts"]
assert len({a["startsAt"] for a in alerts}) == 1 and len(alerts) >= 1, alerts
last = alerts[-1]
ended = json.loads(open("run.log").readlines()[-1])["timestamp"]
assert last["endsAt"] <= ended, (last, ended)  # and its end
assert {p["path"] for p in posts} == {"/slow", "/slow/", "/ok/1", "/ok/2", "/ok/api/v2/alerts"}, posts
assert len(open("two.jsonl").readlines()) == 1
PY

# --- what is critical, and was lost for good -----------------------------------------------------------------
sed 's/alarm: high/severity: critical, alarm: high/' fires.yaml >critical.yaml
rm -f run.log
"$rwkvmon" run --rules critical.yaml --tokens 60 --seed 1 --quiet --lang en --log run.log --alarm-to "webhook+$web/gone?SECRET" --metrics-textfile metrics.prom </dev/null >text 2>said
ok "a lost critical alarm is no success" test $? = 4
ok "and is told" holds said "critical alarms that were lost for good: 1"
ok "in the log" holds run.log '"undelivered_critical":1'
ok "in the metrics" grep -q '^rwkv_obs_lost_critical_alarms_total{.*} 1$' metrics.prom
ok "all that were missed, too" grep -q '^rwkv_obs_undelivered_alarms_total{.*} 1$' metrics.prom
sed -i 's/"cpu_waiting_pct":[0-9.]*/"cpu_waiting_pct":0/' run.log # whatever else this machine does
for command in "analyze --format text" "analyze --format markdown" "diagnose --format text" "diagnose --format html"; do
	"$rwkvmon" $command run.log --lang en >report 2>&1
	ok "$command names the receiver" grep -q "1 critical alarm was never delivered: the webhook at" <(tr -s '\n ' ' ' <report)
done
"$rwkvmon" analyze run.log --format json >report
ok "and the analysis counts it" grep -q '"undelivered":1,"undelivered_critical":1' report
rm -f out
: >nobody
run --alarm-to @nobody
ok "a list of nobody is refused" holds said "nobody names no receiver"

# --- what is critical waits for the next start --------------------------------------------------------------
sed 's/above: 0/above: 1e9/' fires.yaml >never.yaml
wait_for() { rm -f run.log; "$rwkvmon" run --rules "$1" --tokens 60 --seed 1 --quiet --lang en --log run.log --alarm-to "slack+$web/gate?SECRET" --alarm-to file+two.jsonl </dev/null >text 2>said; }
rm -f out two.jsonl
wait_for critical.yaml
ok "it is told that it waits" holds said "critical: 1, which wait in rwkv_alarms.spool for the next start"
ok "only for its user" test "$(stat -c %a rwkv_alarms.spool)" = 600
ok "without the secret" lacks rwkv_alarms.spool SECRET
ok "and not for those who have it" lines rwkv_alarms.spool 1
rm -f out; touch gate
wait_for never.yaml
ok "at the next start it arrives" lines out 1
ok "as it was" grep -q '\[ALARM\] high_latency (critical)' out
ok "nothing waits any more" test ! -e rwkv_alarms.spool
rm -f out
wait_for never.yaml
ok "it arrives once" test ! -e out
ok "others had it before" lines two.jsonl 1
rm -f gate
run --alarm-to "webhook+$web/gate" --alarm-spool none --rules critical.yaml
ok "--rules twice is a usage error" holds said "rules is given twice"

# --- Alertmanager's protocol ---------------------------------------------------------------------------
rm -f out run.log
"$rwkvmon" run --rules moves.yaml --tokens 400 --seed 1 --quiet --log run.log --alarm-to "alertmanager+$web/ok/" </dev/null >text 2>said
ok "alerts come, change and end" python3 - <<'PY'
import datetime, json
posts = [json.loads(line) for line in open("out")]
assert all(p["path"] == "/ok/api/v2/alerts" for p in posts), posts
alerts = [a for p in posts for a in p["body"]]
labels = {json.dumps(a["labels"], sort_keys=True) for a in alerts}
assert len(labels) == 1, labels  # one identity, whatever the numbers
one = json.loads(labels.pop())
assert one["alertname"] == one["rule"] == "abnormal_entropy" and one["severity"] == "critical" and one["model"] == "tiny-rwkv7"
assert all(a["startsAt"] < a["endsAt"] for a in alerts)
assert all(a["annotations"]["reading"].startswith("value ") for a in alerts)
log = [json.loads(line) for line in open("run.log")]
last = [r for r in log if r["event_type"] in ("alarm", "alarm_resolved")][-1]
final = posts[-1]["body"][0]
ends, resolved = (datetime.datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (final["endsAt"], last["timestamp"]))
assert last["event_type"] == "alarm" or 0 <= (ends - resolved).total_seconds() <= 0.0011, (last["timestamp"], final)
PY

# --- it is sent again while it fires (the long way round: 45 s) -----------------------------------------------
if [ -n "${RWKVMON_LONG-}" ]; then
	rm -f out
	mkfifo long.in
	"$rwkvmon" chat --rules fires.yaml --tokens 30 --quiet --log none --alarm-to "alertmanager+$web/ok" <long.in >text 2>said &
	chat=$!
	exec 9>long.in
	echo "hello" >&9
	posts() { for _ in $(seq 1200); do [ "$(cat out 2>/dev/null | wc -l)" -ge "$1" ] && return 0; sleep 0.1; done; return 1; }
	ok "an alert that fires is sent again" posts 2
	exec 9>&-
	wait $chat
	ok "with a later end each time, 180 s ahead, and ends with the session" python3 - <<'PY'
import datetime, json
posts = [json.loads(line)["body"] for line in open("out")]
assert all(len(p) == 1 and p[0]["labels"] == posts[0][0]["labels"] and p[0]["startsAt"] == posts[0][0]["startsAt"] for p in posts)
ends = [datetime.datetime.fromisoformat(p[0]["endsAt"].replace("Z", "+00:00")) for p in posts]
assert 30 <= (ends[1] - ends[0]).total_seconds() <= 60 and ends[-1] < ends[0], ends
PY
else
	echo "SKIPPED: 45 s of an alert that is sent again: set RWKVMON_LONG=1"
fi

# --- the real Alertmanager --------------------------------------------------------------------------------
if ! command -v prometheus-alertmanager >/dev/null; then
	echo "SKIPPED: the real Alertmanager: prometheus-alertmanager is not installed"
else
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	printf 'route: { receiver: nobody }\nreceivers: [ { name: nobody } ]\n' >am.yml
	late() { "$rwkvmon" run --rules "$1" --tokens 60 --seed 1 --quiet --log none --alarm-spool late.spool --alarm-to "alertmanager+http://127.0.0.1:$port" </dev/null >text 2>said; }
	late critical.yaml
	ok "a critical alarm waits for an Alertmanager that is away" lines late.spool 1
	prometheus-alertmanager --config.file=am.yml --storage.path=am --web.listen-address="127.0.0.1:$port" --cluster.listen-address= >am.log 2>&1 &
	pids="$pids $!"
	alerts() { python3 -c 'import json, sys, urllib.request
a = json.load(urllib.request.urlopen(sys.argv[1]))
print(len(a), *sorted({x["labels"]["alertname"] for x in a}))' "http://127.0.0.1:$port/api/v2/alerts" 2>/dev/null; }
	becomes() { for _ in $(seq 600); do [ "$(alerts)" = "$1" ] && return 0; sleep 0.1; done; echo "there are: $(alerts)"; cat am.log said; return 1; }
	becomes "0" || exit 1
	mkfifo words.in
	"$rwkvmon" chat --rules fires.yaml --tokens 30 --quiet --log chat.log --alarm-to "alertmanager+http://127.0.0.1:$port" <words.in >text 2>said &
	chat=$!
	exec 9>words.in
	echo "hello" >&9
	ok "an alarm of a real run is one alert" becomes "1 high_latency"
	exec 9>&-
	wait $chat
	ok "which is resolved when the run ends" becomes "0"
	late never.yaml
	ok "one that waited is an alert at the next start" becomes "1 high_latency"
	ok "and waits no more" test ! -e late.spool
fi
exit $failed
