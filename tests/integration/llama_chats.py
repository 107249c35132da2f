#!/usr/bin/env python3
"""The log of llama_chats against those of its conversations alone.

    llama_chats.py ALL.log TOLERANCE ALONE_0.log … ALONE_5.log
"""

import json
import sys

KEYS = ("logits_entropy", "surprisal_nats", "token_repetition_pct", "state_similarity", "state_similarity_wkv",
        "state_change", "state_drift")
BATCHES = [3] * 111 + [2] * 9    # of conversation 0: with 1 and 2, then with 3, then with 4
PARENT, BRANCH, COMMON = 2, 5, 117
OF_STATE = ("state_similarity", "state_similarity_wkv", "state_change")
# Calls whose state cannot be compared with the one before, which stood in another slot or a file: (session, length) of the branch's first and
# its parent's next, after all were read from a file, and of the one with which 0 comes back.
STATELESS = {(2, COMMON + 1), (5, COMMON + 1), (0, 122)}


def read(path):
    """[session][step], in the order of their first steps, and the alarms' (session, type)."""
    sessions, alarms = {}, []
    for line in open(path):
        r = json.loads(line)
        if r["event_type"] == "inference_step":
            sessions.setdefault(r["session_id"], []).append(r)
        elif r["event_type"] == "alarm":
            alarms.append((r["session_id"], r["alarm_type"]))
    return list(sessions.values()), alarms


def same(what, chat, alone, tolerance):
    assert len(chat) == len(alone), (what, len(chat), len(alone))
    compared = dict.fromkeys(KEYS, 0)
    for a, b in zip(chat, alone):
        for key in ("sequence_length", "phase"):
            assert a[key] == b[key], (what, key, a, b)
        for key in KEYS:
            x, y = a.get("accuracy", {}).get(key), b.get("accuracy", {}).get(key)
            if key in OF_STATE and (what, a["sequence_length"]) in STATELESS:
                assert x is None, (what, key, a["sequence_length"], x)
                continue
            assert (x is None) == (y is None), ("one of them lacks it", what, key, a["sequence_length"], x, y)
            if x is not None:
                assert abs(x - y) <= tolerance, (what, key, a["sequence_length"], x, y)
                compared[key] += 1
    return compared


def main(path, tolerance, *alone):
    sessions, alarms = read(path)
    alone = [read(a)[0] for a in alone]
    assert [len(a) for a in alone] == [1] * 6, [len(a) for a in alone]
    alone = [a[0] for a in alone]
    # The slot that was copied to comes first in a call: it goes on as 2 was, and the other is the branch.
    assert len(sessions) == 6, [len(s) for s in sessions]
    want = [alone[0], alone[1], alone[BRANCH], alone[3], alone[4], alone[PARENT][-5:]]
    for i, (chat, expected) in enumerate(zip(sessions, want)):
        n = same(i, chat, expected, tolerance)
        long = len(chat) > 100  # the others are too short for what needs a hundred tokens
        assert all(n[key] for key in KEYS if long or key not in ("token_repetition_pct", "state_drift")), (i, n)
    assert [s.get("batch_size", 1) for s in sessions[0]] == BATCHES[:117] + [2] * 3
    assert {s["sequence"] for chat in sessions for s in chat} == {0}
    assert sessions[5][0]["sequence_length"] == COMMON + 1
    first = [[s["phase"] for s in chat][:3] for chat in sessions]
    assert first == [["prefill", "decode", "decode"]] * 3 + [["prefill"] * 2 + ["decode"]] + \
        [["prefill", "decode", "decode"], ["decode"] * 3], first
    told = [sum("time_to_first_token_ms" in s["performance"] for s in chat) for chat in sessions]
    assert told == [1, 1, 1, 1, 2, 0], told  # once a turn
    repeated = [max((s.get("accuracy", {}).get("token_repetition_pct", 0) for s in chat), default=0) for chat in sessions]
    assert repeated[2] > 90 and max(repeated[:2]) < 60, repeated
    loops = {s for s, kind in alarms if kind == "mode_collapse"}
    assert sessions[2][0]["session_id"] in loops and loops <= {sessions[2][0]["session_id"], sessions[5][0]["session_id"]}, alarms
    print(sum(map(len, sessions)), "records of 6 conversations in 4 slots as each alone")


main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
