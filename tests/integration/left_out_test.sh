#!/bin/bash
# What is not read is said: a copy of a log, plain or compressed, and folders inside of a folder; a log that gives nothing
# to judge.
#     left_out_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
leave() { [ -z "${serving-}" ] || kill "$serving" 2>/dev/null; }
"$rwkvmon" run --prompt "It was" --tokens 300 --seed 1 --log whole.log -q >/dev/null 2>&1 || fail "no log was written"
mkdir -p logs/older/deep
cp whole.log logs/a.log
gzip -c whole.log >logs/a.log.gz
head -100 whole.log >logs/a.log.1
"$rwkvmon" run --prompt "It was" --tokens 50 --seed 2 --log logs/older/deep/b.log -q >/dev/null 2>&1 || fail "no second log was written"
copy='a copy of another file'

says() { # CODE OPTIONAL-TEXT COMMAND...: on either output
	want=$1 words=$2
	shift 2
	"$@" >out 2>err
	rc=$?
	[ $rc = "$want" ] && grep -q "$words" out err && pass && return
	fail "exit code $rc (wanted $want), \"$words\" in the answer of: $*"
	sed 's/^/    /' err out | head -30
}
counted() { # NUMBER COMMAND...: of records
	want=$1
	shift
	got=$("$@" 2>err | python3 -c 'import json, sys; print(json.load(sys.stdin)["input"]["records"])')
	[ "$got" = "$want" ] && pass || fail "$got records instead of $want: $*"
}

counted 301 "$rwkvmon" analyze --format json logs
counted 301 "$rwkvmon" analyze --format json logs/a.log.gz logs/a.log.1 logs/a.log
counted 301 "$rwkvmon" diagnose --format json logs
for command in diagnose fleet forecast "rules replay default" "tune --from" "analyze --format csv"; do
	says 0 "3, the first logs/a.log.[1g].*: $copy" "$rwkvmon" $command logs --lang en
done
says 0 '"left_out":3' "$rwkvmon" log check logs --json
says 0 '"fine":303,' "$rwkvmon" log check logs --json
says 0 "logs/older/deep:0: left out: a folder with logs in it" "$rwkvmon" log check logs --lang en
says 0 "left out: the same file as one before" "$rwkvmon" log check whole.log whole.log --lang en
says 0 "a.log.gz:0: left out: $copy" "$rwkvmon" log check logs/a.log logs/a.log.gz --lang en
mkdir many
cp whole.log many/a.log
for i in $(seq 100 150); do cp whole.log many/b$i.log; done
says 0 '"lost":0,"missing":0,"sessions":1,"unnumbered":0,"left_out":51' "$rwkvmon" log check many --json
mkfifo many/zz.log
says 1 '"lost":1,"missing":0,"sessions":1,"unnumbered":0,"left_out":51' "$rwkvmon" log check many --json
says 3 "logs/older/deep: a folder with logs in it" "$rwkvmon" analyze logs/older
says 0 "2 sessions" "$rwkvmon" analyze --lang en logs logs/older/deep
says 4 "logs/a.log.gz: left out: $copy" "$rwkvmon" ship logs --to http://127.0.0.1:1 --once --spool spool
grep -q "logs/older/deep: left out: a folder with logs in it" err && pass || fail "ship does not name the folder"

# While they grow: each log is followed once, and a copy that stays is told.
"$rwkvmon" serve logs --listen 127.0.0.1:0 --lang en >served 2>told &
serving=$!
await "serve tells of the copy" grep -q "logs/a.log.gz: left out: $copy" told
grep -q "logs/older/deep: left out: a folder with logs in it" told && pass || fail "serve does not name the folder"
kill "$serving" && wait "$serving" 2>/dev/null
serving=

# The dashboard follows one of them, and says so before it opens.
check "watch leaves the copy out" timeout 120 python3 - "$rwkvmon" <<'END'
import os, pty, re, select, subprocess, sys
ours, theirs = pty.openpty()
watch = subprocess.Popen([sys.argv[1], "watch", "logs/a.log", "logs/a.log.gz", "logs/a.log", "--lang", "en"], stdin=theirs, stdout=theirs,
                         stderr=open("watched", "w"), env={**os.environ, "TERM": "xterm-256color"})
seen = ""
while "301 records" not in seen:
    assert watch.poll() is None, open("watched").read()
    if select.select([ours], [], [], 0.1)[0]:
        seen += os.read(ours, 65536).decode(errors="replace")
        seen = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\(B)", "", seen)
assert "602 records" not in seen
os.write(ours, b"q")
while watch.poll() is None:
    if select.select([ours], [], [], 0.1)[0]:
        os.read(ours, 65536)
assert "skipped: 2, the first logs/a.log" in open("watched").read(), open("watched").read()
assert watch.returncode == 0
END

# Nothing to judge is said, and is no answer.
head -1 whole.log >start.log
says 3 "there is no inference step to judge" "$rwkvmon" rules replay default start.log --lang en
says 3 '"records":0' "$rwkvmon" rules replay default whole.log --session none --json
says 3 "holds no inference step" "$rwkvmon" export article start.log --lang en
for command in analyze diagnose forecast fleet "watch --once"; do
	says 0 "The log holds no inference step\|NOT ENOUGH DATA" "$rwkvmon" $command start.log --lang en
done
says 0 '"records":0,"from":null,"to":null' "$rwkvmon" forecast start.log --json
mkdir empty
says 3 "empty: no \*.log" "$rwkvmon" ship empty --to http://127.0.0.1:1 --once --spool spool2 --lang en
finish
