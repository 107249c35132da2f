#!/bin/sh
# A process that fills the memory of a real control group: the forecast comes before the kernel ends it, in time to act.
#     memory_limit_test.sh BUILD_DIR
set -u
here=$(dirname "$0")
if [ -z "${RWKVMON_LONG-}" ]; then
	echo "SKIPPED: a minute in which a control group's memory fills: set RWKVMON_LONG=1"
	exit 77
fi
if grep -q '^RWKVMON_SANITIZE:STRING=.' "$1/CMakeCache.txt"; then
	echo "SKIPPED: memory of a control group: a sanitizer's own memory would fill it"
	exit 77
fi
limit_bytes=$((200 << 20))
kib_a_token=30 # 3 MiB a second

# Version 1 has a hierarchy for memory, version 2 one for all; either may be read-only, as in most containers.
if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
	group=/sys/fs/cgroup/memory/rwkvmon-test-$$ limit=memory.limit_in_bytes swap=memory.memsw.limit_in_bytes most_swap=$limit_bytes
else
	group=/sys/fs/cgroup/rwkvmon-test-$$ limit=memory.max swap=memory.swap.max most_swap=0
fi
if ! mkdir "$group" 2>/dev/null || ! (echo $limit_bytes >"$group/$limit") 2>/dev/null; then
	rmdir "$group" 2>/dev/null
	echo "SKIPPED: memory of a control group: none can be made here (needs root and a writable /sys/fs/cgroup)"
	exit 77
fi
[ ! -e "$group/$swap" ] || (echo $most_swap >"$group/$swap") 2>/dev/null # what moves to swap is not counted
dir=$(mktemp -d)
trap 'rm -rf "$dir"; rmdir "$group"' EXIT

mkfifo "$dir/commands"
sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" "$3"' sh "$group" "$1/tests/faulty_run" "$dir/full.log" <"$dir/commands" >"$dir/url" &
run=$!
exec 3>"$dir/commands"
echo "fill $kib_a_token" >&3
# Where limits are not enforced (some sandboxes only show them), it ends when it has taken as much.
for second in $(seq 150); do
	resident_kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB$/\1/p' /proc/$run/status 2>/dev/null)
	[ $((${resident_kib:-0} << 10)) -lt $limit_bytes ] && kill -0 $run 2>/dev/null || break
	sleep 1
done
kill -9 $run 2>/dev/null && echo "the kernel does not enforce the limit here: ended by hand when it was reached"
wait $run
exec 3>&-
python3 "$here/memory_limit.py" "$dir/full.log" && echo "memory_limit_test: passed"
