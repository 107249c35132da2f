#!/bin/sh
# The program from outside: what it prints, where, and with which exit code.
#     cli_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
export LC_ALL=C.UTF-8

# expect NAME EXIT_CODE 'TEXT ON STDERR' COMMAND...   (standard input: what is piped in)
expect() {
	name=$1 want=$2 text=$3
	shift 3
	"$@" >"$dir/out" 2>"$dir/err"
	got=$?
	if [ $got -ne "$want" ]; then
		fail "$name: exit code $got, expected $want"
		cat "$dir/err"
	elif [ -n "$text" ] && ! grep -qF -- "$text" "$dir/err"; then
		fail "$name: standard error lacks \"$text\""
		cat "$dir/err"
	else
		pass
	fi
}

# Steps of a log on standard input; an alarm's line holds one too, inside.
steps() { grep -c '^{"timestamp":"[^"]*","session_id":"[^"]*","event_type":"inference_step"'; }

says() { # NAME TEXT: on the standard output of the command before
	if grep -qF -- "$2" "$dir/out"; then pass; else fail "$1: standard output lacks \"$2\""; head -c 600 "$dir/out"; fi
}

# --- usage ---------------------------------------------------------------------------
expect "help" 0 "" "$rwkvmon" --help
says "help names the commands" "analyze"
expect "no command" 2 "" "$rwkvmon"
expect "mistyped command" 2 'did you mean `rwkvmon analyze`' "$rwkvmon" analyse
expect "mistyped option" 2 'did you mean --temperature' "$rwkvmon" run --temprature 1
expect "missing value" 2 '--tokens: its N is missing' "$rwkvmon" run --tokens
expect "bad number" 2 'found "many"' "$rwkvmon" run --tokens many
expect "an error in Chinese" 2 '--tokens：“many”无效，应为：0 到 9007199254740992 的整数' "$rwkvmon" run --tokens many --lang zh
expect "a file that is missing, in Chinese" 3 'nothing.log：无法打开：没有该文件或目录' env LC_ALL=zh_CN.UTF-8 "$rwkvmon" analyze nothing.log
expect "an error in English where the locale is Chinese" 2 'found "many"' env LC_ALL=zh_CN.UTF-8 "$rwkvmon" run --lang=en --tokens many
expect "stray argument" 2 'takes no argument' "$rwkvmon" run hello
expect "bad format" 2 'expected text, json, html, markdown or csv' "$rwkvmon" analyze --format xml x.log
expect "a condition that is so" 1 '--fail-on token_latency_ms p95 > 60: it is 83.375 ms; high_latency: 13 records' \
	"$rwkvmon" analyze --rules "$here/../rules/single.yaml" --fail-on 'token_latency_ms p95 > 60, throughput_tps max > 1e9, high_latency' "$here/../logs/worked.log"
says "the report comes all the same" "Anomalies"
expect "a condition that is not so" 0 "" "$rwkvmon" analyze --fail-on 'decode token_latency_ms p95 > 600' "$here/../logs/worked.log"
expect "a condition on what is not logged" 3 'the log has no quant_kl_nats' \
	"$rwkvmon" analyze --fail-on 'quant_kl_nats p95 > 1' "$here/../logs/worked.log"
expect "a change needs two logs" 2 'use rwkvmon compare' "$rwkvmon" analyze --fail-on 'token_latency_ms p95 > 5%' x.log
expect "a mistyped condition" 2 'did you mean "token_latency_ms"' "$rwkvmon" analyze --fail-on 'tokn_latency_ms p95 > 5' x.log

# --- the article's parser ----------------------------------------------------------------
cat >"$dir/article.py" <<'PY'
import json, sys
# As the article has it: every key, no default; and update_prometheus_metrics.
rows = tokens = 0
for line in sys.stdin:
    entry = json.loads(line)
    flat = {
        "timestamp": entry["timestamp"], "session_id": entry["session_id"], "sequence_length": entry["sequence_length"],
        "token_latency_ms": entry["performance"]["token_latency_ms"], "throughput_tps": entry["performance"]["throughput_tps"],
        "chunk_process_time_ms": entry["performance"]["chunk_process_time_ms"],
        "vram_used_mb": entry["resources"]["vram_used_mb"], "gpu_utilization_pct": entry["resources"]["gpu_utilization_pct"],
        "state_size_bytes": entry["resources"]["state_size_bytes"], "logits_entropy": entry["accuracy"]["logits_entropy"],
        "token_repetition_pct": entry["accuracy"]["token_repetition_pct"], "state_similarity": entry["accuracy"]["state_similarity"],
        "model_name": entry["metadata"]["model_name"], "strategy": entry["metadata"]["strategy"], "chunk_len": entry["metadata"]["chunk_len"],
    }
    assert all(v is not None for v in flat.values()), entry
    tokens += len(entry["tokens"])
    rows += 1
print(rows, "steps,", tokens, "tokens")
PY
"$rwkvmon" export article "$here/../logs/worked.log" >"$dir/article.log" 2>"$dir/article.err"
counted=$(python3 -c '
import json, sys
steps = [e for e in map(json.loads, open(sys.argv[1])) if e["event_type"] == "inference_step"]
print(len(steps), "steps,", sum(e["token_count"] for e in steps), "tokens")' "$here/../logs/worked.log")
expect "the article's parser reads its export" 0 "" python3 "$dir/article.py" <"$dir/article.log"
says "all steps, and all tokens" "$counted"
# The published format writes 0 for a similarity that is unknown, and no phases.
"$rwkvmon" export article "$here/../cases/diagnosis/healthy__real_run_4_s.log.zst" >"$dir/healthy.log"
expect "what the article leaves out is no fault" 0 "" "$rwkvmon" diagnose --format json "$dir/healthy.log"
says "its export of a healthy log is healthy" '"cause":"healthy"'
expect "export article wants a log" 2 'expected a log' "$rwkvmon" export article

# --- compare -------------------------------------------------------------------------
# Two runs of 400 steps: B takes 20 % longer.
pair=$dir/pair
mkdir "$pair"
for side in a:30 b:36; do
	awk -v ms="${side#*:}" -v s="${side%%:*}" 'BEGIN { for (i = 0; i < 400; i++)
		printf "{\"timestamp\":\"2025-09-11T12:%02d:%02d.000Z\",\"session_id\":\"rwkv-sess-%s\",\"event_type\":\"inference_step\",\"phase\":\"decode\",\"performance\":{\"token_latency_ms\":%.3f}}\n",
			i / 60, i % 60, s, ms * (1 + (i * 7919 % 101 - 50) / 1000) }' >"$pair/${side%%:*}.log"
