#!/bin/bash
# rules list, check, replay, and rules reloaded by SIGHUP.
set -u
rwkvmon=$1/rwkvmon here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
cd "$dir" || exit 1
trap 'kill $chat 2>/dev/null; rm -rf "$dir"' EXIT
failed=0 chat=
export LC_ALL=C.UTF-8

ok() { # WHAT CONDITION...
	if "${@:2}"; then echo "ok: $1"; else echo "not ok: $1"; failed=1; fi
}
ends() { # STATUS COMMAND...
	"${@:2}" >out 2>said
	local got=$?
	[ $got = "$1" ] || { echo "status $got, expected $1"; cat out said; return 1; }
}
says() { grep -qF -- "$2" "$1" || { echo "in $1:"; cat "$1"; return 1; }; }
lacks() { ! grep -F -- "$2" "$1"; }

# --- list, check ------------------------------------------------------------------------------------
ok "list: what ships" ends 0 "$rwkvmon" rules list
for name in default thresholds baseline byte; do ok "list has $name" says out "$name: "; done
ok "list as JSON" ends 0 "$rwkvmon" rules list thresholds --json
ok "which is JSON" python3 -c 'import json
sets = json.load(open("out"))
assert [s["name"] for s in sets] == ["thresholds"] and len(sets[0]["rules"]) > 15
assert all(r["summary"] and r["violated_when"] for r in sets[0]["rules"])'
for file in default thresholds baseline byte; do
	ok "check: $file.yaml is fine" ends 0 "$rwkvmon" rules check "$here/src/rules/$file.yaml"
done
cat >bad.yaml <<'YAML'
name: bad
rules:
  - alarm: high_latncy
    metric: token_latency_ms
    abov: 50
    for: soon
  - alarm: high_vram_usage
    metric: vram_used_mb
    above: { of: vram_totl_mb, times: 0.8 }
  - alarm: mode_collapse
    metric: repeat_cycle_tokens
    above: 64
    kind: lop
colour: red
YAML
ok "check: mistakes are usage errors" ends 2 "$rwkvmon" rules check bad.yaml
for mistake in 'bad.yaml:3:12: found "high_latncy"; expected an alarm type' 'did you mean "high_latency"?' \
	'bad.yaml:5:5: found "abov"; expected one of the keys' 'did you mean "above"?' \
	'bad.yaml:6:10: found "soon"; expected a duration' 'bad.yaml:9:18: found "vram_totl_mb"; expected what the limit is relative to' \
	'did you mean "vram_total_mb"?' 'bad.yaml:13:11: found "lop"; expected a kind of collapse' 'bad.yaml:14:1: found "colour"' \
	'6 mistakes'; do
	ok "all are told: $mistake" says said "$mistake"
done
ok "check as JSON" ends 2 "$rwkvmon" rules check bad.yaml "$here/src/rules/byte.yaml" --json
ok "which counts them" python3 -c 'import json
bad, fine = json.load(open("out"))
assert len(bad["mistakes"]) == 6 and bad["rules"] == 0 and fine["mistakes"] == [] and fine["rules"] > 3'
ok "a file that is not there is unreadable input" ends 3 "$rwkvmon" rules check none.yaml
ok "list of a bad file" ends 2 "$rwkvmon" rules list bad.yaml
ok "an unknown action" ends 2 "$rwkvmon" rules chek bad.yaml
ok "names the near one" says said 'did you mean "check"'

# --- replay: what would have fired is what did ----------------------------------------------------------
cat >moves.yaml <<'YAML'
name: moves
rules:
  - { alarm: abnormal_entropy, metric: logits_entropy, above: 2, cooldown: 0, clear: 0.5, warmup: 0 }
  - { alarm: state_divergence, metric: state_similarity, sudden: { deviations: 4, of: 64 }, cooldown: 0, severity: critical }
  - { alarm: high_latency, metric: token_latency_ms, above: { of: chunk_process_time_ms, times: 2 }, warmup: 0 }
  - { alarm: high_repetition, metric: token_repetition_pct, above: 40, and: [ { metric: logits_entropy, over: 50, by: mean, below: 1.2 } ], cooldown: 0 }
