#!/bin/bash
# What strangers put in the way of the program: pipes and devices where files are due, names and texts that are commands
# to a terminal or another program, modules in the working directory, directories that change while they are read.
#     hostile_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
leave() { kill $(jobs -p) 2>/dev/null; }
log=$root/tests/logs/worked.log
cd "$dir" || exit 1

# Exit code 3 is an answer; 124 hangs, 134 and 139 are crashes.
answers() { # STATUS COMMAND...
	want=$1
	shift
	timeout 120 "$@" >out 2>err </dev/null
	rc=$?
	[ $rc = "$want" ] || fail "exit code $rc instead of $want: $*: $(head -1 err)"
}

# --- pipes and devices ---------------------------------------------------------------------
mkfifo pipe.yaml pipe.safetensors pipe.txt pipe.log
answers 3 "$rwkvmon" run --model pipe.safetensors --prompt x --log none
answers 3 "$rwkvmon" run --tokenizer pipe.txt --prompt x --log none
answers 3 "$rwkvmon" rules check pipe.yaml
answers 3 "$rwkvmon" analyze pipe.log -q
grep -q "pipe to which nobody writes" err || fail "analyze says nothing of the pipe: $(cat err)"
answers 3 "$rwkvmon" analyze /dev/zero -q
answers 3 "$rwkvmon" eval --tokens-file /dev/zero
(cat "$log" >pipe.log) &
answers 0 "$rwkvmon" analyze pipe.log -q --format json
(cat "$here/../../src/rules/baseline.yaml" >pipe.yaml) &
answers 0 "$rwkvmon" rules check pipe.yaml
wait

# --- a directory of odd entries ------------------------------------------------------------
mkdir odd
cp "$log" odd/good.log
ln -s /nonexistent/x odd/gone.log
ln -s good.log odd/current.log
ln odd/good.log odd/hard.log
mkfifo odd/pipe.log
answers 0 "$rwkvmon" analyze odd -q --format json
python3 - "$log" <<'END' || fail "analyze of a directory of odd entries"
import json, sys
said = json.load(open("out"))["input"]
steps = sum(json.loads(line)["event_type"] == "inference_step" for line in open(sys.argv[1]))
assert said["records"] == steps, (said["records"], steps)
assert {s["file"] for s in said["skipped"] if s["line"] == 0} == {"odd/gone.log", "odd/pipe.log"}, said["skipped"]
END

# --- a directory that rotates while it is read ---------------------------------------------
mkdir turning
"$rwkvmon" run --prompt "It was" --tokens 100000000 --log turning/r.log --log-rotate-bytes 20000 --log-keep 3 -q >/dev/null 2>&1 &
writer=$!
turns() { [ -e turning/r.log ] && [ "$(ls turning | wc -l)" -gt 2 ]; }
await "a directory that rotates" turns
for _ in $(seq 60); do
	answers 0 "$rwkvmon" analyze turning -q --format csv
done
kill $writer
wait $writer || fail "the run whose log rotates ended with $?"

# --- what is written to terminals and into Markdown ----------------------------------------
shows_nothing_hidden() { # FILE WHAT
	python3 -c "import re, sys
found = re.findall('[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]', open(sys.argv[1], 'rb').read().decode('utf8', 'strict').replace('\r\n', ''))
sys.exit(f'{sys.argv[2]}: {found}' if found else 0)" "$1" "$2" || fail "control characters in $2"
}
python3 - "$log" <<'END'
import json, sys
bad = "\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202etxt\u200b\b\r\x7f"
with open("term.log", "w") as f:
    for line in list(open(sys.argv[1]))[:60]:
        entry = json.loads(line)
        entry["session_id"] = entry["instance"] = bad
        for key in entry.get("metadata", {}):
            entry["metadata"][key] = bad
        f.write(json.dumps(entry) + "\n")
    f.write("not json " + bad + "\n")
open("r.yaml", "w").write('name: w\nrules:\n  - { name: n, alarm: high_latency, metric: token_latency_ms, above: 0.001,\n'
                          '      summary: { en: "s", zh: "s" }, action: { en: "a", zh: "a" } }\n')
open("says.yaml", "w").write(r'{ name: w, rules: [{ name: n, alarm: high_latency, metric: token_latency_ms, above: 0.00001, '
                             r'summary: { en: "s\e]0;PWNED\a \u202e", zh: "s" }, action: { en: "a\e[2J", zh: "a" } }] }')
open("bad.yaml", "w").write('name: "x\\e]0;PWN\\a"\nrules:\n  - alarm: "h\\e[31mz"\n    metric: "m\\e]0;PWN\\a\\u202e"\n    above: 1\n')
open("m.safetensors.index.json", "w").write('{"weight_map": {"a": "x\\u001b[31m\\u009b.safetensors"}}')
END
quiet() { # STATUS WORDS...: it ends so, and writes nothing hidden
	answers "$@"
	shift
	shows_nothing_hidden out "$*"
	shows_nothing_hidden err "$*, standard error"
}
for form in text markdown json csv html; do quiet 0 "$rwkvmon" analyze term.log -q --format $form; done
for form in text markdown json html mermaid; do quiet 0 "$rwkvmon" diagnose term.log --format $form; done
quiet 0 "$rwkvmon" compare term.log term.log
quiet 0 "$rwkvmon" watch term.log
quiet 0 "$rwkvmon" rules replay r.yaml term.log
quiet 0 "$rwkvmon" run --prompt x --tokens 40 --rules says.yaml --log none
grep -q "^\[ALARM\]" err || fail "no alarm of a rule that is always violated: $(head -2 err)"
quiet 2 "$rwkvmon" rules check bad.yaml
quiet 3 "$rwkvmon" run --model m.safetensors.index.json --log none
strange=$(printf 'b\033[31m\302\233.log')
echo x >"$strange"
quiet 3 "$rwkvmon" analyze "$strange" -q

