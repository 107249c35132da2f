#!/bin/bash
# What people who do this job met with other tools, tried on this one. Each case names the public report.
#     field_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
leave() { kill $(jobs -p) 2>/dev/null; }
cd "$dir" || exit 1
reads() { # RECORDS LOG
	n=$("$rwkvmon" analyze "$2" -q --format json 2>err | python3 -c "import json, sys; print(json.load(sys.stdin)['input']['records'])" 2>/dev/null)
	[ "$n" = "$1" ] || fail "$2: ${n:-no} records, expected $1: $(head -1 err)"
}
python3 - "$here/../logs/worked.log" <<'END'
import gzip, json, sys
steps = [line.rstrip("\n") for line in open(sys.argv[1]) if json.loads(line)["event_type"] == "inference_step"][:40]
lines = lambda every: "".join(line + "\n" for line in every).encode()
def write(name, every):
    open(name, "wb").write(every if isinstance(every, bytes) else lines(every))
# logrotate's copytruncate under a writer without O_APPEND: a hole of zeros before the first line (logrotate/logrotate#363)
write("hole.log", b"\0" * 100000 + lines(steps))
write("holes.log", lines(steps[:20]) + b"\0" * 70000 + lines(steps[20:]))
# Docker splits lines at 16 KiB (moby/moby#34855)
long = json.dumps({**json.loads(steps[0]), "text": "x" * 40000})
parts = [long[i:i + 16384] for i in range(0, len(long), 16384)]
write("docker.log", [json.dumps({"log": p + "\n" * (p is parts[-1]), "stream": "stdout", "time": "2025-09-11T12:34:56Z"}) for p in parts] +
      [json.dumps({"log": s + "\n", "stream": "stdout", "time": "2025-09-11T12:34:56Z"}) for s in steps[1:]])
# colours of docker compose, of kubectl's and of syslog's prefixes (tstack/lnav#929)
write("compose.log", ["\x1b[36mrwkv-1  | \x1b[0m" + s for s in steps])
write("kubectl.log", ["[pod/rwkv-0/main] 2025-09-11T12:34:56.000000000Z " + s for s in steps])
write("syslog.log", ["<14>1 2025-09-11T12:34:56Z host rwkv 123 - - " + s for s in steps])
# journald's JSON: what is not UTF-8 or has control characters is an array of byte numbers (tstack/lnav#1029)
journal = lambda s: json.dumps({"MESSAGE": s, "PRIORITY": "6"})
write("journal.log", [journal(list(s.encode())) if i % 3 else journal(s) for i, s in enumerate(steps)])
write("journal-one.log", [journal(list(steps[0].encode()[:-1] + b',"text":"\xff"}'))])
write("journal-colours.log", [journal(list(b"\x1b[32mrwkv\x1b[0m " + s.encode() + b"\n")) for s in steps])
write("journal-broken.log", [journal(m) for m in ([123, 256], [], [123, "34"], [123, None], None, "x", [123.5], [-1])] +
      ['{"MESSAGE":[123', '{"MESSAGE":[,]}', '{"MESSAGE":[123 34]}'] + [journal(list(s.encode())) for s in steps])
# members of gzip one behind the other, and something behind the last (allinurl/goaccess#1208)
write("members.log.gz", b"".join(gzip.compress((s + "\n").encode()) for s in steps))
write("behind.log.gz", gzip.compress(lines(steps)) + b"garbage")
# An array with a record on each line, its brackets beside the first and the last (NLog/NLog#1658, SwiftyBeaver/SwiftyBeaver#463)
write("array.log", ("[" + ",\n".join(steps) + "]\n").encode())
write("array-own-lines.log", ("[\n  " + ",\n  ".join(steps) + "\n]\n").encode())
write("array-one-line.log", ("[" + ",".join(steps) + "]\n").encode())
# several zones in one log (tstack/lnav#1034)
times = ["2022-08-27T14:22:01.613Z", "2022-08-27T17:22:01.694554+03:00", "2022-08-27T14:22:01.888Z", "2022-08-27T09:22:02.000-0500"]
write("zones.log", [json.dumps({"timestamp": t, "session_id": "s", "event_type": "inference_step", "sequence_length": i})
                    for i, t in enumerate(times)])
END
reads 1 journal-one.log
for log in journal.log journal-colours.log journal-broken.log hole.log holes.log docker.log compose.log kubectl.log syslog.log members.log.gz behind.log.gz array.log array-own-lines.log; do
	reads 40 $log