YAML
"$rwkvmon" run --rules moves.yaml --tokens 1500 --seed 3 --quiet --log a.log </dev/null >text 2>said
ok "replay" ends 0 "$rwkvmon" rules replay moves.yaml a.log --json
ok "is what happened live" python3 - <<'PY'
import json
log = [json.loads(line) for line in open("a.log")]
live = [(r["rule"], r["timestamp"], r["value"]) for r in log if r["event_type"] == "alarm"]
off = [(r["rule"], r["timestamp"]) for r in log if r["event_type"] == "alarm_resolved"]
said = json.load(open("out"))
got = [(a["rule"], a["from"], a["value"]) for a in said["alarms"]]
assert [g[:2] for g in got] == [l[:2] for l in live], (len(got), len(live))
assert all(abs(g[2] - l[2]) < 1e-3 for g, l in zip(got, live))
assert sorted((a["rule"], a["to"]) for a in said["alarms"] if a["to"]) == sorted(off)
assert said["alarms_total"] == len(live) == sum(said["by_type"].values()) and said["records"] == 1501 and said["sessions"] == 1
assert {r for r, _, _ in live} >= {"abnormal_entropy", "state_divergence", "high_repetition"}, {r for r, _, _ in live}
assert not [l for l in live if l[0] == "high_latency"]  # one token a call: latency is chunk time
PY
ok "as text" ends 0 "$rwkvmon" rules replay moves.yaml a.log --lang zh
ok "in Chinese" says out "记录 1,501 条"
ok "only a time" ends 3 "$rwkvmon" rules replay moves.yaml a.log --until 2001-01-01T00:00:00Z
ok "in which nothing was" says out "records: 0"
ok "is no answer" says said "there is no inference step to judge"
ok "no rules, no logs" ends 2 "$rwkvmon" rules replay moves.yaml
ok "a log that is none" ends 3 "$rwkvmon" rules replay moves.yaml moves.yaml

# --- rules for other models: nothing is judged, and that is no pass -------------------------------------------
sed 's/"vocab_size":256/"vocab_size":65536/' a.log >large.log
judged() { # COMMAND...
	"$@" >out 2>said
	[ $? != 3 ] || { cat said; return 1; }
}
ok "byte-level rules judge a byte-level model" judged "$rwkvmon" analyze a.log --rules byte --fail-on mode_collapse
ok "as default does" judged "$rwkvmon" analyze a.log --fail-on mode_collapse
ok "but no larger one" ends 3 "$rwkvmon" analyze large.log --rules byte --fail-on mode_collapse
ok "and say why" says said "no session's vocabulary suits the rules of the set byte"
ok "which default does" judged "$rwkvmon" analyze large.log --fail-on mode_collapse

# --- a condition that never held for its time is no alarm, whoever is asked ------------------------------------
calm=$here/tests/cases/diagnosis/healthy__real_cli_600_tokens.log.zst
alike() { # TIME EXIT_CODE ALARM?
	printf 'rules:\n  - { alarm: low_throughput, metric: token_latency_ms, above: 0, for: %s }\n' "$1" >lasts.yaml
	ends "$2" "$rwkvmon" analyze "$calm" --rules lasts.yaml --fail-on low_throughput || return 1
	"$rwkvmon" rules replay lasts.yaml "$calm" --json >replayed
	for command in analyze diagnose; do
		"$rwkvmon" $command "$calm" --rules lasts.yaml -q --format json >judged || return 1
		python3 - "$3" judged replayed <<-'END' || return 1
			import json, sys
			told, replayed = (json.load(open(name)) for name in sys.argv[2:])
			evidence = [e["id"] for e in told["evidence"]]
			sys.exit((("rule_broken" in evidence), bool(replayed["alarms"])) != (sys.argv[1] == "yes",) * 2)
		END
	done
}
ok "it lasts too short for its rule" alike 1h 0 no
ok "it lasts long enough" alike 20ms 1 yes

# --- rules that no record of the log counts for -----------------------------------------------------------------
only() { # RULE [SET'S OTHER KEYS]
	printf '%s\nrules:\n  - { alarm: high_latency, metric: token_latency_ms, above: 100000%s }\n' "${2-}" "$1" >only.yaml
}
judges_none() { ends 3 "$rwkvmon" analyze a.log --rules only.yaml --fail-on high_latency && says said "could judge no record"; }
passes() { ends 0 "$rwkvmon" analyze a.log --rules only.yaml --fail-on high_latency "$@"; }
for rule in ", after_tokens: 1000000" ", warmup: 100000" ", phase: prefill, over: 5, by: median"; do
	only "$rule"
	ok "no record: ${rule#, }" judges_none