# --- a prompt that takes minutes ends when it is asked to --------------------------------------
head -c 9000000 /dev/zero | tr '\0' a >long.txt
timeout -k 20 1 "$rwkvmon" run --prompt-file long.txt --tokens 1 -q --log long.log >out 2>err
[ $? -ne 137 ] && grep -q session_end long.log || fail "a long prompt does not end: $(head -2 err)"

# --- YAML that is deep: refused where it becomes so -----------------------------------------
python3 -c "print('[' * 200000)" >deep.yaml
answers 2 "$rwkvmon" rules check deep.yaml
grep -q "deep.yaml:1:33: is too deep" out err || fail "deep YAML: $(head -2 out err)"

# --- a second document, which would be left out, and damage behind the first one ---------------
printf 'rules:\n  - { alarm: high_latency, metric: token_latency_ms, above: 1 }\n---\nrules: []\n' >two.yaml
answers 2 "$rwkvmon" rules check two.yaml
grep -q "two.yaml:3:1: begins a second YAML document" out err || fail "a second document: $(head -2 out err)"
printf 'rules:\n  - { alarm: high_latency, metric: token_latency_ms, above: 1 }\n...\n[[[ }\n' >behind.yaml
answers 2 "$rwkvmon" rules check behind.yaml
(head -3 "$log"; sed -n '4,40s/"instance":"[^"]*"/"instance":"a\\u0000b"/p' "$log") >nul.log
grep -q 'a\\u0000b' nul.log || fail "no NUL character in nul.log"
answers 0 "$rwkvmon" analyze nul.log -q
printf 'log: "a\\0b"\n' >nul.yaml
answers 2 "$rwkvmon" run --prompt x --tokens 1 -q --settings nul.yaml
grep -q "nul.yaml:1:6: holds a NUL character" err && [ ! -e a ] || fail "a NUL character in a name: $(head -2 err)"

# --- other programs -------------------------------------------------------------------------
if command -v gnuplot >/dev/null; then
	mkdir '|touch PWNED;'
	answers 0 "$rwkvmon" analyze "$log" -q --charts '|touch PWNED;'
	[ -e PWNED ] && fail "--charts ran a command"
	ls '|touch PWNED;'/*.svg >/dev/null 2>&1 || fail "--charts drew nothing into the folder of a strange name"
else
	echo "SKIPPED: hostile_test: gnuplot is not installed"
fi
for module in torch importlib rwkv site random; do
	echo "open('$dir/EXECUTED', 'a').write('$module\n')" >$module.py
done
timeout 120 "$rwkvmon" doctor >/dev/null 2>&1
[ $? -le 1 ] || fail "doctor among modules of strangers" # 1: it found a problem of this machine
[ -e EXECUTED ] && fail "doctor ran modules of the working directory: $(cat EXECUTED)"

# --- the build installs nothing that was not asked for --------------------------------------
mkdir stubs
printf '#!/bin/sh\necho "apt-get $*" >>"%s/apt"\n' "$dir" >stubs/apt-get
printf '#!/bin/sh\necho "sudo $*" >>"%s/apt"\nexit 1\n' "$dir" >stubs/sudo
printf '#!/bin/sh\nexit 1\n' >stubs/pkg-config
printf '#!/bin/sh\necho 1000\n' >stubs/id
chmod +x stubs/*
for how in "" --check; do
	# shellcheck disable=SC2086 # no word or one
	(cd "$here/../.." && PATH=$dir/stubs:$PATH tools/deps $how build >"$dir/out" 2>"$dir/err" </dev/null) && fail "tools/deps $how found all"
	grep -q libyaml-dev out && grep -q "make deps" err || fail "tools/deps $how does not say what is missing: $(cat out err)"
done
[ -e apt ] && fail "tools/deps --check: $(cat apt)"
(cd "$here/../.." && PATH=$dir/stubs:$PATH timeout 60 tools/deps --install build >"$dir/out" 2>"$dir/err" </dev/null)
[ $? = 1 ] && grep -q "sudo asks for a password" err || fail "tools/deps --install waits for sudo: $(cat out err)"
grep -q "^apt-get" apt && fail "tools/deps --install without root: $(cat apt)"
grep -n 'tools/deps.*--install' "$here/../../Makefile" | grep -vE 'web build$|web build test$|all$' && fail "the Makefile installs elsewhere"
grep -q -- --install "$here/../../python/setup.py" && fail "pip install installs packages"

# A first line that is shorter than what is read back from a number's end, once lines of that shape are known.
(printf 'x\n' && cat "$here/../logs/worked.log") >short.log
"$rwkvmon" analyze --quiet --format json "$here/../logs/worked.log" short.log >out 2>err || fail "a log that begins with a short line: $(cat err)"
finish
