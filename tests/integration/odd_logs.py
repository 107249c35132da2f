"""Logs that hold little or odd things, such as an alarm alone: odd_logs.py DIR"""
import json
import os
import sys

START = 1757594096000  # ms


def stamp(ms):
    s, ms = divmod(START + ms, 1000)
    minutes, second = divmod(s % 86400, 60)
    return "2025-09-11T%02d:%02d:%02d.%03dZ" % (minutes // 60, minutes % 60, second, ms)


class Log:
    """Lines of one file; each session numbers its records."""

    def __init__(self):
        self.lines, self.record, self.torn = [], {}, False  # torn: the last line was not written to its end

    def add(self, ms, event, session="rwkv-sess-aaaaaaaaaaaa", model="m", strategy="cpu fp32", instance="host:1", old=False, **fields):
        line = {"timestamp": stamp(ms), "session_id": session, "event_type": event}
        line.update(fields)
        line.setdefault("metadata", {}).update(model_name=model, strategy=strategy)
        if not old:
            self.record[session] = self.record.get(session, -1) + 1
            line.update(instance=instance, record=self.record[session])
        self.lines.append(json.dumps(line, separators=(",", ":")))

    def start(self, ms=0, **fields):
        self.add(ms, "session_start", metadata={"vocab_size": 65536}, **fields)

    def steps(self, n, latency_ms=20.0, entropy=3.0, begin=0, **fields):
        for i in range(n):
            ms = latency_ms * (1 + (i * 7919 % 101 - 50) / 2000)
            self.add(int(begin + i * latency_ms), "inference_step", sequence_length=100 + i, sequence=0, phase="decode", token_count=1,
                     performance={"token_latency_ms": round(ms, 3), "throughput_tps": round(1000 / ms, 2)},
                     accuracy={"logits_entropy": entropy + (i * 31 % 17 - 8) / 20, "state_similarity": 0.95}, **fields)

    def alarm(self, ms, alarm_type="high_latency", severity="warning", metric="token_latency_ms", **fields):
        self.add(ms, "alarm", alarm_type=alarm_type, severity=severity, rule=alarm_type, metric=metric, value=80, limit=50, state="firing",
                 summary="s", action="a", **fields)


def logs():
    for name in ("only_start", "only_alarm", "only_alarms", "only_info", "only_gap", "one_step", "nothing_known",
                 "nan_later", "torn", "several_models", "several_versions", "alarm_of_one_session", "backwards", "unknown_events"):
        yield name, Log()


def fill(name, log):
    if name == "only_start":
        log.start()
    elif name == "only_alarm":
        log.alarm(5000)
    elif name == "only_alarms":
        log.alarm(5000)
        log.alarm(9000, session="rwkv-sess-bbbbbbbbbbbb", instance="other:2")
        log.alarm(7000, "non_finite", "critical", "nan_logits", session="rwkv-sess-bbbbbbbbbbbb", instance="other:2")
    elif name == "only_info":
        log.start()
        log.steps(300)
        log.alarm(9000, "unusual", "info", "logits_entropy")
    elif name == "only_gap":
        log.start()
        log.add(1000, "gap", dropped=70, reason="ring_full")
    elif name == "one_step":
        log.start()
        log.steps(1)
    elif name == "nothing_known":
        log.start()
        for i in range(400):
            log.add(20 * i, "inference_step", sequence_length=i, token_count=1, phase="decode",
                    performance={"token_latency_ms": None, "throughput_tps": None}, accuracy={"logits_entropy": "NaN", "state_similarity": "NaN"})
    elif name == "nan_later":
        log.start()
        log.steps(300)
        log.add(6100, "inference_step", sequence_length=400, token_count=1, phase="decode",
                performance={"token_latency_ms": 20.0, "throughput_tps": 50.0}, accuracy={"logits_entropy": "NaN", "nan_logits": 7, "state_similarity": 0.9})
        log.steps(100, begin=6200)
    elif name == "torn":
        log.start()
        log.steps(300)
        log.torn = True
    elif name == "several_models":
        for i, (model, strategy) in enumerate((("big", "cuda fp16"), ("small", "cpu fp32"), ("small", "cpu fp32i8"))):
            who = {"session": "rwkv-sess-%012d" % i, "model": model, "strategy": strategy}
            log.start(10000 * i, **who)
            log.steps(300, latency_ms=10 + 15 * i, begin=10000 * i, **who)
    elif name == "several_versions":
        log.steps(200, old=True)
        log.steps(200, begin=10000, session="rwkv-sess-new", batch_size=2, later={"than": ["this", "version"]})
    elif name == "alarm_of_one_session":
        for i in range(2):
            log.start(session="rwkv-sess-%012d" % i)
        for i in range(2):
            log.steps(300, session="rwkv-sess-%012d" % i)
        log.alarm(6000, "mode_collapse", "warning", "repeat_cycle_tokens", session="rwkv-sess-%012d" % 1, kind="loop", first_bad_token=70,
                  tokens_wasted=64)
    elif name == "backwards":
        log.start(90000)
        for i in range(4):
            log.steps(100, begin=80000 - 20000 * i)
    elif name == "unknown_events":
        log.start()
        log.add(10, "weather", wind=3)
        log.steps(300)


if __name__ == "__main__":
    for name, log in logs():
        fill(name, log)
        with open(os.path.join(sys.argv[1], "odd_%s.log" % name), "w", encoding="utf-8") as out:
            text = "".join(line + "\n" for line in log.lines)
            out.write(text[:-len(log.lines[-1]) // 2] if log.torn else text)
