#!/bin/bash
# What is given and could do nothing is refused: an option without the one it serves, beside one that makes it idle, or
# where the command does not look at it; a value that is empty, given twice, or out of what it can be.
#     effects_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
refuses() { # TEXT ARGUMENTS...
	want=$1
	shift
	timeout 60 "$rwkvmon" "$@" >out 2>err </dev/null
	rc=$?
	[ $rc -ge 2 ] && [ $rc -le 4 ] || fail "$*: exit code $rc"
	if grep -qF -- "$want" err; then pass; else fail "$*: lacks \"$want\": $(head -2 err)"; fi
}
takes() { # ARGUMENTS...
	check "$*" timeout 60 "$rwkvmon" "$@" </dev/null
}
log=run.log
takes run --prompt "It was" --tokens 40 --seed 1 --log $log --quiet
: >empty
talk=(run --prompt x --tokens 2 --quiet)

# --- one needs another ---------------------------------------------------------------------
refuses "--shadow-mode has no effect without --shadow" "${talk[@]}" --log none --shadow-mode one_step
refuses "--log-keep has no effect without --log-rotate-bytes" "${talk[@]}" --log a.log --log-keep 3
refuses "--alarm-spool has no effect without --alarm-to" "${talk[@]}" --log none --alarm-spool s
refuses "--listen-token has no effect without --listen" "${talk[@]}" --log none --listen-token 12345678
refuses "--units has no effect without --train" forecast $log --units 5
refuses "--seed has no effect without --train" forecast $log --seed 5
takes "${talk[@]}" --log a.log --log-keep 3 --log-rotate-seconds 9
RWKVMON_LOG_ROTATE_BYTES=100000 takes "${talk[@]}" --log a.log --log-keep 3
RWKVMON_LOG_KEEP=3 takes "${talk[@]}" --log a.log # a variable serves many commands

# --- addresses -------------------------------------------------------------------------------
for address in 'http://[::1' 'http://a:99999' 'http://a:0' 'http://a:b' 'http://a:1:2' 'http://:80' 'http://x@' 'http://[]:1' 'https:///a'; do
	refuses "expected a host behind ://" "${talk[@]}" --log none --alarm-to "slack+$address"
	refuses "expected a host behind ://" ship --to "$address" $log
done
takes "${talk[@]}" --log none --alarm-to 'slack+http://name:word@[::1]:1/a?b=c:d@e'
takes "${talk[@]}" --log none --alarm-to 'slack+http://localhost'

refuses "--no-keep-firing has no effect in \`export grafana\`" export grafana --no-keep-firing

# --- one excludes another ------------------------------------------------------------------
echo hello >prompt.txt
refuses "--prompt and --prompt-file exclude each other" "${talk[@]}" --log none --prompt-file prompt.txt
refuses "--prompt and --prompt-file exclude each other" chat --prompt x --prompt-file prompt.txt --log none
refuses "--fail-on and --match exclude each other" fleet $log --match a --fail-on mode_collapse
for command in analyze diagnose forecast; do
	refuses "no inference step matches --session, --since or --until" $command $log --session nobody
done

# --- one makes another idle ----------------------------------------------------------------
refuses "--log has no effect with --unwatched" "${talk[@]}" --unwatched --log a.log
refuses "--shadow has no effect with --unwatched" "${talk[@]}" --unwatched --shadow 2
refuses "--metrics-textfile has no effect with --unwatched" "${talk[@]}" --unwatched --metrics-textfile a.prom
takes "${talk[@]}" --unwatched --log none --rules none
refuses "--log-text has no effect without a log" "${talk[@]}" --log none --log-text
refuses "--log-text has no effect without a log" proxy --upstream http://127.0.0.1:1 --bind 127.0.0.1:0 --log none --log-text
refuses "--listen-token has no effect without --listen" proxy --upstream http://127.0.0.1:1 --bind 127.0.0.1:0 --log none --listen-token 12345678
refuses "--threads has no effect with --merge" analyze --merge $log --threads 2
refuses "--threads has no effect with --partial" analyze --partial -o a.part $log --threads 2
refuses "--threads has no effect with --follow" analyze --follow $log --threads 2
refuses "--threads has no effect with --merge" fleet --merge $log --threads 2
refuses "--seconds has no effect with --from" tune --from $log --seconds 3
refuses "--json has no effect with --format" compare $log $log --format text --json
refuses "--threads is for logs" fleet http://127.0.0.1:1 --threads 2
refuses "--rules is for logs" fleet http://127.0.0.1:1 --rules none
refuses "--goal is for logs" watch http://127.0.0.1:1 --once --goal 10tps
refuses "--upstream-ca has no effect without an https:// address" proxy --upstream http://127.0.0.1:1 --log none --upstream-ca $log