done
"$rwkvmon" analyze array.log -q --format json | grep -q '"skipped_lines":0' || fail "array.log: lines are skipped"
"$rwkvmon" analyze array-one-line.log 2>err
[ $? = 3 ] && grep -q "one JSON array" err || fail "array-one-line.log: $(head -1 err)"
"$rwkvmon" analyze zones.log -q --format json | grep -q '"from":"2022-08-27T14:22:01.613Z","to":"2022-08-27T14:22:02.000Z"' || fail "zones"

# Whole numbers that no double holds: refused, with the line, never rounded
python3 - "$here/../logs/worked.log" <<'END'
import json, sys
step = next(e for e in map(json.loads, open(sys.argv[1])) if e["event_type"] == "inference_step")
with open("large.log", "w") as f:
    for key, value in (("record", 5), ("record", 2**53 + 1), ("record", 2**64), ("token_count", 2**32), ("sequence_length", 2**53 + 1),
                       ("sequence_length", 1.5), ("sequence_length", 2**53)):
        f.write(json.dumps({**step, key: value}) + "\n")
    f.write(json.dumps({**step, "resources": {"state_size_bytes": 2**53 + 1}}) + "\n")
END
reads 2 large.log
"$rwkvmon" analyze large.log -q --format json | grep -o '"line":[0-9]*,"reason":"a count that is not' | wc -l | grep -qx 6 || fail "counts that are too large are not named"

# Of a baseline of 0 nothing is a percentage: such a change was told as 0 %, and passed gates (bencherdev/bencher#956, binwalk-ng/binwalk-ng#107)
python3 - <<'END'
import json
for name, level in (("none.log", 0), ("some.log", 20)):
    with open(name, "w") as f:
        for i in range(200):
            f.write(json.dumps({"timestamp": f"2025-09-11T12:00:{i // 4:02}.{i % 4 * 250:03}Z", "session_id": name, "event_type": "inference_step",
                                "sequence_length": i + 1, "performance": {"token_latency_ms": 30 + i * 7 % 11 / 10},
                                "accuracy": {"token_repetition_pct": level}}) + "\n")
END
gate() { # LIMIT EXPECTED_STATUS EXPECTED_TEXT A B
	"$rwkvmon" compare --lang en --fail-on "$1" "$4" "$5" >said 2>err
	status=$?
	[ $status = "$2" ] && grep -q "$3" said err || fail "compare $4 $5, $1: $status, $(head -1 err)"
}
gate 'token_repetition_pct mean > 5%' 1 'it is 20 % after 0' none.log some.log
gate 'token_repetition_pct mean > 5%' 0 '' some.log none.log
gate 'token_repetition_pct mean < -5%' 1 'it is -100 %' some.log none.log
gate 'token_repetition_pct mean < -5%' 0 '' none.log some.log
cp none.log none-too.log
gate 'token_repetition_pct mean > 0%' 0 '' none.log none-too.log
"$rwkvmon" compare --lang en none.log some.log | tr -s ' \n' ' ' | grep -q 'Token repetition (all steps) from 0 % to 20 %' || fail "a metric that was 0"

# Requests that fail at once made a side the faster one (sharkdp/hyperfine#827, sharkdp/hyperfine#861)
python3 - <<'END'
import json
for name, fails in (("answers.log", 0), ("refusals.log", 3)):
    with open(name, "w") as f:
        for i in range(120):
            failed = i % 5 < fails
            f.write(json.dumps({"timestamp": f"2025-09-11T12:{i // 60:02}:{i % 60:02}.000Z", "session_id": f"{name}-{i}", "event_type": "inference_step", "phase": "decode",
                                "performance": {"request_duration_ms": 5 if failed else 950 + i * 37 % 101, "request_failed": int(failed)}}) + "\n")
END
"$rwkvmon" compare --lang en --json --warmup 0 answers.log refusals.log >said
python3 - <<'END' || fail "requests that fail at once"
import json
c = json.load(open("said"))
row = {d["metric"]: d for d in c["differences"]}
assert row["request_duration_ms"]["median"]["b"] > 900 and row["request_duration_ms"]["verdict"] == "no difference", row["request_duration_ms"]
assert row["request_failed"]["verdict"] == "worse" and [c[side]["failed_requests"] for side in "ab"] == [0, 72]
END
"$rwkvmon" compare --lang en --warmup 0 answers.log refusals.log | tr -s ' \n' ' ' | grep -q 'failed requests, whose duration is left out: 72 ' || fail "failed requests are not told"