done
expect "compare" 0 "" "$rwkvmon" compare --lang en "$pair/a.log" "$pair/b.log"
says "one run a side is not blamed" "differs in these runs  Token latency, decode: median 30"
says "why" "With fewer than 3 runs per side it is unknown"
expect "compare in Chinese" 0 "" "$rwkvmon" compare --lang zh "$pair/a.log" "$pair/b.log"
says "it is Chinese" "这些运行有差异"
expect "compare as Markdown" 0 "" "$rwkvmon" compare --lang en --format markdown "$pair/a.log" "$pair/b.log"
says "it has a table" "| Token latency |"
expect "compare as JSON" 0 "" "$rwkvmon" compare --json "$pair/a.log" "$pair/b.log"
says "it has a verdict" '"verdict":"differs"'
says "it says why" '"reason":"few runs"'
expect "a gate that shuts" 1 'token_latency_ms p95 > 5%: it is 20' "$rwkvmon" compare --fail-on 'token_latency_ms p95 > 5%' "$pair/a.log" "$pair/b.log"
expect "a gate that stays open" 0 "" "$rwkvmon" compare --fail-on 'token_latency_ms p95 > 25%' "$pair/a.log" "$pair/b.log"
expect "the other way round" 0 "" "$rwkvmon" compare --fail-on 'token_latency_ms p95 > 5%' "$pair/b.log" "$pair/a.log"
expect "equal logs pass" 0 "" "$rwkvmon" compare --fail-on 'token_latency_ms p95 > 0%, token_latency_ms median > 0%' "$pair/a.log" "$pair/a.log"
expect "one log on both sides" 0 'is on both sides' "$rwkvmon" compare --json "$pair/a.log" "$pair/b.log" --vs "$pair/a.log"
mv "$dir/out" "$dir/both.json"
check "no time falls by more than all of it" python3 -c '
import json, sys
def lows(x):
    if isinstance(x, dict):
        if x.get("relative_low") is not None and x.get("a", 0) > 0: yield x["relative_low"]
        for y in x.values(): yield from lows(y)
    elif isinstance(x, list):
        for y in x: yield from lows(y)
all = list(lows(json.load(open(sys.argv[1]))))
sys.exit(not all or min(all) < -1)' "$dir/both.json"
expect "an absolute limit is B's" 1 'token_latency_ms median > 33' "$rwkvmon" compare --fail-on 'token_latency_ms median > 33' "$pair/a.log" "$pair/b.log"
expect "a metric that neither has" 3 'no throughput_tps in common' "$rwkvmon" compare --fail-on 'throughput_tps p50 < -5%' "$pair/a.log" "$pair/b.log"
# Requests of ten steps each, of which the warm-up leaves nothing.
for side in short_a:20 short_b:30; do
	awk -v ms="${side#*:}" 'BEGIN { for (i = 0; i < 300; i++)
		printf "{\"timestamp\":\"2025-09-11T12:%02d:%02d.000Z\",\"session_id\":\"r%d\",\"event_type\":\"inference_step\",\"phase\":\"decode\",\"performance\":{\"token_latency_ms\":%.3f}}\n",
			i / 60, i % 60, i / 10, ms + i % 3 }' >"$pair/${side%%:*}.log"
done
expect "requests shorter than the warm-up" 0 "" "$rwkvmon" compare --lang en "$pair/short_a.log" "$pair/short_b.log"
says "why nothing is left" "0 compared, 300 excluded as warm-up"
says "what to do" "--warmup 0"
expect "a gate over them" 3 'warm-up: --warmup 0' "$rwkvmon" compare --fail-on 'token_latency_ms p95 > 5%' "$pair/short_a.log" "$pair/short_b.log"
expect "with the warm-up" 0 "" "$rwkvmon" compare --lang en --warmup 0 "$pair/short_a.log" "$pair/short_b.log"
says "they are compared" "slower  Token latency, decode: median 21"
expect "groups" 0 "" "$rwkvmon" compare --lang en "$pair/a.log" "$pair/a.log" --vs "$pair/b.log"
says "a group's name" "a.log (+1)"
# Three runs a side, and 1 % between runs of a side; then two that differ by chance.
for run in 1:30 2:30.3 3:29.8 4:36 5:36.3 6:35.8 7:300 8:5 9:900; do
	awk -v ms="${run#*:}" -v s="${run%%:*}" 'BEGIN { for (i = 0; i < 400; i++)
		printf "{\"timestamp\":\"2025-09-11T12:%02d:%02d.000Z\",\"session_id\":\"rwkv-sess-%s\",\"event_type\":\"inference_step\",\"phase\":\"decode\",\"performance\":{\"token_latency_ms\":%.3f}}\n",
			i / 60, i % 60, s, ms * (1 + (i * 7919 % 101 - 50) / 1000) }' >"$pair/run${run%%:*}.log"
done
expect "three runs a side" 0 "" "$rwkvmon" compare --lang en "$pair"/run[123].log --vs "$pair"/run[456].log
says "the slower one is named so" "slower  Token latency, decode: median 30"
expect "a gate over runs" 1 'token_latency_ms p50 > 5%: it is 19.9' "$rwkvmon" compare --fail-on 'token_latency_ms p50 > 5%' "$pair"/run[123].log --vs "$pair"/run[456].log
expect "runs that have nothing in common" 0 "" "$rwkvmon" compare --lang en "$pair"/run[178].log --vs "$pair"/run[249].log
says "an interval no wider than tenfold" '> +900 %'
awk -v s=x 'BEGIN { for (i = 0; i < 400; i++)
	printf "{\"timestamp\":\"2025-09-11T12:%02d:%02d.000Z\",\"session_id\":\"rwkv-sess-%s\",\"event_type\":\"inference_step\",\"phase\":\"decode\",\"performance\":{\"token_latency_ms\":%.3f}}\n",
		i / 60, i % 60, s, 31 + 12 * sin(i / 23) * sin(i / 7) + (i * 7919 % 101) / 50 }' >"$pair/swings.log"
expect "what a gate does not count" 0 'does not count: the change is +5.35 %, but its interval is -' "$rwkvmon" compare --lang en --fail-on 'token_latency_ms p50 > 5%' "$pair/a.log" "$pair/swings.log"
expect "one side only" 2 'expected two: A B' "$rwkvmon" compare "$pair/a.log"
expect "three without --vs" 2 'put --vs between them' "$rwkvmon" compare "$pair/a.log" "$pair/a.log" "$pair/b.log"
expect "nothing behind --vs" 2 'expected two' "$rwkvmon" compare "$pair/a.log" --vs
expect "a side that is not there" 3 'nowhere.log' "$rwkvmon" compare "$pair/a.log" "$pair/nowhere.log"