# --- where the command does not look ---------------------------------------------------------
refuses '--output has no effect in `log check`' log check $log -o new.log
[ -e new.log ] && fail "log check wrote a file"
refuses '--since has no effect in `rules list`' rules list --since 2020-01-01T00:00:00Z
refuses '--session has no effect in `rules check`' rules check default --session x
refuses '--grafana-url has no effect in `export schema`' export schema --grafana-url http://x
takes export prometheus-rules --grafana-url http://x --docs-url http://y

# --- what is empty, twice, or nothing ----------------------------------------------------------
refuses "--listen-token: its TOKEN|@FILE is empty" serve $log --listen 127.0.0.1:0 --listen-token ""
for option in log session-id instance model-name rules goal listen state threads seed; do
	refuses "--$option: its" "${talk[@]}" --$option ""
	refuses "is empty" "${talk[@]}" --$option=
done
refuses "--session: its ID is empty" analyze $log --session ""
refuses "- is named twice" analyze - -
refuses "- is named twice" compare - -
refuses "--match: its TEXT is empty" fleet $log --match ""
takes run --prompt "" --tokens 2 --quiet --log none
refuses "--shadow: found 0" "${talk[@]}" --log none --shadow 0
refuses "--shadow has no effect with the strategy cpu fp32" "${talk[@]}" --log none --shadow 1
"$rwkvmon" run --prompt x --tokens 2 --log none --strategy "cpu fp32i8" --shadow 100 2>err >out </dev/null
grep -q -- "--shadow 100 compared no token" err && pass || fail "a shadow that compared nothing: $(cat err)"
refuses '--overhead-budget-pct: found "0"' "${talk[@]}" --log none --overhead-budget-pct 0
refuses '--overhead-budget-pct: found "101"' "${talk[@]}" --log none --overhead-budget-pct 101
RWKVMON_OVERHEAD_BUDGET_PCT=0 refuses 'RWKVMON_OVERHEAD_BUDGET_PCT: found "0"' "${talk[@]}" --log none
takes "${talk[@]}" --log none --overhead-budget-pct -1
refuses '--log-rotate-bytes: found "10", expected 0, or' "${talk[@]}" --log a.log --log-rotate-bytes 10
refuses "--seconds: found 0" tune --seconds 0
refuses "token_latency_ms can never be -1" forecast $log --limit token_latency_ms=-1
refuses "convert writes .safetensors, not .PTH" convert "$root/models/tiny-rwkv7.pth" -o x.PTH
[ -e x.PTH ] && fail "convert wrote a file of another name"
refuses "--hold-back has no effect with --json" "${talk[@]}" --log none --on mode_collapse=rewind --json --hold-back 5
refuses "--tokenizer has no effect without --model" doctor --tokenizer $log
refuses "--seconds has no effect without --model" doctor --seconds 5
refuses "--goal has no effect with --train" forecast $log --train -o m.safetensors --goal 5tps
refuses 'cannot be judged: no rule of the set none' analyze $log --fail-on non_finite --rules none
refuses 'cannot be judged: no rule of the set default' analyze $log --fail-on high_vram_usage
takes analyze $log --fail-on 'non_finite, state_leak'
"$rwkvmon" forecast $log --session nope 2>err | tr -s ' \n' ' ' | grep -q "No inference step of the log matches the filter" && pass || fail "a forecast of no session speaks of metrics"
refuses "empty: the token in its first line is empty" serve $log --listen 127.0.0.1:0 --listen-token @empty
refuses "--to-token: its" ship $log --once --spool spool --to http://127.0.0.1:1 --to-token ""
refuses "holds no certificate" ship $log --once --spool spool --to https://127.0.0.1:1 --to-ca $log
refuses "holds no certificate" proxy --upstream https://127.0.0.1:1 --bind 127.0.0.1:0 --log none --upstream-ca empty
refuses "cannot be opened" proxy --upstream https://127.0.0.1:1 --bind 127.0.0.1:0 --log none --upstream-ca none.pem
refuses "is given twice" serve http://127.0.0.1:1 http://127.0.0.1:1/ --listen 127.0.0.1:0
refuses "is given twice" watch http://127.0.0.1:1 http://127.0.0.1:1 --once
printf 'threads: 2\nthreads: 1\n' >twice.yaml
refuses "twice.yaml:2:1: threads is given twice" "${talk[@]}" --log none --settings twice.yaml
printf 'nothing: 2\n' >unknown.yaml
printf 'threads: [\n' >broken.yaml
printf -- '- 2\n' >list.yaml
for file in twice unknown broken list; do # whatever is wrong in it, it is the user who wrote it
	"$rwkvmon" "${talk[@]}" --log none --settings $file.yaml >out 2>err </dev/null
	[ $? = 2 ] && pass || fail "$file.yaml: another exit code than 2: $(cat err)"
