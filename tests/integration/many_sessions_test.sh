#!/bin/bash
# More sessions than are listed, and more instances than most logs have: sums hold all of them, and the verdict is that of
# the list.
#     many_sessions_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
python3 - <<'END'
def write(name, sessions, steps, instances, models, ms=lambda i: 20):
    """Sessions one after the other, a step each 20 ms."""
    with open(name, "w") as f:
        at = 0
        for s in range(sessions):
            i = s % instances
            for k in range(steps):
                at += 20
                f.write('{"timestamp":"2026-03-01T%02d:%02d:%02d.%03dZ","session_id":"s%d","event_type":"inference_step",'
                        '"sequence_length":%d,"performance":{"token_latency_ms":%.3f},"accuracy":{"logits_entropy":%.3f},'
                        '"metadata":{"model_name":"m%d"},"phase":"decode","token_count":1,"instance":"h%d:1","record":%d}\n'
                        % (at // 3600000, at // 60000 % 60, at // 1000 % 60, at % 1000, s, k + 1, ms(i) + (k * 7 + s) % 10 / 10,
                           2 + (k * 3 + s) % 10 / 10, s // instances % models, i, k))
write("one.log", 12500, 4, 1, 1)
write("three.log", 12000, 4, 3, 2)
write("each.log", 11000, 4, 11000, 1)
write("slow.log", 1100, 60, 1100, 1, lambda i: 60 if i == 1090 else 20)
write("short.log", 600, 10, 200, 3)
END
ask() { # EXPRESSION FILE: of its JSON, in `d`
	python3 -c "import json, sys; d = json.load(open(sys.argv[1])); print(*[$1])" "$2"
}
equal() { # WANTED WHAT GOT
	[ "$3" = "$1" ] && pass || fail "$2: $3 instead of $1"
}
for log in one three each; do
	for threads in 1 3; do "$rwkvmon" analyze --format json --threads $threads $log.log >$log.$threads.json 2>err || fail "analyze $log.log"; done
	cmp -s $log.1.json $log.3.json && pass || fail "$log.log: three threads say something else"
done
all='[(i["records"], i["sessions"], i["tokens"], i["to"], i["metrics"]["token_latency_ms"]["count"]) for i in d["instances"]]'
equal '12500 10000 [(50000, 12500, 50000, '"'2026-03-01T00:16:40.000Z'"', 50000)]' "one instance" "$(ask "d['sessions_total'], len(d['sessions']), $all" one.1.json)"
equal "12000 10000 {(16000, 4000, 16000, 16000)}" "three instances" \
	"$(ask "d['sessions_total'], len(d['sessions']), {(a, b, c, e) for a, b, c, _, e in $all}" three.1.json)"
equal "11000 11000 {(4, 1)}" "an instance each" "$(ask "d['sessions_total'], len(d['instances']), {(a, b) for a, b, *_ in $all}" each.1.json)"
"$rwkvmon" fleet one.log --json >fleet.json 2>err || fail "fleet"
equal "50000 0" "fleet" "$(ask 'd["instances"][0]["records"], d.get("sessions_unlisted", 0)' fleet.json)"
"$rwkvmon" fleet -q slow.log --fail-on attention >out 2>err
equal 1 "exit code with an instance in trouble among 1,100" $?
"$rwkvmon" analyze --format json slow.log >slow.json 2>err
equal "attention ['h1090:1']" "the verdict on them" "$(ask 'd["verdict"], [o["instance"] for o in d["peers"]["outliers"]]' slow.json)"
"$rwkvmon" diagnose short.log --lang en >out 2>err
grep -q "Of 600 parts.* the largest has 10 steps" out && ! grep -q "0 steps have a latency" out && pass || fail "steps of small parts: $(head -5 out)"
finish
