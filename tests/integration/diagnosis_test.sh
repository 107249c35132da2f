#!/bin/sh
# Every case lands on the cause it is named after; together they reach every cause.
#     diagnosis_test.sh BUILD_DIR
# Logs of real runs lie in tests/cases/diagnosis; those whose fault needs another machine are generated.
. "$(dirname "$0")/begin.sh"
cases=$root/tests/cases/diagnosis

python3 "$cases/generate.py" "$dir" || exit 1
for log in "$cases"/*__*.log* "$dir"/*__*.log; do
	[ -f "$log" ] || continue
	name=${log##*/} want=${name%%__*} goal=$(expr "$name" : '.*__goal_\([0-9]*tps\)')
	"$rwkvmon" diagnose "$log" ${goal:+--goal "$goal"} --format json --lang en >"$dir/answer.json" 2>"$dir/err"
	rc=$?
	got=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["cause"])' "$dir/answer.json" 2>&1)
	if [ $rc -eq 0 ] && [ "$got" = "$want" ]; then
		pass
	else
		fail "$name: exit code $rc, cause $got"
		cat "$dir/err"
	fi
	python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["verdict_text"])' "$dir/answer.json" >"$dir/$name.said" 2>/dev/null
	cp "$dir/answer.json" "$dir/$name.json"
	python3 -c 'import json,sys; print([a["cause"] for a in json.load(open(sys.argv[1]))["also"]])' "$dir/answer.json" >"$dir/$name.also"
	python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["instance"])' "$dir/answer.json" >"$dir/$name.at" 2>&1
	python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); print(d["fix"], d["gain"]["text"], d["gain"]["basis"])' "$dir/answer.json" >"$dir/$name.fix"
	echo "$got" >>"$dir/seen"
done

# The verdict quotes the figure that decided it.
quotes() { # CASE TEXT
	grep -qF "$2" "$dir"/$1.log.said || fail "$1 does not quote \"$2\": $(cat "$dir"/$1.log.said)"
}
quotes memory_growth__tensors_kept_on_the_gpu "GPU memory went from"
quotes memory_growth__list_of_logits_kept "Process memory went from"
quotes mode_collapse__similarity_against_entropy "Correlation of similarity and entropy"
quotes caller__window_log_grows "The pause between calls was"
quotes prefill_bound__long_documents__goal_20tps "Time is spent in prefill"
quotes decode_bound__cpu_without_bandwidth__goal_20tps "the goal is 20 tokens/s"
quotes wrong_input__output_is_noise_prompt_is_fine "Entropy is 10.5"
quotes not_enough_data__times_are_negative "from -20.50 ms to -20.50 ms"
quotes state_jump__state_never_changes "In all of 500 steps"
quotes records_dropped__steps_say_so "120 records are missing"
quotes alarms_undelivered__refused "1 critical alarm was never delivered: Slack at"
quotes alarms_undelivered__of_a_short_run "1 critical alarm was never delivered: Slack at"

# A critical rule that many records violate makes the verdict critical, whatever the cause is; and what is told beside it
# is that rule's limit.
verdict_is() { # CASE VERDICT
	"$rwkvmon" analyze "$dir/$1.log" --format json >"$dir/analysis.json" 2>"$dir/err" &&
		python3 -c 'import json,sys; sys.exit(json.load(open(sys.argv[1]))["verdict"] != sys.argv[2])' "$dir/analysis.json" "$2" &&
		pass || fail "$1 is not $2"
}
verdict_is wrong_input__output_is_noise_prompt_is_fine critical
python3 -c 'import json,sys
e = [e for e in json.load(open(sys.argv[1]))["anomalies"]["events"] if e["alarm_type"] == "abnormal_entropy"]
sys.exit(not e or any(x["severity"] == "critical" and x["limit"] < 9 for x in e))' "$dir/analysis.json" && pass ||
	fail "a critical event with the limit of a warning"
verdict_is vram_above_plan__card_is_full critical
verdict_is vram_above_plan__card_nearly_full attention

# The instance that is named is the one that has it.
grep -q '^h2:1$' "$dir/failed_requests__of_the_last_of_three_instances.log.at" && pass ||
	fail "the instance: $(cat "$dir/failed_requests__of_the_last_of_three_instances.log.at")"

# What there is some of is not named, but not ruled out either.
never_rules_out() { # CASE CAUSE
	python3 -c 'import json,sys; print(json.load(sys.stdin)["ruled_out"])' <"$dir/$1.log.json" | grep -qF "'$2'" &&
		fail "$1 rules out $2" || pass
}
never_rules_out healthy__two_requests_of_many_failed failed_requests
never_rules_out alarm__memory_full_at_full_speed swapping

# Of several causes that are true, the others are named, the worst first.
[ "$(cat "$dir/non_finite__and_a_leak_and_other_load.log.also")" = "['state_leak', 'other_load']" ] && pass ||
	fail "also: $(cat "$dir/non_finite__and_a_leak_and_other_load.log.also")"

# Advice fits the set-up.
advises() { # CASE TEXT
	grep -qF "$2" "$dir"/$1.log.fix || fail "$1 does not advise "$2": $(cat "$dir"/$1.log.fix)"
}
advises memory_growth__one_of_two_gpus "GiB less memory"
never_advises() { # CASE TEXT
	grep -qF "$2" "$dir"/$1.log.fix && fail "$1 advises "$2": $(cat "$dir"/$1.log.fix)"
}
advises decode_bound__int8_on_all_cores__goal_200tps "the weights are quantised"
never_advises decode_bound__int8_on_all_cores__goal_200tps "more threads"
never_advises decode_bound__int8_on_all_cores__goal_200tps "down by"
advises decode_bound__fp32_on_all_cores__goal_200tps "All cores work already"
never_advises decode_bound__fp32_on_all_cores__goal_200tps "more threads"
advises decode_bound__cpu_without_bandwidth__goal_20tps "more threads"
for cause in $(sed -n 's/^CAUSE([A-Z0-9_]*, "\([a-z0-9_]*\)".*/\1/p' "$cases/../../../src/spec/diagnosis.def"); do
	grep -qx "$cause" "$dir/seen" || fail "no case lands on $cause"
done

finish
