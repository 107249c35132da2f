"""Says what is wrong with an answer of `rwkvmon doctor --json`: doctor_check.py CHECK STATE PATTERN EXIT <ANSWER

A problem must be the only one, say its fix, and exit 1.
"""
import json
import re
import sys

check, state, pattern, code = sys.argv[1:]
said = json.load(sys.stdin)
row = next(c for c in said["checks"] if c["id"] == check)
problems = [c["id"] for c in said["checks"] if c["state"] == "problem"]
expected = [check] if state == "problem" else []
for wrong, what in (
    (row["state"] != state, f"the state: {row}"),
    (not re.search(pattern, row["found"]), f"the finding: {row}"),
    (problems != expected, f"other problems: {[c for c in said['checks'] if c['state'] == 'problem']}"),
    (said["problems"] != len(problems), "the count"),
    (int(code) != (1 if problems else 0), f"the exit status: {code}"),
    (state == "problem" and not row["fix"], f"no fix: {row}"),
    (any("%s" in text for text in row.values()), f"a word is missing: {row}"),
):
    if wrong:
        sys.exit(what)