# What another machine or another model does was called a change (o1-labs/proof-systems#3593, joshuaswarren/remnic#1684, ionelmc/pytest-benchmark#255)
python3 - <<'END'
import json
for name, model, cpu in (("here.log", "RWKV-7 1.5B", "CPU one"), ("again.log", "RWKV-7 1.5B", "CPU one"), ("there.log", "RWKV-7 1.5B", "CPU two"), ("small.log", "RWKV-7 0.1B", "CPU one")):
    about = {"model_name": model, "strategy": "cpu fp32", "chunk_len": 1}
    line = lambda at, event, **more: json.dumps({"timestamp": f"2025-09-11T12:{at // 60:02}:{at % 60:02}.000Z", "session_id": name, "event_type": event, "instance": f"{name}:1", **more}) + "\n"
    with open(name, "w") as f:
        f.write(line(0, "session_start", metadata={**about, "host": {"cpu": cpu}}))
        for i in range(200):
            f.write(line(i, "inference_step", sequence_length=i + 1, phase="decode", performance={"token_latency_ms": 30 + i * 7 % 11 / 10}, metadata=about))
END
unlike() { "$rwkvmon" compare --lang en "$@" | tr -s ' \n' ' ' | grep -o 'did not run the same: .* What differs'; }
[ "$(unlike here.log there.log)" = "did not run the same: device CPU one against CPU two. What differs" ] || fail "another machine: $(unlike here.log there.log)"
[ "$(unlike here.log small.log)" = "did not run the same: model RWKV-7 1.5B against RWKV-7 0.1B. What differs" ] || fail "another model: $(unlike here.log small.log)"
[ -z "$(unlike here.log again.log)" ] || fail "the same machine: $(unlike here.log again.log)"
"$rwkvmon" compare --json here.log there.log | grep -q '"device":"CPU two"' || fail "another machine, as JSON"

# One bad label value loses a whole scrape (MindFlavor/prometheus_wireguard_exporter#82, BerriAI/litellm#20600)
"$rwkvmon" run --prompt x --tokens 3 --log none -q --metrics-textfile l.prom --instance "$(printf 'a\xe2\x80\xa8b"c\\d\ne\r\xc2\x85\xff')" >/dev/null
python3 - <<'END' || fail "a label"
text = open("l.prom", "rb").read().decode()
assert text.splitlines() == text.split("\n")[:-1], "some reader sees other lines"
assert 'instance="a\ufffdb\\"c\\\\d\\ne ' in text, [l for l in text.splitlines() if "instance=" in l][:1]
END
# /metrics says something before the first request (vllm-project/vllm#8612)
mkdir empty
"$rwkvmon" serve empty --listen 127.0.0.1:0 2>said &
await "serve's address" grep -q http said
python3 -c "import sys, urllib.request as u; sys.exit('rwkv_build_info' not in u.urlopen(open('said').readline().strip() + '/metrics').read().decode())" ||
	fail "/metrics of nothing"
kill $!
# What may not be read is told where files are waited for, too, and by its reason (elastic/logstash#5578, elastic/logstash#6040,
# aws/amazon-cloudwatch-agent#1404)
become_plain() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else exec "$@"; fi; }
plainly() { (become_plain "$@"); }
mkdir closed closed/shut closed/open
cp none.log closed/shut/a.log
cp none.log closed/open/a.log
chmod 755 . closed closed/open
chmod 0 closed/shut closed/open/a.log
if plainly "$rwkvmon" --version >/dev/null 2>&1; then
	for case in "closed/shut: left out: no permission to look into the folder+closed/shut" "closed/shut: left out: no permission to look into the folder+closed/shut/*.log" \
		"closed/open/a.log: left out: no permission to read the file+closed/open/a.log"; do
		become_plain env LC_ALL=C.UTF-8 "$rwkvmon" serve "${case#*+}" --listen 127.0.0.1:0 >err 2>&1 & # $! is the program itself
		await "what serve says of ${case#*+}" grep -q "${case%%+*}" err
		kill $!
		wait $! 2>/dev/null
	done
	for name in closed/shut 'closed/shut/*.log'; do
		plainly "$rwkvmon" analyze "$name" 2>err
		grep -q "closed/shut.*: cannot be opened: Permission denied" err || fail "analyze $name: $(head -1 err)"
		mkdir spool && chmod 777 spool
		plainly "$rwkvmon" ship "$name" --to http://127.0.0.1:9 --once --spool spool/s 2>err
		grep -q "closed/shut.*: cannot be opened: Permission denied" err || fail "ship $name: $(tail -2 err | tr '\n' ' ')"
		rm -rf spool
	done
