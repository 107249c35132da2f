"""An independent analysis of a log, in the standard library only: what rwkvmon must agree with.

  analyze_reference.py make FILE     writes a seeded log with every trouble a log can have
  analyze_reference.py check JSON FILE...   compares `rwkvmon analyze --format json` with the files
"""
import bisect
import datetime
import json
import math
import os
import random
import sys

LINE_MAX = 16 << 20
EVENTS = {"inference_step", "session_start", "session_end", "alarm", "alarm_resolved", "gap"}
PATHS = {
    "performance": ["token_latency_ms", "throughput_tps", "chunk_process_time_ms", "time_to_first_token_ms"],
    "resources": ["vram_used_mb", "gpu_utilization_pct", "state_size_bytes", "cpu_utilization_pct"],
    "accuracy": ["logits_entropy", "token_repetition_pct", "state_similarity", "surprisal_nats", "state_drift"],
}
COOLDOWN_US = 60_000_000
RULES = [  # tests/rules/single.yaml: the limits of `baseline`, every record judged alone
    ("high_latency", "token_latency_ms", lambda v: v > 75, lambda v: 75),
    ("low_throughput", "throughput_tps", lambda v: v < 50, lambda v: 50),
    ("high_vram_usage", "vram_used_mb", lambda v: v > 8000, lambda v: 8000),
    ("abnormal_entropy", "logits_entropy", lambda v: v < 1 or v > 8, lambda v: 1 if v < 1 else 8),
    ("high_repetition", "token_repetition_pct", lambda v: v > 15, lambda v: 15),
]


# --- making ---------------------------------------------------------------------------


