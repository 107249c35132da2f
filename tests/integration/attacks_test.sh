#!/bin/bash
# Attacks through the public header: receivers that hang, commands that stay, names that leave the directory.
#     attacks_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
client=$build/tests/attack_client
cd "$dir" || exit 1
pids=
leave() { kill $pids 2>/dev/null; }
python3 "$here/receiver.py" out port &
pids=$!
for _ in $(seq 600); do [ -s port ] && break; sleep 0.05; done
web=http://127.0.0.1:$(cat port)
says() { # WHAT PATTERN MILLISECONDS RECEIVER...: the client ends, and says so
	what=$1 pattern=$2
	shift 2
	rm -f out run.log
	timeout 120 "$client" run.log "$@" >told 2>err
	rc=$?
	if [ $rc = 0 ] && grep -qE -- "$pattern" told; then pass; else fail "$what: exit code $rc: $(cat told err)"; fi
	[ ! -e PWNED ] || fail "$what: a text was taken for a command"
}
posts_to() { python3 -c 'import json, sys
print(sum(json.loads(line)["path"].startswith(sys.argv[1]) for line in open("out")))' "$1" 2>/dev/null || echo 0; }

# A receiver that never answers holds nobody up at the end, and costs what it missed alone.
says "a receiver that hangs" "^alarms 1 undelivered 1 dropped 0: .*did not answer in time" 200 "webhook+$web/slow"
says "a command that does not end" "undelivered 1 dropped 0: the alarm command sleep .*killed" 200 'command+["sleep","1000"]'
says "a command that leaves another one" "undelivered 0 dropped 0: $" 200 'command+["sh","-c","sleep 1077 & echo $! >child; exit 0"]'
for _ in $(seq 600); do
	[ "$(ps -o stat= -p "$(cat child)" | cut -c1)" = Z ] || kill -0 "$(cat child)" 2>/dev/null || break
	sleep 0.05
done
ps -o stat= -p "$(cat child)" | grep -qv '^Z' && fail "what a command left running lives on"
timeout 60 "$client" run.log 10 command+/tmp >told 2>err
[ $? = 2 ] && grep -q "cannot be run" told && pass || fail "a directory is taken for a command: $(cat told err)"

# Beside one that hangs, Alertmanager has the alarm and its end: in a short run and in one that outlasts the patience.
for ms in 100 3000; do
	says "a healthy receiver beside one that hangs ($ms ms)" "undelivered 1 dropped 0: the webhook" $ms "webhook+$web/slow" "alertmanager+$web/ok"
	[ "$(posts_to /ok/api/v2/alerts)" -ge 1 ] && pass || fail "$ms ms: Alertmanager got nothing"
	python3 - <<'PY' && pass || fail "$ms ms: Alertmanager was not told the end"
import json
last = [p for p in map(json.loads, open("out")) if p["path"] == "/ok/api/v2/alerts"][-1]["body"][0]
assert last["endsAt"] <= json.loads(open("run.log").readlines()[-1])["timestamp"], last
PY
done
finish