# --- progress -------------------------------------------------------------------------
for i in 1 2 3 4 5 6 7 8; do cat "$here/../logs/worked.log" "$here/../logs/worked.log"; done >"$dir/some.log"
for i in 1 2 3 4 $([ "${RWKVMON_FEWER-}" ] || seq 12); do cat "$dir/some.log"; done >"$dir/long.log" # a sanitizer's program is slower
cat "$dir/long.log" "$dir/long.log" >"$dir/longer.log"
for command in "analyze $dir/longer.log" "compare $dir/longer.log $dir/long.log"; do
	# shellcheck disable=SC2086
	python3 "$here/progress_check.py" "$rwkvmon" $command && pass || fail "no progress of ${command%% *}"
	# shellcheck disable=SC2086
	python3 "$here/progress_check.py" "$rwkvmon" $command --quiet >/dev/null 2>&1 && fail "progress of a quiet ${command%% *}"
done

expect "no log named" 2 'no log is named' "$rwkvmon" analyze
expect "help of a command" 0 "" "$rwkvmon" run --help
says "it shows an example" 'rwkvmon run --prompt'
expect "Chinese help" 0 "" "$rwkvmon" run --help --lang zh
says "it is Chinese" "续写的开头"
expect "version" 0 "" "$rwkvmon" --version
says "it says what is in" "activations always fp32"
expect "Chinese help of all" 0 "" "$rwkvmon" --help --lang zh
says "it is Chinese" "用法"
python3 - "$rwkvmon" <<'PY' || fail "lines that are too long"
import re, subprocess, sys, unicodedata
ask = lambda *words: subprocess.run([sys.argv[1], *words], capture_output=True, text=True, check=True).stdout
bad = 0
for command in [[], *([word] for word in re.findall(r"^  (\w+) ", ask("--help", "--lang", "en"), re.M)), ["rules", "list"]]:
    for lang in "en", "zh":
        for line in ask(*command, *([] if "list" in command else ["--help"]), "--lang", lang).split("\n"):
            columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
            if columns > 80:
                print(f"FAILED: {' '.join(command) or 'help of all'}, {lang}, has a line of {columns} columns: {line}")
                bad = 1
sys.exit(bad)
PY

# A report is as wide as the terminal, up to 120 columns; into a pipe it has 80.
env -u COLUMNS python3 - "$rwkvmon" "$here/../logs/worked.log" <<'PY' || fail "the width of reports"
import fcntl, os, pty, re, struct, subprocess, sys, termios, unicodedata
def widest(text):
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return max(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in text.splitlines())
def on_a_terminal(command, columns):
    screen, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen(command, stdout=end, stderr=subprocess.DEVNULL)
    os.close(end)
    told = b""
    while True:
        try:
            piece = os.read(screen, 65536)
        except OSError:  # the terminal's other end is closed
            piece = b""
        if not piece:
            break
        told += piece
    os.close(screen)
    return child.wait() or widest(told.decode().replace("\r", ""))
