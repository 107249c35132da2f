#!/bin/sh
# Committed documents are what the tables say; a real log satisfies the schema.
#     documents_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
same() { # WHAT FILE
	"$rwkvmon" export "$1" >"$dir/is" && cmp -s "$dir/is" "$root/docs/$2" && pass ||
		fail "docs/$2 is out of date: run make docs"
}
same log-format LOG-FORMAT.md
same metrics METRICS.md
same rules RULES.md
same diagnosis DIAGNOSIS.md
same settings SETTINGS.md
same python-settings ../python/rwkvmon/_settings.py
same man rwkvmon.1
same schema log.schema.json
same alerts PROMETHEUS-ALERTS.md
"$rwkvmon" export nothing >/dev/null 2>&1
[ $? = 2 ] && pass || fail "an unknown document is a usage error"

# Chinese has full-width marks: none of , : ; ? ! ( ) touches a Chinese character.
han='[\x{3400}-\x{9fff}]'
ascii_mark() { LC_ALL=C.UTF-8 grep -rnP "$han[,:;?!()]|[,:;?!()]$han" "$@"; }
if printf '一,二\n' | ascii_mark >/dev/null 2>&1; then
	ascii_mark "$root"/src "$root"/docs "$root"/web/*.js "$root"/web/*.html "$root"/README.zh.md "$root"/deploy &&
		fail "an ASCII mark touches a Chinese character in these lines" || pass
else
	echo "SKIPPED: full-width marks in Chinese texts: this grep has no -P with UTF-8"
fi

"$rwkvmon" run --prompt x --tokens 300 --seed 1 --quiet --log-tokens --log-text --log-rotate-bytes 60000 --log "$dir/a.log" >/dev/null
python=
for p in python3 /usr/bin/python3; do
	"$p" -c 'import jsonschema' 2>/dev/null && python=$p && break
done
if [ -n "$python" ]; then
	"$python" - "$root/docs/log.schema.json" "$dir"/a*.log "$root/tests/logs/worked.log" <<'P' && pass || fail "a line does not satisfy the schema"
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
check = kind(schema)
lines = bad = 0
for path in sys.argv[2:]:
    for line in open(path, encoding="utf-8"):
        lines += 1
        for error in check.iter_errors(json.loads(line)):
            print(path, lines, error.json_path, error.message)
            bad += 1
for wrong in ({"event_type": "gap"}, {"timestamp": "x", "session_id": "s", "event_type": "gap"},
              {"timestamp": "2025-09-11T12:34:56.789Z", "session_id": "s", "event_type": "inference_step", "accuracy": {"logits_entropy": "4"}}):
    if check.is_valid(wrong):
        print("accepted:", wrong)
        bad += 1
print(lines, "lines")
sys.exit(1 if bad or lines < 300 else 0)
P
else
	echo "SKIPPED: lines against the JSON Schema: Python's jsonschema is missing (Debian: python3-jsonschema)"
fi
declared=$(grep -o 'RWKVMON_API [^(]*(' "$root/include/rwkvmon.h" | grep -o 'rwkvmon_[a-z_]*(' | tr -d '(')
for name in $declared; do
	grep -q "$name(" "$root/docs/rwkvmon.3" && pass || fail "docs/rwkvmon.3 does not know $name"
done
if command -v man >/dev/null; then
	for page in 1 3; do
		LC_ALL=C.UTF-8 man --warnings -l "$root/docs/rwkvmon.$page" >/dev/null 2>"$dir/warnings"
		[ -s "$dir/warnings" ] && { fail "the man page ($page) has warnings"; cat "$dir/warnings"; } || pass
	done
else
	echo "SKIPPED: the man page through man: it is not installed"
fi

finish