def stamp(rng, us):
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    kind = rng.random()
    if kind < 0.7:
        return t.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (t.microsecond // 1000)
    if kind < 0.8:
        return t.isoformat() + "Z"  # microseconds
    if kind < 0.9:
        return (t + datetime.timedelta(hours=8)).isoformat(timespec="milliseconds") + "+08:00"
    return t.isoformat(timespec="milliseconds").replace("T", " ")


def step(rng, session, us, i):
    digits = 17 if session == 3 else 2  # one writer keeps every digit

    def num(v):
        return v if digits == 17 else round(v, digits)

    spike = rng.random() < 0.03
    entropy = rng.gauss(4, 1.2)
    record = {
        "timestamp": stamp(rng, us),
        "session_id": "rwkv-sess-%06x" % (0xA0000 + session),
        "event_type": "inference_step",
        "sequence_length": 1 + i % 512,
        "performance": {
            "token_latency_ms": num(rng.lognormvariate(3.4, 0.3) * (4 if spike else 1)),
            "throughput_tps": num(max(0, rng.gauss(150, 40))),
            "chunk_process_time_ms": num(rng.uniform(50, 240)),
        },
        "resources": {
            "vram_used_mb": 2400 + session * 100 if session != 5 else 1e9 + rng.random() / 64,
            "gpu_utilization_pct": rng.randrange(60, 100),
            "state_size_bytes": 1048576,
        },
        "accuracy": {
            "logits_entropy": num(entropy),
            "token_repetition_pct": num(max(0, rng.gauss(8, 4))),
            "state_similarity": num(min(1, 0.95 - (0.02 * (entropy - 4) if session % 2 else 0) + rng.gauss(0, 0.01))),
        },
        "metadata": {"model_name": "RWKV-x070-World-1.5B", "strategy": "cuda fp16i8", "chunk_len": 256},
    }
    if session % 3 == 0:
        record["phase"] = "prefill" if i % 40 == 0 else "decode"
        record["token_count"] = 256 if i % 40 == 0 else 1
    if i % 25 == 24 and session != 4:
        record["accuracy"]["state_drift"] = num(rng.uniform(0, 0.5)) if i % 75 else float("nan")
        record["sequence"] = i // 512
    if i % 97 == 0:
        record["accuracy"]["logits_entropy"] = rng.choice([float("nan"), float("inf"), float("-inf")])
    if i % 89 == 0:
        record["resources"] = rng.choice([None, {}, {"vram_used_mb": None, "unknown": [1, {"a": "}{"}]}])
    if i % 83 == 0:
        del record["performance"]
    if i % 79 == 0:
        record["note"] = "quote \" backslash \\ brace } 中文 \u0007"
    if i % 71 == 0:
        record = dict(reversed(record.items()))
    return record


def damaged(rng, line):
    kind = rng.randrange(9)
    if kind == 0:
        return line[: rng.randrange(1, len(line) - 1)]  # cut off
    if kind == 1:
        return line[rng.randrange(2, len(line)):]  # its beginning is missing
    if kind == 2:
        return b"\0" * rng.randrange(1, 5000)
    if kind == 3:
        return bytes(rng.choice(b"\x80\xffabc{}[]\"\\:,\x01\x1b") for _ in range(rng.randrange(1, 300)))
    if kind == 4:
        return rng.choice([b"[1,2,3]", b"42", b"\"text\"", b"null", b"true"])
    if kind == 5:
        return b"{\"timestamp\":\"2025-09-11T12:00:00Z\",\"event_type\":\"something_else\"}"
    if kind == 6:
        return b"{\"event_type\":\"inference_step\",\"timestamp\":\"yesterday\"}"
    if kind == 7:
        return line[:-1] + b",}"
    return line + line  # two writers, one line


def make(path):
    rng = random.Random(20250911)
    us = 1757594096000000
    with open(path, "wb") as out:
        out.write(b"\xef\xbb\xbf")
        for i in range(3000 if "RWKVMON_FEWER" in os.environ else 12000):
            us += rng.choice([5, 20, 30, 30, 40, 90000 if i % 500 == 0 else 35]) * 1000 + rng.randrange(1000)
            record = step(rng, rng.randrange(7), us, i)
            separators = (",", ":") if i % 2 else None
            line = json.dumps(record, separators=separators, ensure_ascii=i % 3 != 0).encode()
            if i % 101 == 100:
                out.write(damaged(rng, line) + b"\n")
            if i % 131 == 0:
                out.write(rng.choice([b"\n", b"  \t \n", b"\r\n"]))
            if i % 1009 == 0:
                out.write(json.dumps({"timestamp": stamp(rng, us), "session_id": record["session_id"],
                                      "event_type": rng.choice(["alarm", "alarm_resolved"]),
                                      "alarm_type": "high_latency", "severity": "warning",
                                      "details": record}).encode() + b"\n")
            if i == 6000:
                out.write(b"{\"event_type\":\"inference_step\",\"text\":\"" + b"x" * (17 << 20) + b"\"}\n")
            out.write(line + (b"\r\n" if i % 5 == 0 else b"\n"))
        out.write(line[: len(line) // 2])  # kill -9


# --- reading --------------------------------------------------------------------------


def time_us(text):
    if text.endswith("Z"):
        text = text[:-1] + "+00:00"
    t = datetime.datetime.fromisoformat(text)
    if t.tzinfo is None:
        t = t.replace(tzinfo=datetime.timezone.utc)
    return (t - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def iso(us):
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=us // 1000)
    return t.isoformat(timespec="milliseconds") + "Z"


def parse(line):
    """The record, or None when the line is to be skipped."""
    if len(line) > LINE_MAX:
        return None
    if line.startswith(b"\xef\xbb\xbf"):
        line = line[3:]
    try:
        record = json.loads(line.decode("utf-8", "surrogateescape"))
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("event_type") not in EVENTS:
        return None
    try:
        record["us"] = time_us(record["timestamp"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return record


def behind(line):
    """The whole record behind a torn one on the same line, or None."""
    at = line.find(b'{"', 1)
    for _ in range(64):
        if at < 0 or len(line) > LINE_MAX:
            return None
        record = parse(line[at:])
        if record is not None:
            return record
        at = line.find(b'{"', at + 1)
    return None


def read(paths):
    records, skipped, lines, size = [], [], 0, 0
    for path in paths:
        with open(path, "rb") as f:
            data = f.read()
        size += len(data)
        for number, line in enumerate(data.split(b"\n"), 1):
            line = line[:-1] if line.endswith(b"\r") else line
            if not line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r"):
                continue
            lines += 1
            record = parse(line)
            if record is None:
                skipped.append((path, number))
                record = behind(line)
                lines += record is not None
                if record is not None:
                    records.append(record)
            else:
                records.append(record)
    return records, skipped, lines, size


def value_of(record, group, key):
    inside = record.get(group)
    v = inside.get(key) if isinstance(inside, dict) else None
    if key == "state_similarity" and v == 0:
        return None  # unknown, in the published format
    return float(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else None


# --- comparing ------------------------------------------------------------------------

problems = []


def same(what, got, want):
    if got != want:
        problems.append("%s: %r, expected %r" % (what, got, want))


def close(what, got, want, relative):
    if want is None or got is None:
        same(what, got, want)
    elif not abs(got - want) <= relative * abs(want):
        problems.append("%s: %.17g, expected %.17g" % (what, got, want))


def quantile(ordered, q):
    at = q * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def spread(values, mean):
    return math.fsum((v - mean) ** 2 for v in values)


def check_metric(where, got, records, group, key):
    found = [value_of(r, group, key) for r in records]
    values = sorted(v for v in found if v is not None and math.isfinite(v))
    broken = sum(1 for v in found if v is not None and not math.isfinite(v))
    where = where + " " + key
    if not values and not broken:
        same(where, got, None)
        return
    same(where + " count", got["count"], len(values))
    same(where + " nonfinite", got["nonfinite"], broken)
    same(where + " missing", got["missing"], len(records) - len(values) - broken)
    if not values:
        return
    same(where + " min", got["min"], values[0])
    same(where + " max", got["max"], values[-1])
    mean = math.fsum(values) / len(values)
    close(where + " mean", got["mean"], mean, 1e-9)
    if len(values) > 1 and values[0] != values[-1]:
        close(where + " stddev", got["stddev"], math.sqrt(spread(values, mean) / (len(values) - 1)), 1e-9)
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        want = quantile(values, q)
        if key.startswith("state_similarity"):
            close(where + " " + name, 1 - got[name], 1 - want, 0.005)
        else:
            close(where + " " + name, got[name], want, 0.005)


def check_metrics(where, got, records):
    for group, keys in PATHS.items():
        for key in keys:
            check_metric(where, got[key], records, group, key)


def pearson(records):
    pairs = [(value_of(r, "accuracy", "state_similarity"), value_of(r, "accuracy", "logits_entropy")) for r in records]
    pairs = [(x, y) for x, y in pairs if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]
    if len(pairs) < 2:
        return None
    mx = math.fsum(x for x, _ in pairs) / len(pairs)
    my = math.fsum(y for _, y in pairs) / len(pairs)
    xy = math.fsum((x - mx) * (y - my) for x, y in pairs)
    return xy / math.sqrt(math.fsum((x - mx) ** 2 for x, _ in pairs) * math.fsum((y - my) ** 2 for _, y in pairs))


def anomalies(records):
    by_type, violating, open_event, events = {}, 0, {}, []
    where = {key: group for group, keys in PATHS.items() for key in keys}
    for r in records:
        hit = False
        for alarm, key, violated, limit_of in RULES:
            v = value_of(r, where[key], key)
            if v is None or not math.isfinite(v) or not violated(v):
                continue
            hit = True
            by_type[alarm] = by_type.get(alarm, 0) + 1
            at = (r["session_id"], alarm)
            e = open_event.get(at)
            if not e or not e["from"] - COOLDOWN_US <= r["us"] <= e["to"] + COOLDOWN_US:
                e = {"type": alarm, "session": r["session_id"], "from": r["us"], "to": r["us"], "n": 0, "worst": v}
                open_event[at] = e
                events.append(e)
            e["from"], e["to"], e["n"] = min(e["from"], r["us"]), max(e["to"], r["us"]), e["n"] + 1
            if abs(v - limit_of(v)) > abs(e["worst"] - limit_of(e["worst"])):
                e["worst"] = v
        violating += hit
    return by_type, violating, events


def check_limits(got):
    for alarm, key, _, limit_of in RULES:
        found = {limit["value"] for limit in got if (limit["alarm_type"], limit["metric"]) == (alarm, key)}
        same("limits of " + alarm, found, {limit_of(-1e9), limit_of(1e9)})


# The 0.975 quantile of Student's distribution: its density summed up to where 97.5 % lie.
def student(freedom):
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    half, at, width = 0.0, 0.0, 1e-4
    density = lambda x: scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2)
    while half < 0.475:
        half += width * (density(at) + 4 * density(at + width / 2) + density(at + width)) / 6
        at += width
    return at


def decimals(key):
    for end, n in (("_ms", 3), ("_tps", 2), ("_mb", 1), ("_bytes", 0), ("_pct", 2), ("similarity", 6), ("_drift", 6)):
        if key.endswith(end):
            return n
    return 4  # nats


def bucket_means(steps, group, key, phase=None):
    """(middle of the bucket in us, mean, count): equal buckets of 2^k ms, at most 512 over the whole log.
    Values count with as many decimals as rwkvmon itself writes, cut to 2^40 of the last one."""
    k, scale = 0, 10.0 ** decimals(key)
    first, last = min(r["us"] for r in steps) // 1000, max(r["us"] for r in steps) // 1000
    while (last >> k) - (first >> k) >= 512:
        k += 1
    cells = {}
    for r in steps:
        v = value_of(r, group, key)
        if v is not None and math.isfinite(v) and phase in (None, r.get("phase")):
            cells.setdefault(r["us"] // 1000 >> k, []).append(v)
    mean = lambda v: sum(round(max(-2.0 ** 40, min(x * scale, 2.0 ** 40))) for x in v) / (len(v) * scale)
    return [((b + 0.5) * 1000 * 2 ** k, max(min(v), min(mean(v), max(v))), len(v)) for b, v in sorted(cells.items())]


APART = {"token_latency_ms": "decode", "throughput_tps": "decode", "chunk_process_time_ms": "prefill"}


# The noise of a series, from the differences of values 1, 2, 3, 4, 6, 8, ... apart: (variance that is new at each
# value, variance of what lasts, share of that which a value hands on).
def noise_of(v):
    n, lags, lag, step = len(v), [], 1, 1
    while lag <= n // 8 or lag <= 2:
        d = [b - a for a, b in zip(v, v[lag:])]
        if len(d) >= 4:
            center = sorted(d)[len(d) // 2]
            size = sorted(abs(x - center) for x in d)[: len(d) - len(d) // 5]
            lags.append((lag, (math.fsum(size) / (len(size) * 0.5586)) ** 2 / 2, len(d) / lag))
        step = lag // 2 if lag >= 4 and lag & (lag - 1) == 0 else step
        lag += step
    if not lags:
        return 0, 0, 0
    most, first = max(s for _, s, _ in lags), lags[0][1]
    best, loses = (math.inf, 0, 0, 0), 1.0
    lags = [(k, max(s, 1e-6 * most), w) for k, s, w in lags]
    first = lags[0][1]
    while most > 0 and loses > 0.0005:
        ys = [1 - (1 - loses) ** k for k, _, _ in lags]
        w = [weight / (s * s) for _, s, weight in lags]
        xx, xy, yy = sum(w), sum(a * y for a, y in zip(w, ys)), sum(a * y * y for a, y in zip(w, ys))
        xv = sum(a * s for a, (_, s, _) in zip(w, lags))
        yv = sum(a * y * s for a, y, (_, s, _) in zip(w, ys, lags))
        det = xx * yy - xy * xy
        fresh, swing = (xv / xx, 0) if det <= 1e-9 * xx * yy or xx * yv < xy * xv else \
            ((yy * xv - xy * yv) / det, (xx * yv - xy * xv) / det)
        if fresh < 0:
            fresh, swing = 0, yv / yy
        rest = sum(weight * ((fresh + swing * y) / s - 1) ** 2 for y, (_, s, weight) in zip(ys, lags))
        best = min(best, (rest, fresh, swing, 1 - loses), key=lambda b: b[0])
        loses *= 0.8
    near = sorted(abs(b - a) for a, b in zip(v, v[1:]))
    near = near[: len(near) - len(near) // 50]
    outer = math.fsum(x * x for x in near) / (2 * len(near))
    return best[1] + max(outer - first, 0), best[2], best[3]


def variance_of_sum(noise, share):
    fresh, swing, keep = noise
    own = together = carried = 0.0
    for s in share:
        carried *= keep
        own, together = own + s * s, together + s * (s + 2 * carried)
        carried += s
    return fresh * own + swing * max(together, 0)


def check_trend(where, got, steps, group, key):
    points = bucket_means(steps, group, key, APART.get(key)) or bucket_means(steps, group, key)
    if len(points) < 3:
        same(where, got, None)
        return
    same(where + " points", got["points"], len(points))
    values = [v for _, v, _ in points]
    if min(values) == max(values):
        same(where, (got["slope_per_hour"], got["change"], got["significant"]), (0, 0, False))
        return
    n, total = len(points), math.fsum(w for _, _, w in points)
    mt = math.fsum(w * t for t, _, w in points) / total
    mv = math.fsum(w * v for _, v, w in points) / total
    tt = math.fsum(w * (t - mt) ** 2 for t, _, w in points) / total
    slope = math.fsum(w * (t - mt) * (v - mv) for t, v, w in points) / total / tt
    e = [v - mv - slope * (t - mt) for t, v, _ in points]
    square = math.fsum(w * d * d for d, (_, _, w) in zip(e, points)) / total
    r = max(0, math.fsum(a * b for a, b in zip(e, e[1:])) / math.fsum(d * d for d in e))
    r = min(r + (1 + 4 * r) / n, 0.95)
    worth = n * (1 - r) / (1 + r)
    by_noise = variance_of_sum(noise_of(values), [w * (t - mt) / (total * tt) for t, _, w in points])
    variance = max(by_noise, square / ((worth - 2) * tt))
    if by_noise * tt * (worth - 2) > square:
        worth = 2 + square / (by_noise * tt)
    hour = 3.6e9
    close(where + " independent", got["independent"], worth, 4e-3)
    close(where + " slope", got["slope_per_hour"], slope * hour, 1e-6)
    close(where + " change", got["change"], slope * (points[-1][0] - points[0][0]), 1e-6)
    if abs(worth - 6) < 0.03:
        return
    if worth < 6:
        same(where + " interval", (got["low"], got["high"], got["significant"]), (None, None, False))
        return
    error = student(worth - 2) * math.sqrt(variance) * hour
    close(where + " half interval", (got["high"] - got["low"]) / 2, error, 2e-3)
    same(where + " significant", got["significant"], abs(slope) * hour > 1.31 * (got["high"] - got["low"]) / 2)


WORST_SIDE = {"token_latency_ms": 1, "throughput_tps": -1, "chunk_process_time_ms": 1, "time_to_first_token_ms": 1,
              "vram_used_mb": 1, "state_size_bytes": 1, "token_repetition_pct": 1, "state_similarity": -1, "surprisal_nats": 1}


def check_worst(got, steps):
    for group, keys in PATHS.items():
        for key in keys:
            values = [(value_of(r, group, key), r) for r in steps]
            values = [(v, r) for v, r in values if v is not None and math.isfinite(v)]
            side = WORST_SIDE.get(key, 0)
            if not side or len({v for v, _ in values}) < 2:
                same("worst " + key, got.get(key), None)
                continue
            values.sort(key=lambda at: (-side * at[0], at[1]["us"]))
            want = [(v, iso(r["us"]), r["session_id"]) for v, r in values[:5]]
            same("worst " + key, [(w["value"], w["at"], w["session_id"]) for w in got[key]], want)
            same("record of worst " + key, [w["record"][key] for w in got[key]], [v for v, _ in values[:5]])


def pearson_of(pairs):
    mx, my = (math.fsum(p[i] for p in pairs) / len(pairs) for i in (0, 1))
    return math.fsum((x - mx) * (y - my) for x, y in pairs) / math.sqrt(
        math.fsum((x - mx) ** 2 for x, _ in pairs) * math.fsum((y - my) ** 2 for _, y in pairs))


def sampling_error(pairs, r):
    """How far samples of 2048 lie from r at worst, of 60 drawn; few far values move it more than a normal law says."""
    draw = random.Random(1)
    return 1.5 * max(abs(pearson_of(draw.sample(pairs, min(2048, len(pairs)))) - r) for _ in range(60))


def check_correlations(got, steps):
    rows = [r for r in steps if r.get("phase") != "prefill"]
    where = {key: group for group, keys in PATHS.items() for key in keys}

    def column(r, key):
        return float(r["sequence_length"]) if key == "sequence_length" else value_of(r, where[key], key)

    for c in got:
        if not (c["a"] in where and (c["b"] in where or c["b"] == "sequence_length")):
            continue
        pairs = [(column(r, c["a"]), column(r, c["b"])) for r in rows]
        pairs = [(x, y) for x, y in pairs if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]
        r = pearson_of(pairs)
        what = "correlation of %s with %s" % (c["a"], c["b"])
        if len(rows) <= 2048:  # all steps are in the sample
            same(what + " steps", c["steps"], len(pairs))
            if abs(c["r"] - r) > 2e-6:
                problems.append("%s: %.9g, expected %.9g" % (what, c["r"], r))
        elif abs(c["r"] - r) > max(0.1, sampling_error(pairs, r)):  # 0.1: four and a half errors of a normal law
            problems.append("%s: %.9g of a sample, expected %.9g" % (what, c["r"], r))
    order = [abs(c["r"]) for c in got]
    same("order of correlations", order, sorted(order, reverse=True))


def jitter(steps):
    last, found = {}, {}
    for r in steps:
        v = value_of(r, "performance", "chunk_process_time_ms")
        if v is None or not math.isfinite(v):
            continue
        now = (r.get("phase", "unknown"), r.get("token_count", 1), round(v * 1000))
        before = last.get(r["session_id"])
        if before and before[:2] == now[:2]:
            for where in (r["session_id"], None):
                found.setdefault(where, {}).setdefault(now[0], []).append(abs(now[2] - before[2]))
        last[r["session_id"]] = now
    return {where: {phase: {"pairs": len(d), "mean_ms": sum(d) / (1000 * len(d))} for phase, d in of.items()}
            for where, of in found.items()}


def check_positions(got, steps):
    for group, key in (("performance", "token_latency_ms"), ("accuracy", "logits_entropy"), ("accuracy", "token_repetition_pct"),
                       ("accuracy", "state_similarity"), ("accuracy", "surprisal_nats"), ("accuracy", "state_drift")):
        octaves = {}
        for r in steps:
            v = value_of(r, group, key)
            if (r.get("phase") != "prefill" or key == "state_drift") and r.get("sequence_length", 0) > 0 and v is not None and math.isfinite(v):
                octaves.setdefault(r["sequence_length"].bit_length() - 1, []).append(round(v * 10 ** decimals(key)))
        if not octaves:
            same("by_position " + key, got.get(key), None)
            continue
        same("by_position " + key, [(o["from"], o["count"]) for o in got[key]], [(1 << k, len(v)) for k, v in sorted(octaves.items())])
        for o, (_, v) in zip(got[key], sorted(octaves.items())):
            close("by_position " + key, o["mean"], sum(v) / (len(v) * 10 ** decimals(key)), 1e-12)


def check_distribution(got, steps):
    """Bins of equal width in log10; an edge of a bin may lie half a percent off when values were sketched."""
    values = {}
    for r in steps:
        v = value_of(r, "performance", "token_latency_ms")
        if v is not None and math.isfinite(v) and v > 0:
            values.setdefault(r.get("phase", "unknown"), []).append(v)
    same("phases of the distribution", sorted(got), sorted(values))
    for phase, found in got.items():
        v, n = sorted(values[phase]), len(found["steps"])
        same(phase + " distribution", sum(found["steps"]), len(v))
        close(phase + " distribution high", found["high"], v[-1], 1e-12)
        for i in range(1, n):
            edge = found["low"] * (found["high"] / found["low"]) ** (i / n)
            below = sum(found["steps"][:i])
            if not bisect.bisect_left(v, edge * 0.994) <= below <= bisect.bisect_right(v, edge * 1.006):
                problems.append("%s distribution: %d steps below %.9g" % (phase, below, edge))


def first_nonfinite(steps):
    bad = [r for r in steps if any(v is not None and not math.isfinite(v) for group, keys in PATHS.items() for key in keys
                                   for v in [value_of(r, group, key)])]
    r = min(bad, key=lambda r: r["us"], default=None)
    return r and {"alarm_type": "non_finite", "at": iso(r["us"]), "sequence": r.get("sequence", 0),
                  "sequence_length": r["sequence_length"]}


def drift(steps):
    """First, last and greatest of the samples there are; of equal ones the earliest is the greatest."""
    found = [(r["us"], r.get("sequence", 0), r["sequence_length"], v) for r in steps
             for v in [value_of(r, "accuracy", "state_drift")] if v is not None and math.isfinite(v)]
    if not found:
        return None
    told = lambda s: {"value": s[3], "at": iso(s[0]), "sequence": s[1], "sequence_length": s[2]}
    return {"samples": len(found), "first": told(min(found)), "last": told(max(found)),
            "max": told(min(found, key=lambda s: (-s[3], s)))}


def check(got, paths):
    records, skipped, lines, size = read(paths)
    steps = [r for r in records if r["event_type"] == "inference_step"]
    same("files", got["input"]["files"], paths)
    same("bytes", got["input"]["bytes"], size)
    same("lines", got["input"]["lines"], lines)
    same("records", got["input"]["records"], len(steps))
    same("skipped_lines", got["input"]["skipped_lines"], len(skipped))
    same("skipped", [(s["file"], s["line"]) for s in got["input"]["skipped"]], skipped[:20])
    same("from", got["span"]["from"], iso(min(r["us"] for r in steps)))
    same("to", got["span"]["to"], iso(max(r["us"] for r in steps)))
    check_metrics("overall", got["metrics"], steps)
    for phase in ("prefill", "decode"):
        check_metrics(phase, got["phases"][phase], [r for r in steps if r.get("phase") == phase])
    sessions = {}
    for r in steps:
        sessions.setdefault(r["session_id"], []).append(r)
    same("sessions", [s["session_id"] for s in got["sessions"]], list(sessions))
    same("sessions_total", got["sessions_total"], len(sessions))
    for s in got["sessions"]:
        of = sessions[s["session_id"]]
        same("session records", s["records"], len(of))
        same("session tokens", s["tokens"], sum(r.get("token_count", 1) for r in of))
        same("session model", s["model_name"], of[0]["metadata"]["model_name"])
        same("session from", s["from"], iso(min(r["us"] for r in of)))
        check_metrics(s["session_id"], s["metrics"], of)
        want = pearson(of)
        close(s["session_id"] + " pearson", s["state"]["similarity_entropy_pearson"], want, 1e-9)
        same(s["session_id"] + " warning", s["state"]["collapse_warning"],
             want is not None and want < -0.5 and s["state"]["pairs"] >= 30)
        same(s["session_id"] + " first_nonfinite", s["state"]["first_nonfinite"], first_nonfinite(of))
        same(s["session_id"] + " first_bad", s["state"]["first_bad"], first_nonfinite(of))
        same(s["session_id"] + " drift", s["state"]["drift"], drift(of))
        same(s["session_id"] + " jitter", s["jitter"], jitter(steps).get(s["session_id"], {}))
    same("jitter", got["jitter"], jitter(steps).get(None, {}))
    check_worst(got["worst"], steps)
    check_correlations(got["correlations"], steps)
    check_positions(got["by_position"], steps)
    check_distribution(got["distribution"], steps)
    same("instances", [(i["instance"], i["sessions"], i["records"], i["metrics"]) for i in got["instances"]],
         [(None, len(sessions), len(steps), got["metrics"])])
    check_limits(got["anomalies"]["limits"])
    for group, keys in PATHS.items():
        for key in keys:
            check_trend("trend of " + key, got["trends"].get(key), steps, group, key)
    by_type, violating, events = anomalies(steps)
    same("by_type", got["anomalies"]["by_type"], by_type)
    same("anomaly records", got["anomalies"]["records"], violating)
    same("events_total", got["anomalies"]["events_total"], len(events))
    key = lambda e: (e[2], e[0], e[1])
    same("events", sorted(((e["alarm_type"], e["session_id"], e["from"], e["to"], e["records"], e["worst"])
                           for e in got["anomalies"]["events"]), key=key),
         sorted(((e["type"], e["session"], iso(e["from"]), iso(e["to"]), e["n"], e["worst"]) for e in events), key=key))
    print("%d lines, %d steps, %d skipped, %d sessions, %d events: %s"
          % (lines, len(steps), len(skipped), len(sessions), len(events), "differs" if problems else "agrees"))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "make":
        make(sys.argv[2])
        return 0
    if len(sys.argv) >= 4 and sys.argv[1] == "check":
        with open(sys.argv[2], encoding="utf-8") as f:
            check(json.load(f), sys.argv[3:])
        for problem in problems[:40]:
            print("  " + problem)
        return 1 if problems else 0
    print(__doc__)
    return 2


sys.exit(main())