for face in "analyze", "diagnose":
    for lang in "en", "zh":
        command = [sys.argv[1], face, sys.argv[2], "--lang", lang]
        got = [on_a_terminal(command, columns) for columns in (60, 80, 110, 120, 300)]
        got.append(widest(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        if got != [80, 80, 110, 120, 120, 80]:
            sys.exit(f"{face}, {lang}: {got} columns")
PY

# --- diagnose, and forms to paste -----------------------------------------------------
worked=$here/../logs/worked.log
expect "diagnosis" 0 "" "$rwkvmon" diagnose "$worked" --lang en
says "it names the session" "rwkv-sess-8f4e2d71c05b"
says "it has a fix" "What to do"
expect "bandwidth is a number" 2 'expected GB/s such as 45.5, or measure' "$rwkvmon" diagnose "$worked" --bandwidth fast
expect "diagnosis has forms" 2 'expected text, json, mermaid, html or markdown' "$rwkvmon" diagnose "$worked" --format csv
expect "Mermaid" 0 "" "$rwkvmon" diagnose "$worked" --format mermaid
says "the path is lit" "linkStyle"
expect "measured bandwidth" 0 "" "$rwkvmon" diagnose "$worked" --bandwidth measure --format json
says "it says where it comes from" '"bandwidth":{"source":"measured"'
expect "Markdown" 0 "" "$rwkvmon" analyze "$worked" --format markdown --lang zh
says "it is Chinese" "关键统计指标"
mkdir "$dir/three"
for type in fp32 fp32i8 fp16; do
	sed "s/cuda fp16\"/cpu $type\"/; s/71c05b\"/$type\"/" "$worked" >"$dir/three/$type.log"
done
expect "Markdown of three logs" 0 "" "$rwkvmon" analyze "$dir/three" --format markdown --lang en
for name in fp32.log fp32i8.log fp16.log 'Strategy: mixed: '; do
	grep -qF "$name" "$dir/out" || fail "Markdown of three logs does not say $name"
done
expect "text of three logs" 0 "" "$rwkvmon" analyze "$dir/three" --lang en
grep -q 'Model RWKV-x070-World-0.1B, mixed: cpu fp' "$dir/out" || fail "text of three logs names one strategy"
expect "an unknown language" 2 'found "fr", expected en or zh' "$rwkvmon" analyze "$worked" --lang fr
expect "a locale as language" 0 "" "$rwkvmon" analyze "$worked" --lang zh_CN.UTF-8
expect "what can be exported" 0 "" "$rwkvmon" export --help --lang en
for what in grafana prometheus-rules alerts schema log-format metrics rules diagnosis man; do
	grep -q "^  $what " "$dir/out" || fail "export --help does not list $what"
done
expect "what cannot be exported" 2 'did you mean `rwkvmon export grafana`' "$rwkvmon" export grafanna
expect "CSV" 0 "" "$rwkvmon" analyze "$worked" --format csv
says "columns are the log's keys" "timestamp,records,token_latency_ms,throughput_tps"
python3 - "$dir/out" <<'P' && pass || fail "CSV is no table"
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
assert len(rows) > 3 and len({len(r) for r in rows}) == 1, {len(r) for r in rows}
assert sum(int(r[1]) for r in rows[1:]) == 156
P
if command -v gnuplot >/dev/null; then
	for lang in en zh; do
		[ $lang = zh ] && written="10 张图已写入" || written="10 pictures written"
		expect "pictures" 0 "$written" "$rwkvmon" analyze "$worked" --charts "$dir/pictures it's $lang" --lang $lang
		grep -v "$written" "$dir/err" >"$dir/noise" && { fail "gnuplot complained"; cat "$dir/noise"; }
		for chart in performance_trends latency_distribution state_evolution accuracy resources; do
			file="$dir/pictures it's $lang/$chart"
			[ "$(head -c 4 "$file.png" | od -An -tx1 | tr -d ' ')" = 89504e47 ] && pass || fail "$file.png is no PNG"
			python3 -c 'import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]); assert d.getElementsByTagName("path")' "$file.svg" &&
				pass || fail "$file.svg is no SVG with lines"
		done
	done
	grep -q "性能趋势" "$dir/pictures it's zh/performance_trends.svg" && pass || fail "a picture has no Chinese title"
	head -n 400 "$worked" | awk '/time_to_first_token_ms/ && n++ { next } { print }' >"$dir/one-answer.log"
	"$rwkvmon" analyze "$dir/one-answer.log" -q --charts "$dir/one-answer" --lang en >"$dir/out" 2>"$dir/err"
	grep -q "Throughput" "$dir/one-answer/performance_trends.svg" && ! grep -q "Time to first token" "$dir/one-answer/performance_trends.svg" &&
		pass || fail "a panel is drawn for a single value"
else
	echo "SKIPPED: pictures: gnuplot is not installed"
fi
mkdir "$dir/no-tools" && ln -s "$(command -v sh)" "$dir/no-tools/sh"
expect "a file is no folder for pictures" 2 "is a file; expected a folder" "$rwkvmon" analyze "$worked" --charts "$worked"
PATH="$dir/no-tools" "$rwkvmon" analyze "$worked" --charts "$dir/no-pictures" --quiet >"$dir/no-report" 2>"$dir/err"
[ $? = 4 ] && grep -q "apt-get install gnuplot-nox" "$dir/err" && [ ! -s "$dir/no-report" ] && pass || { fail "missing gnuplot"; cat "$dir/err"; }

# --- run and its log -----------------------------------------------------------------
expect "run" 0 "" "$rwkvmon" run --prompt "And it came to pass" --tokens 300 --seed 1 --log "$dir/a.log"
cp "$dir/out" "$dir/text1"
says "the prompt stands before the text" "And it came to pass"
expect "run again" 0 "" "$rwkvmon" run --prompt "And it came to pass" --tokens 300 --seed 1 --unwatched
cmp -s "$dir/out" "$dir/text1" && pass || fail "the same seed gave another text: monitoring changed it"
[ "$(steps <"$dir/a.log")" = 301 ] && pass || fail "301 steps expected in the log"
head -n 1 "$dir/a.log" | grep -q '"event_type":"session_start"' && pass || fail "the log does not begin with session_start"
tail -n 1 "$dir/a.log" | grep -q '"event_type":"session_end"' && pass || fail "the log does not end with session_end"
"$rwkvmon" run --prompt x --tokens 20000 --quiet --log "$dir/pipe.log" 2>"$dir/err" | head -c 10 >/dev/null
[ ! -s "$dir/err" ] && pass || { fail "a reader that had enough is no trouble"; cat "$dir/err"; }
"$rwkvmon" export article "$dir/pipe.log" 2>"$dir/err" | head -c 10 >/dev/null
[ ! -s "$dir/err" ] && pass || { fail "a reader that had enough of export article is no trouble"; cat "$dir/err"; }
expect "prompt from a pipe" 0 "" sh -c "printf 'ROMEO:' | $rwkvmon run --tokens 5 --seed 1 --log $dir/b.log --json"
says "JSON summary" '"tokens":5,'
mkfifo "$dir/fifo"
[ -z "${RWKVMON_FEWER-}" ] && fifo_tokens=3000 || fifo_tokens=1000
expect "log into a pipe nobody reads" 4 "the log cannot be opened" timeout 20 "$rwkvmon" run --tokens 5 --prompt x --log "$dir/fifo"
# Once the reader has come: nobody is told when that is.
expect "log into a pipe whose reader leaves" 4 "Broken pipe" sh -c "head -c 100 $dir/fifo >/dev/null &
	for _ in \$(seq 1200); do
		timeout 120 $rwkvmon run --tokens $fifo_tokens --prompt x --log $dir/fifo 2>$dir/left
		rc=\$?
		grep -q 'cannot be opened' $dir/left || break
		sleep 0.1
	done
	cat $dir/left >&2
	exit \$rc"
expect "a limit on file sizes" 4 "File too large" sh -c "ulimit -f 10; $rwkvmon run --tokens 300 --prompt x --log $dir/limited.log"
expect "log into a missing directory" 4 "the log cannot be opened for writing" "$rwkvmon" run --tokens 1 --prompt x --log "$dir/none/x.log"
expect "full disk" 4 "No space left on device" "$rwkvmon" run --tokens 50 --prompt x --log /dev/full
[ "$(wc -c <"$dir/out")" -ge 51 ] && pass || fail "a full disk stopped the text"
expect "closed standard output" 4 "standard output" sh -c "$rwkvmon run --tokens 50 --prompt x --log none >/dev/full"
expect "missing model" 3 "check the path" "$rwkvmon" run --model "$dir/none.pth" --prompt x
printf 'not a model at all' >"$dir/bad.pth"
expect "no model file" 3 "bad.pth" "$rwkvmon" run --model "$dir/bad.pth" --prompt x
head -c 1000000 "$here/../../models/tiny-rwkv7.pth" >"$dir/torn.pth"
expect "truncated model" 3 "torn.pth" "$rwkvmon" eval --model "$dir/torn.pth" --tokens 1
head -c 1000000 "$here/../../models/tiny-rwkv7.safetensors" >"$dir/torn.safetensors"
expect "truncated safetensors" 3 "torn.safetensors" "$rwkvmon" eval --model "$dir/torn.safetensors" --tokens 1
expect "rule file that is none" 2 "is no YAML" "$rwkvmon" run --rules "$here/../../CMakeLists.txt" --prompt x --log none

expect "a shadow in full precision" 0 "" "$rwkvmon" run --tokens 60 --prompt x --seed 1 --strategy "cpu fp32i8" --shadow 10 --log "$dir/shadow.log" --quiet
[ "$(grep -c '"quant_kl_nats":' "$dir/shadow.log")" = 6 ] && pass || fail "6 comparisons with the shadow expected"
grep -q '"quant_top1_agree":1' "$dir/shadow.log" && pass || fail "int8 never agrees with fp32"
expect "a strategy for a GPU" 3 "cpu fp32" "$rwkvmon" run --tokens 1 --prompt x --log none --strategy "cuda fp16"
expect "a mistyped shadow" 2 "one_step or accumulated" "$rwkvmon" run --tokens 1 --prompt x --log none --shadow 1 --shadow-mode both
expect "a state is saved" 0 "" "$rwkvmon" run --tokens 50 --prompt "Call me" --seed 2 --log none --quiet --save-state "$dir/s.state"
expect "and gone on from" 0 "" "$rwkvmon" eval --tokens 32 --state "$dir/s.state" --state-out "$dir/s2.state"

python3 - "$dir/s.state" "$dir/nan.state" <<'PY' 2>/dev/null || echo "SKIPPED: a poisoned state: python3 is missing"
import struct, sys
state = bytearray(open(sys.argv[1], "rb").read())
per_layer = (128 + 2 * 64 * 64 + 128) * 4
state[2 * per_layer + 600 * 4 : 2 * per_layer + 601 * 4] = struct.pack("<f", float("nan"))  # layer 2, recurrent matrix
open(sys.argv[2], "wb").write(state)
PY
if [ -s "$dir/nan.state" ]; then
	expect "a poisoned state" 3 "[ALARM] non_finite" "$rwkvmon" run --tokens 5 --prompt a --state "$dir/nan.state" --log "$dir/nan.log"
	grep -q '"nonfinite_layer":2' "$dir/nan.log" && pass || fail "the first bad layer is not told"
fi

# --- chat ----------------------------------------------------------------------------
printf 'Who is there?\n+retry\n+undo\n+gen And it\n+save %s\n+reset\n+nonsense\n+load %s\n+load %s\nAnd you?\n+quit\nnever said\n' \
	"$dir/c.state" "$dir/c.state" "$dir/a.log" >"$dir/talk"
expect "chat" 0 "the last turn was undone" sh -c "$rwkvmon chat --tokens 60 --seed 4 --log $dir/chat.log --user ROMEO --bot JULIET <$dir/talk"
says "the model is called by its name" "JULIET:"
grep -q "there is no such command" "$dir/err" && grep -q "is no state" "$dir/err" && grep -q '^saved$' "$dir/err" && grep -q '^loaded$' "$dir/err" &&
	pass || fail "chat's commands did not all answer"
[ "$(grep -c '^JULIET:' "$dir/out")" = 3 ] && pass || fail "three answers expected"
[ "$(wc -c <"$dir/c.state")" = 202752 ] && pass || fail "+save wrote the wrong size"
[ "$(grep '"phase":"prefill"' "$dir/chat.log" | grep -c '"state_similarity":')" -ge 1 ] && pass ||
	fail "a later message's prefill does not compare the state"
expect "chat's log can be analysed" 0 "" "$rwkvmon" analyze "$dir/chat.log" --format json
says "it has prefill and decode" '"prefill"'

expect "two threads" 0 "" "$rwkvmon" run --prompt "And it came to pass" --tokens 300 --seed 1 --unwatched --threads 2 --quiet
cmp -s "$dir/out" "$dir/text1" && pass || fail "two threads wrote another text"
expect "no threads" 2 "--threads: expected 1" "$rwkvmon" run --prompt x --threads 0

cat >"$dir/rules.yaml" <<'RULES'
rules:
  - alarm: high_latency
    metric: token_latency_ms
    above: 0.000001
    over: 3
    by: median
    summary: { en: "Slower than light", zh: "慢于光速" }
    action: { en: "Build a faster universe.", zh: "换一个更快的宇宙。" }
RULES
expect "alarms go to standard error" 0 "[ALARM] high_latency: Slower than light" \
	"$rwkvmon" run --tokens 60 --prompt x --rules "$dir/rules.yaml" --log "$dir/alarm.log"
[ "$(grep -c '^.*\[ALARM\]' "$dir/err")" = 1 ] && pass || fail "the alarm was repeated"
[ "$(grep -c '"event_type":"alarm","alarm_type":"high_latency","severity":"warning","details":{' "$dir/alarm.log")" = 1 ] &&
	pass || fail "the log does not hold the alarm once"
expect "in Chinese too" 0 "慢于光速" "$rwkvmon" run --tokens 60 --prompt x --rules "$dir/rules.yaml" --log none --lang zh
# Logs of others may count NaN alone. Infinite logits beside an entropy are those of banned tokens.
for what in nan_logits nan_state inf_state; do
	sed "30,34s/\"accuracy\":{/&\"$what\":3,/" tests/logs/worked.log >"$dir/$what.log"
	expect "$what" 1 "" "$rwkvmon" analyze "$dir/$what.log" -q --format json --fail-on critical
	says "it is the cause" "5 steps have values that are not finite"
done
# The verdict names the gravest alarms, by what the log says of them; what only informs is no reason to look.
entropy=$(grep -m 1 '"event_type":"alarm"' "$dir/alarm.log" | sed 's/high_latency/abnormal_entropy/; s/warning/info/')
(sed 's/"severity":"warning"/"severity":"critical"/' "$dir/alarm.log"; for i in 0 1; do echo "$entropy" | sed "s/sess-/sess-$i/g"; done) >"$dir/grave.log"
expect "the gravest alarm" 0 "" "$rwkvmon" analyze "$dir/grave.log" --lang en
says "it is named" "1 × high_latency"
says "all are" "Alarms raised while it ran: High latency (1); Abnormal entropy (2)."
says "it is critical" "CRITICAL"
sed 's/"severity":"warning"/"severity":"info"/' "$dir/alarm.log" >"$dir/informs.log"
expect "what only informs" 0 "" "$rwkvmon" analyze "$dir/informs.log" --lang en
grep -q "An alarm fired" "$dir/out" && fail "an alarm that only informs is the cause" || pass
expect "limits" 0 "" "$rwkvmon" analyze "$dir/alarm.log" --rules thresholds --format json
says "those that judged" '"limits":[{"metric":"token_latency_ms"'
grep -q '"limits":[^]]*vram_used_mb' "$dir/out" && fail "a limit that judged nothing is listed" || pass

# --- the log's files -------------------------------------------------------------------
expect "rotation" 0 "" "$rwkvmon" run --prompt x --tokens 900 --seed 1 --quiet --log "$dir/rot.log" --log-rotate-bytes 100000
[ "$(cat "$dir"/rot.*log | grep -cE '^\{"timestamp":"[^"]*","session_id":"[^"]*","event_type":"inference_step"')" = 901 ] && pass || fail "rotation lost records"
[ "$(ls "$dir"/rot.*log | wc -l)" -gt 2 ] && pass || fail "the log was not rotated"
expect "retention" 0 "" "$rwkvmon" run --prompt x --tokens 900 --seed 1 --quiet --log "$dir/keep.log" --log-rotate-bytes 50000 --log-keep 2
[ "$(ls "$dir"/keep.*log | wc -l)" = 3 ] && pass || fail "2 old files and the current one expected"
expect "bad --fsync" 2 "expected interval, never or record" "$rwkvmon" run --prompt x --fsync sometimes --log none
expect "--fsync record" 0 "" "$rwkvmon" run --prompt x --tokens 20 --fsync record --log "$dir/sync.log" --quiet
expect "compressed log" 0 "" "$rwkvmon" run --prompt x --tokens 100 --seed 1 --log "$dir/c.log.zst" --quiet
head -50 tests/logs/worked.log >"$dir/grows.log"
"$rwkvmon" analyze --follow --format json "$dir/grows.log" >"$dir/followed.json" 2>/dev/null &
follower=$!
await "analyze --follow listens to interrupts" handles $follower 2
tail -n +51 tests/logs/worked.log >>"$dir/grows.log"
kill -INT $follower
wait $follower && "$rwkvmon" analyze --format json "$dir/grows.log" | cmp -s - "$dir/followed.json" &&
	pass || fail "analyze --follow does not end with the report on an interrupt"
# With a mark at its beginning, and without the last line's end.
(printf '\xef\xbb\xbf'; head -c -1 tests/logs/worked.log) >"$dir/marked.log"
"$rwkvmon" analyze --follow --format json "$dir/marked.log" >"$dir/followed.json" 2>/dev/null &
follower=$!
await "analyze --follow listens to interrupts" handles $follower 2
kill -INT $follower
wait $follower && "$rwkvmon" analyze --format json "$dir/marked.log" | cmp -s - "$dir/followed.json" &&
	pass || fail "analyze --follow loses the last line of a text with a mark"
[ "$("$rwkvmon" analyze "$dir/c.log.zst" --format json | grep -c '"records":101')" -ge 1 ] && pass || fail "analyze does not read the compressed log"
if command -v zstd >/dev/null; then
	[ "$(zstd -dcq "$dir/c.log.zst" | steps)" = 101 ] && pass || fail "zstd does not read the compressed log"
else
	echo "SKIPPED: reading a compressed log with the zstd program: it is not installed"
fi
mkdir "$dir/packed"
expect "compressed and rotated" 0 "" "$rwkvmon" run --prompt x --tokens 500 --seed 1 --quiet --log "$dir/packed/z.log.zst" --log-rotate-bytes 9000
expect "a directory of compressed logs" 0 "" "$rwkvmon" analyze --format json "$dir/packed"
says "nothing is missing" '"records":501,"skipped_lines":0'
for i in 1 2 3; do "$rwkvmon" run --prompt x --tokens 300 --seed $i --quiet --log "$dir/same.log" >/dev/null & done
wait
expect "three processes, one file" 0 "" "$rwkvmon" analyze --format json "$dir/same.log"
says "no line is damaged" '"records":903,"skipped_lines":0'
"$rwkvmon" run --prompt x --tokens 100000000 --seed 1 --quiet --log "$dir/term.log" >/dev/null &
pid=$!
await "a run that writes" grep -qs inference_step "$dir/term.log"
kill -TERM $pid
wait $pid
[ "$(tail -n 1 "$dir/term.log" | grep -c '"event_type":"session_end"')" = 1 ] && pass || fail "SIGTERM lost the end of the log"

# --- eval ----------------------------------------------------------------------------
golden=$here/../../models
tokens=$(python3 -c "import json;print(','.join(map(str,json.load(open('$golden/golden.json'))['tokens'])))" 2>/dev/null)
if [ -n "$tokens" ]; then
	expect "eval" 0 "" "$rwkvmon" eval --tokens "$tokens" --all-logits --logits-out "$dir/l" --state-out "$dir/s"
	[ "$(wc -c <"$dir/l")" = 65536 ] && [ "$(wc -c <"$dir/s")" = 202752 ] && pass || fail "eval wrote the wrong sizes"
	expect "eval in chunks" 0 "" "$rwkvmon" eval --tokens "$tokens" --chunk-len 37 --logits-out "$dir/l2"
	[ "$(wc -c <"$dir/l2")" = 1024 ] && pass || fail "the last logits alone are 1024 bytes"
else
	echo "SKIPPED: eval of the embedded model's golden prompt: python3 is missing"
fi
expect "eval refuses a token beyond the vocabulary" 2 "" "$rwkvmon" eval --tokens 256
expect "eval refuses letters" 2 "expected token ids" "$rwkvmon" eval --tokens 1,x
expect "eval wants tokens" 2 "either --tokens or --tokens-file" "$rwkvmon" eval
expect "eval as JSON" 0 "" "$rwkvmon" eval --tokens 72,105 --json
says "the first token has no similarity" '"state_similarity":null'

# --- convert -------------------------------------------------------------------------
expect "convert" 0 "" "$rwkvmon" convert "$golden/tiny-rwkv7.pth" -o "$dir/c.safetensors"
says "convert tells the size" "of the original"
grep -q "opens in" "$dir/out" && fail "convert claims a load time of a file that opens at once"
"$rwkvmon" eval --model "$golden/tiny-rwkv7.pth" --tokens 72,101,108 --logits-out "$dir/l3"
"$rwkvmon" eval --model "$dir/c.safetensors" --tokens 72,101,108 --logits-out "$dir/l4"
cmp -s "$dir/l3" "$dir/l4" && pass || fail "a converted model computes something else"
expect "convert to fp32" 0 "" "$rwkvmon" convert "$golden/tiny-rwkv7.pth" --to fp32 -o "$dir/c32.safetensors" --json
says "it is twice as large" '"out_bytes":60'
"$rwkvmon" eval --model "$dir/c32.safetensors" --tokens 72,101,108 --logits-out "$dir/l5" && cmp -s "$dir/l3" "$dir/l5" &&
	pass || fail "widening to fp32 changed the logits"
expect "convert to a full device" 4 "No space left" "$rwkvmon" convert "$golden/tiny-rwkv7.pth" -o /dev/full
[ -c /dev/full ] && pass || fail "convert replaced a device"
expect "convert through a link" 0 "" sh -c "ln -s $dir/target.safetensors $dir/link && $rwkvmon convert $golden/tiny-rwkv7.pth -o $dir/link"
[ -L "$dir/link" ] && [ -s "$dir/target.safetensors" ] && pass || fail "convert replaced a link instead of writing its target"
# int8: the quantised file computes bit for bit what quantising while loading computes
same_as_int8() { # NAME MODEL TOKENS
	expect "$1 to int8" 0 "" "$rwkvmon" convert "$2" --to int8 -o "$dir/q.safetensors"
	"$rwkvmon" eval --model "$2" --strategy "cpu fp32i8" --tokens "$3" --all-logits --logits-out "$dir/q1" --state-out "$dir/s1"
	"$rwkvmon" eval --model "$dir/q.safetensors" --tokens "$3" --all-logits --logits-out "$dir/q2" --state-out "$dir/s2"
	cmp -s "$dir/q1" "$dir/q2" && cmp -s "$dir/s1" "$dir/s2" && [ -s "$dir/q1" ] && pass || fail "$1: int8 from the file differs from int8 made while loading"
	"$rwkvmon" eval --model "$dir/q.safetensors" --strategy "cpu fp32i8" --tokens "$3" --all-logits --logits-out "$dir/q2"
	cmp -s "$dir/q1" "$dir/q2" && pass || fail "$1: naming the strategy of an int8 file changes it"
}
same_as_int8 "the embedded model" "$golden/tiny-rwkv7.pth" 72,101,108,108,111,32,116,104,101
"$rwkvmon" eval --model "$golden/tiny-rwkv7.pth" --tokens 72,101 --logits-out "$dir/l6"
"$rwkvmon" eval --model "$dir/q.safetensors" --tokens 72,101 --logits-out "$dir/l7"
cmp -s "$dir/l6" "$dir/l7" && fail "int8 changes nothing: it was not used" || pass
for type in fp32 fp16 bf16; do
	expect "an int8 file as $type" 3 'expected "cpu fp32i8"' "$rwkvmon" eval --model "$dir/q.safetensors" --strategy "cpu $type" --tokens 1
done
expect "an int8 file partly as fp32" 3 'asks for fp32 in layer 6' "$rwkvmon" eval --model "$dir/q.safetensors" --strategy "cpu fp32i8 *2 -> cpu fp32" --tokens 1
expect "an int8 file converted again" 3 "holds int8 weights already" "$rwkvmon" convert "$dir/q.safetensors" --to fp16 -o "$dir/x"
expect "an int8 file copied" 3 "holds int8 weights already" "$rwkvmon" convert "$dir/q.safetensors" -o "$dir/x"
shared=${RWKVMON_SHARED:-$here/../../../shared}/goldens/models
for version in v4 v5.0 v5.1 v5.2 v6 v7; do
	if [ -r "$shared/rand-$version.fp32.pth" ]; then
		same_as_int8 "rand-$version" "$shared/rand-$version.fp32.pth" 1,2,3,4,5,60,71,80,9
	else
		echo "SKIPPED: int8 file of rand-$version: $shared/rand-$version.fp32.pth is missing"
	fi
done
expect "convert to nonsense" 2 "expected fp32, fp16, bf16 or int8" "$rwkvmon" convert "$golden/tiny-rwkv7.pth" --to fp7 -o "$dir/x"
expect "convert what is no model" 3 "bad.pth" "$rwkvmon" convert "$dir/bad.pth" -o "$dir/x"
expect "convert to a place that is none" 4 "cannot be created" "$rwkvmon" convert "$golden/tiny-rwkv7.pth" -o "$dir/none/x"
[ ! -e "$dir/x" ] && pass || fail "a refused conversion left a file"

# --- analyze -------------------------------------------------------------------------
expect "analyze" 0 "" "$rwkvmon" analyze "$dir/a.log"
says "it names the model" "tiny-rwkv7"
expect "analyze as JSON" 0 "" "$rwkvmon" analyze --format json "$dir/a.log"
says "it counts" '"records":301'
expect "analyze from a pipe" 0 "" sh -c "$rwkvmon analyze - --format json <$dir/a.log"
says "it counts too" '"records":301'
expect "analyze as HTML" 0 "" "$rwkvmon" analyze "$dir/a.log" --format html -o "$dir/r.html"
for form in html:html md:markdown json:json csv:csv; do
	"$rwkvmon" analyze "$dir/a.log" -q -o "$dir/by-ending.${form%:*}" && "$rwkvmon" analyze "$dir/a.log" -q --format "${form#*:}" -o "$dir/by-name" &&
		cmp -s "$dir/by-ending.${form%:*}" "$dir/by-name" && pass || fail "the ending .${form%:*} is no ${form#*:}"
done
for command in fleet forecast; do
	"$rwkvmon" $command "$dir/a.log" -q -o "$dir/$command.json" && "$rwkvmon" $command "$dir/a.log" -q --json -o "$dir/by-name" &&
		cmp -s "$dir/$command.json" "$dir/by-name" && pass || fail "the ending .json of $command is no JSON"
done
"$rwkvmon" diagnose "$dir/a.log" -q -o "$dir/by-ending.csv" && "$rwkvmon" diagnose "$dir/a.log" -q -o "$dir/by-name" && cmp -s "$dir/by-ending.csv" "$dir/by-name" && pass ||
	fail "an ending of another form is not text"
[ "$(wc -c <"$dir/r.html")" -lt 2000000 ] && pass || fail "the report is larger than 2 MB"
grep -qiE '(src|href)="?https?:' "$dir/r.html" && fail "the report points outside" || pass
expect "report to a place that cannot be written" 4 "cannot be" "$rwkvmon" analyze "$dir/a.log" --format html -o "$dir/none/r.html"
# A folder that is not there is found before the work.
for option in "--save-state $dir/none/s" "--save-state $dir/a.log/s"; do
	expect "state to a place that cannot be written" 4 "cannot be created" "$rwkvmon" run --prompt x --tokens 3 --log none $option
	"$rwkvmon" run --prompt x --tokens 3 --log none $option 2>/dev/null | grep -q . && fail "text was generated: $option" || pass
done
expect "settings to a place that cannot be written" 4 "cannot be created" "$rwkvmon" tune -o "$dir/none/t.yaml"
# No result goes over what is read, or over another result.
kept() { # COMMAND...: refused, and the file is as it was
	expect "over its own input: $*" 2 "is read by this command" "$rwkvmon" "$@"
}
mkdir "$dir/own"
cp "$dir/a.log" "$dir/own/a.log"
ln "$dir/own/a.log" "$dir/own/again.html"
cp "$golden/tiny-rwkv7.pth" "$dir/own/m.pth"
kept analyze "$dir/own/a.log" -q -o "$dir/own/a.log"
kept analyze "$dir/own/a.log" -q --format html -o "$dir/own/again.html"
kept analyze "$dir/own" -q -o "$dir/own/a.log"
kept analyze --partial "$dir/own/a.log" -o "$dir/own/a.log"
kept forecast --train "$dir/own" -o "$dir/own/a.log"
kept convert "$dir/own/m.pth" -o "$dir/own/m.pth"
kept analyze "$dir/own/a*" -o "$dir/own/a.log"
kept run --model "$dir/own/m.pth" --prompt x --tokens 1 --log "$dir/own/m.pth"
kept eval --model "$dir/own/m.pth" --tokens 1 --state-out "$dir/own/m.pth"
kept run --model "$dir/own/m.pth" --prompt x --tokens 1 --log none --alarm-to "file+$dir/al.jsonl" --alarm-spool "$dir/own/m.pth"
kept run --model "$dir/own/m.pth" --prompt x --tokens 1 --log none --alarm-to "file+$dir/own/m.pth"
expect "alarms into the log" 2 "name the same file" "$rwkvmon" run --prompt x --tokens 1 --log "$dir/own/y.log" --alarm-to "file+$dir/own/y.log"
echo "my thesis" >"$dir/own/thesis"
expect "a spool that is something else" 2 "is no spool" "$rwkvmon" run --prompt x --tokens 1 --log none --alarm-to "file+$dir/al.jsonl" --alarm-spool "$dir/own/thesis"
[ "$(cat "$dir/own/thesis")" = "my thesis" ] && pass || fail "a spool replaced another file"
printf 'hi\n+save %s\n+save %s\n+save %s\n' "$dir/own/m.pth" "$dir/own/c.log" "$dir/own/state" |
	"$rwkvmon" chat --model "$dir/own/m.pth" --log "$dir/own/c.log" --tokens 2 >"$dir/out" 2>&1
grep -q "is read by this command" "$dir/out" && grep -q "name the same file" "$dir/out" && [ -s "$dir/own/state" ] &&
	grep -q session_end "$dir/own/c.log" && pass || fail "+save: $(cat "$dir/out")"
rm "$dir/own/c.log"
cmp -s "$dir/a.log" "$dir/own/a.log" && cmp -s "$golden/tiny-rwkv7.pth" "$dir/own/m.pth" && pass || fail "an input was overwritten"
expect "two results in one file" 2 "name the same file" "$rwkvmon" eval --tokens 1 --state-out "$dir/own/x" --logits-out "$dir/own/x"
expect "two results in one file, spelt in two ways" 2 "name the same file" "$rwkvmon" eval --tokens 1 --state-out "$dir/own/x" --logits-out "$dir/own/./x"
expect "a report beside its logs" 0 "" "$rwkvmon" analyze "$dir/own" -q -o "$dir/own/report.txt"
expect "and again" 0 "" "$rwkvmon" analyze "$dir/own" -q -o "$dir/own/report.txt"
expect "log that is missing" 3 "none.log" "$rwkvmon" analyze "$dir/none.log"
: >"$dir/empty.log"
expect "empty log" 3 "empty.log" "$rwkvmon" analyze "$dir/empty.log"
head -c 100000 "$golden/tiny-rwkv7.pth" >"$dir/binary.log"
expect "binary log" 3 "binary.log" "$rwkvmon" analyze "$dir/binary.log"
{ head -n 50 "$dir/a.log"; head -c 3000 "$golden/tiny-rwkv7.pth"; echo; echo "Traceback (most recent call last):"; tail -n 50 "$dir/a.log" | head -c 9000; } >"$dir/half.log"
expect "half garbage and torn" 0 "" "$rwkvmon" analyze --format json "$dir/half.log"
says "skipped lines are told" '"skipped":[{"file"'
expect "an interval the wrong way round" 2 "--until lies before --since" "$rwkvmon" analyze --since 2030-01-01T00:00:00Z --until 2029-01-01T00:00:00Z "$dir/a.log"
expect "a session that is not there" 3 "no inference step matches --session" "$rwkvmon" analyze --session rwkv-sess-nope --format json "$dir/a.log"
says "nothing to judge is not healthy" '"verdict":"not_enough_data"'
expect "a healthy log passes" 0 "" "$rwkvmon" analyze --quiet --fail-on attention "$here/../cases/diagnosis/healthy__real_cli_600_tokens.log.zst"
expect "a verdict fails, and says of what" 1 "--fail-on attention: A conversation leaks" "$rwkvmon" analyze --quiet --fail-on attention "$here/../cases/diagnosis/state_leak__real_state_not_reset.log.zst"
expect "each condition that holds is named" 1 "--fail-on state_leak: 8 records; attention: A conversation leaks" \
	"$rwkvmon" analyze --quiet --fail-on 'state_leak, attention' "$here/../cases/diagnosis/state_leak__real_state_not_reset.log.zst"
expect "attention is not critical" 0 "" "$rwkvmon" analyze --quiet --fail-on critical "$here/../cases/diagnosis/state_leak__real_state_not_reset.log.zst"
expect "critical is attention, too" 1 "--fail-on attention" "$rwkvmon" analyze --quiet --fail-on attention "$here/../cases/diagnosis/non_finite__real_spoilt_state.log.zst"
for goal in fast 20 20tpss -3ms; do # as run says it
	expect "no speed that can be asked for" 2 "goal: found \"$goal\", expected a speed such as 20tps or 50ms" "$rwkvmon" diagnose --goal $goal "$worked"
done
expect "bad time" 2 "expected a time" "$rwkvmon" analyze --since yesterday "$dir/a.log"

expect "sentences of a page are whole" 0 "" "$rwkvmon" analyze "$worked" --rules thresholds --lang en -q --format html -o "$dir/whole.html"
if grep -q 'Rules that judged nothing[^<]*)\.</p>' "$dir/whole.html"; then pass; else fail "a sentence of the page is cut"; fi
control="$dir/$(printf 'a\033]0;x\007.log')"
{ cat "$worked"; echo '{"torn'; } >"$control"
"$rwkvmon" compare "$control" "$control" --lang en >"$dir/out" 2>"$dir/err"
if grep -q "$(printf '\033]')" "$dir/out"; then fail "the name of a file reaches the terminal as it is"; else pass; fi

finish
