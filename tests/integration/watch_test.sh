#!/bin/sh
# `rwkvmon watch` in a real terminal (tmux): follows a log, takes keys and sizes, leaves the terminal as it was.
#     watch_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
socket=rwkvmon-watch-$$
leave() { tmux -L $socket kill-server 2>/dev/null; }
export LC_ALL=C.UTF-8

# --- without a terminal: one frame -----------------------------------------------------
"$rwkvmon" watch "$here/../logs/worked.log" >"$dir/frame" </dev/null && grep -q "State divergence" "$dir/frame" && pass || fail "a frame without a terminal"
"$rwkvmon" watch --once --json "$here/../logs/worked.log" >"$dir/json" && python3 -c '
import json, sys
board = json.load(open(sys.argv[1]))
assert board["records"] == 156 and board["sessions"][0]["name"] == "rwkv-sess-8f4e2d71c05b", board
assert board["metrics"]["token_latency_ms"]["p95"] > 80 and len(board["metrics"]["token_latency_ms"]["points"]) == 64
' "$dir/json" && pass || fail "a frame as JSON"
for rows in 1 10 14 24 40; do
	LINES=$rows "$rwkvmon" watch --once "$here/../logs/worked.log" >"$dir/frame" && [ "$(wc -l <"$dir/frame")" -le $rows ] && pass || fail "LINES=$rows"
done
"$rwkvmon" watch "$dir/missing.log" >/dev/null 2>"$dir/err"
[ $? -eq 3 ] && grep -q missing.log "$dir/err" && pass || fail "a log that is not there"
"$rwkvmon" watch 2>/dev/null
[ $? -eq 2 ] && pass || fail "no log"

# --- an address: what a run that is watched says of itself ------------------------------
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
if "$rwkvmon" run --prompt x --tokens 10000000 --log none --quiet --listen "127.0.0.1:$port" >/dev/null 2>"$dir/run.err" & then
	run=$!
	# Until it has generated tokens between two looks, however slow it is.
	told() {
		"$rwkvmon" watch --once --json --interval 0.3 "http://127.0.0.1:$port" >"$dir/json" 2>"$dir/err" && python3 -c '
import json, sys
board = json.load(open(sys.argv[1]))
row, metrics = board["instances"][0], board["metrics"]
assert row["name"] == "tiny-rwkv7" and row["tokens"] > 0 and row["throughput_tps"] > 0, row
latency = metrics["token_latency_ms"]
assert (latency["p50"] or latency["p50_between"][1]) > 0 and metrics["logits_entropy"]["now"] > 0 and "quant_kl_nats" not in metrics
' "$dir/json" 2>"$dir/told"
	}
	for i in $(seq 1200); do told && break; [ $i -lt 1200 ] && sleep 0.1; done && pass || {
		fail "an address"
		cat "$dir/run.err" "$dir/err" "$dir/told"
	}
	kill $run
	wait $run 2>/dev/null
fi
"$rwkvmon" watch --once "http://127.0.0.1:$port" 2>"$dir/err" >/dev/null
[ $? -eq 3 ] && grep -q "127.0.0.1:$port" "$dir/err" && pass || fail "an address where nobody answers"
"$rwkvmon" watch --once "http://127.0.0.1:$port" "$here/../logs/worked.log" 2>"$dir/err" >/dev/null
[ $? -eq 2 ] && pass || fail "logs and addresses together"

command -v tmux >/dev/null || {
	echo "SKIPPED: watch_test.sh: tmux is not installed; the dashboard was not tried in a terminal" >&2
	[ $failed -eq 0 ] && exit 77
	exit 1
}

screen() { tmux -L $socket capture-pane -p 2>/dev/null; }
# shows TEXT: two minutes are a deadline, never a measure
shows() {
	for i in $(seq 1200); do
		screen | grep -qF -- "$1" && { pass; return; }
		sleep 0.1
	done
	fail "the screen lacks \"$1\""
	screen
}
lacks() {
	for i in $(seq 1200); do
		screen | grep -qF -- "$1" || { pass; return; }
		sleep 0.1
	done
	fail "the screen still has \"$1\""
}
press() { tmux -L $socket send-keys "$@"; }

# begin NAME: a terminal of 80x24 in which the dashboard runs; when it has ended, the modes of the terminal are told
begin() {
	socket=rwkvmon-watch-$$-$1 # its own server: one that is just leaving takes no one in
	head -30 "$here/../logs/worked.log" >"$dir/$1.log"
	tmux -L $socket -f /dev/null new-session -d -x 80 -y 24 \
		"stty -g >$dir/$1.before; env TERM=screen-256color '$rwkvmon' watch --lang en --interval 0.2 $dir/$1.log 2>&1; echo \"left with \$?\"; stty -g >$dir/$1.after; echo done >$dir/$1.done; sleep 600"
}
end() { # NAME EXIT_CODE
	shows "left with $2"
	for i in $(seq 1200); do [ -e "$dir/$1.done" ] && break; sleep 0.1; done
	cmp -s "$dir/$1.before" "$dir/$1.after" && pass || fail "$1: the terminal is not as it was"
	[ "$(tmux -L $socket display-message -p '#{alternate_on}#{cursor_flag}')" = 01 ] && pass || fail "$1: another screen, or no cursor"
	tmux -L $socket kill-server
}

begin keys
shows "29 records"
shows "NOT ENOUGH DATA"
tail -n +31 "$here/../logs/worked.log" >>"$dir/keys.log"
shows "156 records"
shows "State divergence"
press '?'
shows "leave"
press '?'
lacks "leave"
press '/' 'throughput'
lacks "State divergence"
press Escape
shows "State divergence"
press p
shows "PAUSED"
press + +

shows "1 s"
tmux -L $socket resize-window -x 132 -y 40
shows "GPU utilisation"
tmux -L $socket resize-window -x 40 -y 8
shows "Needs at least 60 columns, 12 rows."
tmux -L $socket resize-window -x 80 -y 24
shows "rwkv-sess-8f4e2d71c05b"
press q
end keys 0

pane_child() { ps -o pid= --ppid "$(tmux -L $socket list-panes -F '#{pane_pid}')" | tr -d ' ' | head -1; }
for how in TERM:0 INT:0 HUP:0 SEGV:139 ABRT:134; do
	signal=${how%:*}
	begin "$signal"
	shows "29 records"
	kill -"$signal" "$(pane_child)"
	end "$signal" "${how#*:}"
done

finish