else
	echo "SKIPPED: what may not be read: another user cannot start the program here"
fi
chmod 755 closed/shut
# Kubernetes sets variables for a service of the program's name, which are none of its settings (vllm-project/vllm#34199, RedisLabs/redislabs-docs#676)
env RWKVMON_PORT=tcp://10.0.0.1:8000 RWKVMON_SERVICE_HOST=10.0.0.1 RWKVMON_SERVICE_PORT=8000 RWKVMON_SERVICE_PORT_HTTP=8000 RWKVMON_PORT_8000_TCP=tcp://10.0.0.1:8000 \
	RWKVMON_PORT_8000_TCP_PROTO=tcp RWKVMON_PORT_8000_TCP_PORT=8000 RWKVMON_PORT_8000_TCP_ADDR=10.0.0.1 "$rwkvmon" run --prompt x --tokens 2 -q --log none >/dev/null 2>err ||
	fail "variables of a service: $(head -1 err)"
[ ! -s err ] || fail "variables of a service: $(head -1 err)"
# Processes that are all number 1, in containers of one host name, are not one (discourse/prometheus_exporter#53)
mkdir pods
pod() { # NAME COMMAND: becomes a container with a run as its process 2, and then COMMAND
	exec unshare --kill-child -pf --mount-proc sh -c '"$0" run --prompt x --tokens 3 -q --log "pods/$1.log" --metrics-textfile "pods/$1.prom" >/dev/null; '"$2" "$rwkvmon" "$1"
}
if unshare -pf --mount-proc true 2>/dev/null; then
	pod a 'touch ready; exec sleep 1000' &
	await "a container" test -e ready
	(pod b :) # beside the first: the number of one that is gone may come again
	{ kill -KILL $!; wait $!; } 2>/dev/null # unshare takes no other signal
	"$rwkvmon" analyze pods -q --format json | grep -q '"instances_total":2' || fail "two containers: $(grep -ho '"instance":"[^"]*"' pods/*.log | sort -u | tr '\n' ' ')"
	[ "$(cat pods/*.prom | grep -v '^#' | sed 's/ [^ ]*$//' | sort | uniq -d | wc -l)" = 0 ] || fail "two containers: the same series twice"
else
	echo "SKIPPED: containers of one host name: unshare is not allowed here"
fi
# Paths with spaces, brackets and other scripts (josStorer/RWKV-Runner#359, lmstudio-ai/lmstudio-bug-tracker#2231)
mkdir '模型　(1)'
cp "$here/../golden/versions/v6.pth" '模型　(1)/a b (1).pth'
"$rwkvmon" eval --model '模型　(1)/a b (1).pth' --tokens 1 >/dev/null || fail "a path"
"$rwkvmon" run --prompt x --tokens 3 -q --log '模型　(1)/日志 {pid}.log' >/dev/null
reads 4 '模型　(1)'
# Terminals of no size (octo/liboping#51, weechat/weechat#1634, JeremyMain/ngputop#3)
python3 - "$rwkvmon" "$here/../logs/worked.log" <<'END' || fail "watch on a small terminal"
import fcntl, os, pty, select, signal, struct, sys, termios, time
def size(fd, pid, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.kill(pid, signal.SIGWINCH)
for first in ((1, 1), (0, 0), (2, 3), (500, 1000)):
    pid, fd = pty.fork()
    if not pid:
        os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
        os.execv(sys.argv[1], [sys.argv[1], "watch", sys.argv[2]])
    sizes, shown, status, end = [first, (1, 1), (30, 100), first], 0, None, time.monotonic() + 300
    while status is None and time.monotonic() < end:
        if select.select([fd], [], [], 0.3)[0]:
            try:
                shown += len(os.read(fd, 65536))
            except OSError:
                pass
        elif shown and sizes:
            size(fd, pid, *sizes.pop(0))
        elif shown:
            os.write(fd, b"q")
        done, how = os.waitpid(pid, os.WNOHANG)
        status = how if done else None
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert status == 0, (first, status)
    os.close(fd)
END
finish
