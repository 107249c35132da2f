#!/bin/sh
# Records the logs of real runs that lie here, each with one fault put in, and compresses them.
#     record.sh BUILD_DIR [NAME]      on a machine that does nothing else
set -eu
build=$(cd "$1" && pwd)
only=${2:-}
cd "$(dirname "$0")"

record() { # NAME FAULT SECONDS
	[ -z "$only" ] || [ "$only" = "$1" ] || return 0
	rm -f "$1.log" "$1.log.zst"
	taskset -c 0 "$build/tests/faulty" "$1.log" "$2" "$3"
	zstd -q -19 --rm "$1.log"
}

# 11 s alone, then a program that computes on the same processor.
contend() {
	sleep 11
	timeout 11 taskset -c 0 sh -c 'while :; do :; done' || true
}

# 11 s without a limit, then with 30 % of a processor: needs root and the cpu controller of control groups, version 1 or 2.
limit() {
	group=/sys/fs/cgroup/cpu/rwkvmon-case file=cpu.cfs_quota_us value=30000
	[ -d /sys/fs/cgroup/cpu ] || { group=/sys/fs/cgroup/rwkvmon-case file=cpu.max value="30000 100000"; }
	mkdir -p "$group" && [ -w "$group/$file" ] || { echo "SKIPPED: no CPU quota may be set here ($group)"; return 1; }
	sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$group" \
		taskset -c 0 "$build/tests/faulty" "$1.log" healthy 22 &
	sleep 11
	echo "$value" >"$group/$file"
	wait $!
	rmdir "$group"
}

for tokens in 600 4000; do
	name=healthy__real_cli_${tokens}_tokens
	[ -z "$only" ] || [ "$only" = "$name" ] || continue
	rm -f "$name.log" "$name.log.zst"
	"$build/rwkvmon" run --tokens $tokens --seed 5 --quiet --log "$name.log" >/dev/null
	zstd -q -19 --rm "$name.log"
done
record healthy__real_run_4_s healthy 4
record caller__real_growing_sleep growing_sleep 6
record penalties_over_all_tokens__real_rescan rescan 6
record history_refed__real_chat refed 5
record chunk_too_small__real_chunk_len_1 chunk_1 3
record memory_growth__real_kept_logits memory 22
record state_leak__real_state_not_reset leak 3
record non_finite__real_spoilt_state nan 4
if [ -z "$only" ] || [ "$only" = other_load__real_busy_neighbour ]; then
	contend &
	record other_load__real_busy_neighbour healthy 22
	wait
fi
# A short run on one processor, which has too few samples of its waiting, beside eight programs that compute.
if [ -z "$only" ] || [ "$only" = other_load__real_short_run ]; then
	name=other_load__real_short_run loops=
	rm -f "$name.log" "$name.log.zst"
	for i in 1 2 3 4 5 6 7 8; do
		taskset -c 0 sh -c 'while :; do :; done' &
		loops="$loops $!"
	done
	taskset -c 0 "$build/rwkvmon" run --tokens 500 --seed 5 --quiet --log "$name.log" >/dev/null </dev/null
	kill $loops
	zstd -q -19 --rm "$name.log"
fi
if [ -z "$only" ] || [ "$only" = cpu_quota__real_limit_lowered ]; then
	limit cpu_quota__real_limit_lowered && zstd -q -f -19 --rm cpu_quota__real_limit_lowered.log
fi