done
refuses "token_latency_ms has two limits" forecast $log --limit token_latency_ms=1,token_latency_ms=2
refuses '--limit: its M=X,... is empty' forecast $log --limit ""
refuses 'found " ", expected METRIC=NUMBER' forecast $log --limit " "
RWKVMON_GOAL=abc refuses "RWKVMON_GOAL" analyze $log # the variables of what is judged by
recorded=$root/tests/cases/diagnosis/healthy__real_cli_600_tokens.log.zst
RWKVMON_GOAL=99999tps "$rwkvmon" analyze "$recorded" --quiet --fail-on attention >out 2>err
[ $? = 1 ] && RWKVMON_GOAL=99999tps takes analyze "$recorded" --goal 1tps --fail-on attention && pass || fail "RWKVMON_GOAL is not the goal: $(cat err)"
RWKVMON_RULES=nonsense refuses "nonsense" analyze $log
RWKVMON_RULES=thresholds takes analyze $log --partial --output variables.part
refuses "--threads: found 0" analyze $log --threads 0
refuses "--interval: found 0" watch $log --interval 0
refuses "--interval: found 1e+300" watch $log --interval 1e300
# A closed standard output is no place for what is read and written next.
"$rwkvmon" run --prompt x --tokens 5 --log closed.log --quiet 1>&- 2>err
[ $? = 4 ] && ! grep -qv '^{.*}$' closed.log && pass || fail "what a closed output was to show is in the log: $(cat err)"
"$rwkvmon" analyze $log --quiet --output report.html --format html 0<&- 1>&- 2>&-
[ $? = 0 ] && tail -1 report.html | grep -q '</html>' && pass || fail "a report without standard descriptors"
if command -v gnuplot >/dev/null && [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
	refuses "was not written whole" analyze $log --quiet --charts small/charts
	umount small
else
	echo "SKIPPED: charts on a full disk: needs gnuplot and mount" >&2
fi
for command in proxy serve; do
	RWKVMON_LISTN=x timeout -s INT 60 "$rwkvmon" $command --help >out 2>err
	[ -s err ] && fail "$command --help speaks of variables"
done
RWKVMON_LOG_KEEPP=3 refuses "did you mean RWKVMON_LOG_KEEP?" proxy --upstream http://127.0.0.1:1 --bind 127.0.0.1:0 --log /nonexistent/x.log
finish