done
only "" "replay: { warmup: 100000 }"
ok "no record: the set's warm-up in analyze" judges_none
ok "which replay is without, as live is" ends 0 "$rwkvmon" rules replay only.yaml a.log --json
for rule in "" ", after_tokens: 10" ", warmup: 100" ", over: 1024, by: median" ", missing: 0" \
	", and: [ { metric: logits_entropy, above: 0 } ]"; do
	only "$rule"
	ok "records enough:${rule#,}" passes
done
printf '{"rules":[{"alarm":"high_latency","metric":"token_latency_ms","above":{"of":"goal","times":1000000}}]}\n' >only.yaml
ok "no goal, no limit" judges_none
ok "a goal, a limit" passes --goal 50ms
head -n 40 a.log >short.log
ok "nothing learned yet" ends 3 "$rwkvmon" analyze short.log --fail-on low_throughput
ok "in as many as it takes" judged "$rwkvmon" analyze a.log --fail-on low_throughput

# --- of a set for several vocabularies -----------------------------------------------------------------------
# Each face lists the rules for other vocabularies, and why, beside those whose metric is missing.
others='"rule":"collapse_loop_bytes","vocab_size":{"at_most":1024}'
words="they are for vocabularies of other sizes: collapse_loop_bytes, collapse_near_loop_bytes (at most 1,024 tokens)"
said_by() { # TEXT COMMAND... (lines break anywhere)
	text=$(printf '%s' "$1" | tr -d ' ')
	shift
	"$@" >out 2>said || return 1
	tr -d '\n ' <out | grep -qF -- "$text" || { cat out; return 1; }
}
ok "replay lists them" said_by "$words" "$rwkvmon" rules replay default large.log
for face in "analyze" "analyze --format markdown" "analyze --format html" "diagnose" "diagnose --format markdown" "diagnose --format html"; do
	escaped=$words
	case $face in *markdown) escaped=$(printf '%s' "$words" | sed 's/_/\\_/g') ;; esac
	ok "$face lists them" said_by "$escaped" "$rwkvmon" $face large.log
done
ok "in Chinese, too" said_by "collapse_loop_bytes、collapse_near_loop_bytes（至多 1,024 个 Token）" "$rwkvmon" diagnose large.log --lang zh
for face in "rules replay default large.log --json" "analyze --format json large.log" "diagnose --format json large.log"; do
	ok "$face has them" said_by "$others" "$rwkvmon" $face
	ok "$face has missing metrics beside" said_by '"rule":"high_vram_usage","metric":"vram_used_mb"' "$rwkvmon" $face
done
ok "rules of a set for small models" said_by '"rule":"abnormal_entropy","vocab_size":{"at_most":1024}' "$rwkvmon" rules replay byte large.log --json
ok "judge the byte-level model" ends 0 "$rwkvmon" rules replay byte a.log --json
ok "so none is listed" lacks out vocab_size

# --- read anew --------------------------------------------------------------------------------------------
cp moves.yaml live.yaml
printf 'name: other\nrules: [ { alarm: high_latency, metric: token_latency_ms, above: 0, warmup: 0 } ]\n' >other.yaml
mkfifo words
setsid "$rwkvmon" chat --rules live.yaml --tokens 20 --log chat.log --alarm-to file+alarms <words >text 2>said &
chat=$!
exec 9>words
answers() { for _ in $(seq 1200); do [ "$(cat chat.log 2>/dev/null | grep -c '"phase":"decode"')" -ge "$1" ] && return 0; sleep 0.05; done; cat said; return 1; }
comes() { for _ in $(seq 1200); do grep -qF -- "$2" "$1" 2>/dev/null && return 0; sleep 0.05; done; echo "in $1:"; cat "$1"; return 1; }
echo hello >&9
ok "it speaks" answers 20
cp bad.yaml live.yaml
kill -HUP $chat
echo hello >&9
ok "a broken file is told" comes said 'live.yaml:3:12: found "high_latncy"'
ok "and the old rules stay" comes said "the rules stay as they were"
cp other.yaml live.yaml
kill -HUP $chat
echo hello >&9
ok "a good one is taken" comes said "live.yaml: rules reloaded"
ok "and judges" comes alarms '"rule":"high_latency","metric":"token_latency_ms"'
exec 9>&-
wait $chat
ok "nothing was lost by it" says chat.log '"dropped":0'
exit $failed
