"""Every case lands on the cause it is named after; together they reach every cause: diagnosis.py RWKVMON DIAGNOSIS_DEF LOG…"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys

RWKVMON = sys.argv[1]

# The verdict quotes the figure that decided it.
QUOTES = {
    "memory_growth__tensors_kept_on_the_gpu": "GPU memory went from",
    "memory_growth__list_of_logits_kept": "Process memory went from",
    "mode_collapse__similarity_against_entropy": "Correlation of similarity and entropy",
    "caller__window_log_grows": "The pause between calls was",
    "prefill_bound__long_documents__goal_20tps": "Time is spent in prefill",
    "decode_bound__cpu_without_bandwidth__goal_20tps": "the goal is 20 tokens/s",
    "wrong_input__output_is_noise_prompt_is_fine": "Entropy is 10.5",
    "not_enough_data__times_are_negative": "from -20.50 ms to -20.50 ms",
    "state_jump__state_never_changes": "In all of 500 steps",
    "records_dropped__steps_say_so": "120 records are missing",
    "alarms_undelivered__refused": "1 critical alarm was never delivered: Slack at",
    "alarms_undelivered__of_a_short_run": "1 critical alarm was never delivered: Slack at",
    "calls_grow_with_length__attention_beside_the_state": "of its sequence a decode call takes",
}
# A critical rule that many records violate makes the verdict critical, whatever the cause is.
VERDICTS = {
    "wrong_input__output_is_noise_prompt_is_fine": "critical",
    "vram_above_plan__card_is_full": "critical",
    "vram_above_plan__card_nearly_full": "attention",
}
# What there is some of is not named, but not ruled out either.
NOT_RULED_OUT = {
    "healthy__two_requests_of_many_failed": "failed_requests",
    "alarm__memory_full_at_full_speed": "swapping",
}
# Of several causes that are true, the others are named, the worst first.
ALSO = {"non_finite__and_a_leak_and_other_load": ["state_leak", "other_load"]}
# What a healthy log is told beside.
MENTIONED = {"healthy__pauses_take_a_third": "caller"}
# How sure it is where the log leaves a doubt, and which evidence tells that.
CONFIDENCES = {
    "mode_collapse__between_two_sessions": ("medium", "entropy_lower"),
    "healthy__second_session_less_open": ("medium", "entropy_doubt"),
    "healthy__one_long_quotation": ("medium", "entropy_doubt"),
    "healthy__recital_by_a_writer_that_tells_no_loops": ("medium", "entropy_doubt"),
    "healthy__loop_of_24_or_rows_by_a_writer_that_tells_no_loops": ("medium", "entropy_doubt"),
}
# What is told of one run of several is what that run shows alone.
ALIKE = {"mode_collapse__one_run_of_two": "mode_collapse__a_run_of_its_own"}
# The instance that is named is the one that has it.
INSTANCES = {"failed_requests__of_the_last_of_three_instances": "h2:1"}
# Advice fits the set-up: what it says, and what it must not say.
ADVICE = {
    "memory_growth__one_of_two_gpus": (["GiB less memory"], []),
    "decode_bound__int8_on_all_cores__goal_200tps": (["the weights are quantised"], ["more threads", "down by"]),
    "decode_bound__fp32_on_all_cores__goal_200tps": (["All cores work already"], ["more threads"]),
    "decode_bound__cpu_without_bandwidth__goal_20tps": (["more threads"], []),
    "throttling__governor_powersave": (["no fast part"], ["fast part against"]),
    "throttling__clock_fell_to_half": (["fast part against slow part"], ["no fast part"]),
}
passed = failed = 0


def check(holds, *why):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print("FAILED:", *why)


def name_of(log):
    return re.sub(r"\.log(\.zst)?$", "", os.path.basename(log))


def ask(command, log):
    """What the program says of a log, as (exit code, answer, errors)."""
    goal = re.search(r"__goal_(\d+tps)", log)
    done = subprocess.run([RWKVMON, command, log, *(["--goal", goal[1]] if goal else []), "--format", "json", "--lang", "en"],
                          capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}, done.stderr


def check_case(name, code, told, errors):
    check(told.get("cause") == name.split("__")[0], "%s: exit code %d, cause %s" % (name, code, told.get("cause")), errors)
    if code:
        return
    check(QUOTES.get(name, "") in told["verdict_text"], name, "does not quote", QUOTES.get(name), ":", told["verdict_text"])
    check(NOT_RULED_OUT.get(name) not in [c["cause"] for c in told["ruled_out"]], name, "rules out", NOT_RULED_OUT.get(name))
    also = [c["cause"] for c in told["also"]]
    check(ALSO.get(name, also) == also, name, "also:", also)
    check(INSTANCES.get(name, told["instance"]) == told["instance"], name, "names the instance", told["instance"])
    confidence, evidence = CONFIDENCES.get(name, (told["confidence"], None))
    check(confidence == told["confidence"], name, "has the confidence", told["confidence"])
    check(evidence in [None] + [e["id"] for e in told["evidence"]], name, "does not tell", evidence)
    check(MENTIONED.get(name) in [None] + [c["cause"] for c in told["advice"]], name, "does not mention", MENTIONED.get(name))
    advice = " ".join(str(words) for words in (told["fix"], told["gain"]["text"], told["gain"]["basis"]))
    wanted, unwanted = ADVICE.get(name, ([], []))
    for words in wanted:
        check(words in advice, name, "does not advise", words, ":", advice)
    for words in unwanted:
        check(words not in advice, name, "advises", words, ":", advice)


def main():
    causes = re.findall(r'(?m)^CAUSE\([A-Z0-9_]*, "([a-z0-9_]*)"', open(sys.argv[2], encoding="utf-8").read())
    logs = {name_of(log): log for log in sys.argv[3:]}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = dict(zip(logs, pool.map(lambda log: ask("diagnose", log), logs.values())))
        analyses = dict(zip(VERDICTS, pool.map(lambda name: ask("analyze", logs[name]), VERDICTS)))
    for name, answer in answers.items():
        check_case(name, *answer)
    for name in set().union(QUOTES, VERDICTS, NOT_RULED_OUT, ALSO, MENTIONED, CONFIDENCES, ALIKE, INSTANCES, ADVICE) - set(logs):
        check(False, "no such case:", name)
    for name, alone in ALIKE.items():
        check(answers[name][1]["evidence"] == answers[alone][1]["evidence"], name, "has other evidence than", alone)
    for name, (code, told, errors) in analyses.items():
        check(told.get("verdict") == VERDICTS[name], name, "is", told.get("verdict"), code, errors)
    # What is told beside a critical verdict is the critical rule's limit.
    events = [e for e in analyses["wrong_input__output_is_noise_prompt_is_fine"][1]["anomalies"]["events"]
              if e["alarm_type"] == "abnormal_entropy"]
    check(events and not any(e["severity"] == "critical" and e["limit"] < 9 for e in events), "a critical event with the limit of a warning")
    reached = {told.get("cause") for _, told, _ in answers.values()}
    for cause in causes:
        check(cause in reached, "no case lands on", cause)
    print("%d cases: %d passed, %d failed" % (len(logs), passed, failed))
    sys.exit(failed > 0)


main()
