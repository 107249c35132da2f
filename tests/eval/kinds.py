"""Every kind of log that is judged: faults with one truth each, and clean ones. Written from what users report; it does not
look at how rwkvmon judges.

A kind is a function (rng, out) that writes one log and returns its truth: {"causes": ids that are right, "args": more arguments
for diagnose}. The minimum strength of a fault stands in its docstring.

Ids that the tree of docs/DIAGNOSIS.md may lack: stalls, slow_tail, slow_start, model_changed.
"""
import math

import deployments
from simulate import SURE, USES, Fault, Run, answer, interleaved_sequences, interleaved_sessions, one_long, sequences, turns
from texts import Stream

FAULTS, CLEAN = {}, {}
TEXTS = ["prose", "prose", "language", "language", "licence", "code", "poem", "table"]


def fault(function):
    FAULTS[function.__name__] = function
    return function


def clean(function):
    CLEAN[function.__name__] = function
    return function


def truth(*causes, args=(), **more):
    return dict(causes=list(causes), args=list(args), **more)


def between(rng, low, high):
    """Log-uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def size(rng, d, seconds=0, low=1000, high=20000):
    """Calls of a log that lasts at least so long, if 20,000 calls can."""
    calls = int(between(rng, low, high * 0.5))
    calls = max(calls, int(seconds * 1000 / d.decode_ms))
    return max(min(calls, high), 150 if d.decode_ms > 150 else 400 if d.decode_ms > 40 else low)


def bare_run(rng, out, bend=None, **more):
    more.setdefault("prefill_surprisal", rng.random() < 0.5)
    return Run(rng, out, bend, **more)


def slow_enough(least):
    return lambda d: d.decode_ms >= least


class After(Fault):
    """Something from a share of the calls on."""

    def __init__(self, calls, rng, low=0.3, high=0.65):
        self.from_call = int(calls * rng.uniform(low, high))

    def on(self, run):
        return run.steps >= self.from_call


def use(rng, run, d, calls, content=None, uses=USES):
    rng.choice(uses)(run, d, content or rng.choice(TEXTS), calls)
    run.close()


# ---------------------------------------------------------------- non-finite values

class NonFinite(After):
    def __init__(self, calls, rng, logits=True, state=True, once=None):
        super().__init__(calls, rng, 0.05, 0.9)
        self.logits, self.state, self.kind = logits, state, rng.choice(["nan", "nan", "inf"])
        self.alarms = rng.random() < 0.5
        self.told = False

    def accuracy(self, run, s, prefill, values):
        self.bad = self.on(run)
        if not self.bad:
            return
        if self.logits:
            for key in ("logits_entropy", "surprisal_nats", "quant_kl_nats"):
                values.pop(key, None)
            values["nonfinite_logits"] = s.d.vocab
            values["%s_logits" % self.kind] = s.d.vocab
        if self.state:
            for key in ("state_similarity", "state_similarity_shift", "state_similarity_wkv"):
                values.pop(key, None)
            values["nonfinite_state"] = max(int(s.d.width * 3.7), 1)
            values["%s_state" % self.kind] = 1
            if "state_leak" in values:
                values["state_leak"] = 0.0

    def factor(self, run, s, tokens, prefill):
        if self.on(run) and self.alarms and not self.told and s.records > 1:
            self.told = True
            run.alarm(s, "non_finite", "critical", "nan_logits", s.d.vocab, 0)
        return 1.0


def non_finite_truth(d, at_once=False):
    if d.fp16:
        return truth("fp16_overflow", "non_finite") if at_once else truth("fp16_overflow")
    return truth("non_finite")


@fault
def nan_at_once(rng, out):
    """NaN from the first call on; the program stops after 1 to 31 calls."""
    d = deployments.choose(rng)
    bend = NonFinite(100, rng)
    bend.from_call = 0
    run = bare_run(rng, out, bend)
    s = run.open(d)
    s.begin()
    calls = rng.choice([1, 2, 5, 12, 20, 31])
    run.prompt(s, rng.randint(5, 60))
    answer(run, s, calls - run.steps)
    run.close()
    return non_finite_truth(d, True)


@fault
def nan_later(rng, out):
    """NaN or Inf in logits and state from some call on, 5 to 90 % into the log."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out, NonFinite(calls, rng))
    use(rng, run, d, calls, uses=[one_long, turns])
    return non_finite_truth(d)


@fault
def nan_state_only(rng, out):
    """The state holds NaN or Inf; logits are still finite."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out, NonFinite(calls, rng, logits=False))
    use(rng, run, d, calls, uses=[one_long])
    return non_finite_truth(d)


@fault
def nan_one_sequence(rng, out):
    """One of 4 to 12 sequences holds NaN from its middle to its end; the others are finite."""
    d = deployments.choose(rng)
    calls = size(rng, d, high=8000)
    bend = NonFinite(calls, rng)
    run = bare_run(rng, out, bend)
    s = run.open(d, rng.choice(TEXTS))
    count = rng.randint(4, 12)
    bad, middle = rng.randrange(count), max(calls // count // 2, 10)
    bend.on = lambda r: s.sequence == bad and s.heads[bad]["decoded"] >= middle
    for _ in range(count):
        s.begin()
        run.prompt(s, rng.randint(10, 200))
        answer(run, s, max(calls // count, 25))
    run.close()
    return non_finite_truth(d)


# ---------------------------------------------------------------- state and output

class Loop(Fault):
    """A sequence's generated tokens repeat with a period until the sequence ends."""

    def __init__(self, rng, period, from_decoded, near=0.0, sure=None):
        self.rng, self.period, self.from_decoded, self.near = rng, period, from_decoded, near
        self.sure = rng.random() < 0.5 if sure is None else sure
        self.in_sequence = None

    def loops(self, s, head):
        return (self.in_sequence is None or s.sequence == self.in_sequence) and head["decoded"] >= self.from_decoded + self.period

    def token(self, run, s, token, prefill):
        head = s.heads[s.sequence]
        if prefill or not self.loops(s, head):
            return token
        if self.near and self.rng.random() < self.near:
            return token
        return head["stream"].history[-1 - self.period]

    def accuracy(self, run, s, prefill, values):
        head = s.heads[s.sequence]
        if self.sure and not prefill and head["decoded"] >= self.from_decoded + 2 * self.period:
            values["logits_entropy"] *= 0.15 if not self.near else 0.3
            values["surprisal_nats"] *= 0.1 if not self.near else 0.3


def loop_log(rng, out, low, high, near=False):
    d = deployments.choose(rng)
    period = int(between(rng, low, high))
    periods = rng.uniform(4, 12)
    start = rng.randint(40, 600)
    looped = max(int(periods * period), 250)
    bend = Loop(rng, period, start, rng.uniform(0.03, 0.08) if near else 0.0)
    run = bare_run(rng, out, bend)
    content = rng.choice(["prose", "prose", "language", "code", "licence"])
    s = run.open(d, content)
    several = rng.random() < 0.5
    bend.in_sequence = rng.randint(0, 3) if several else 0
    for i in range(4 if several else 1):
        s.begin()
        run.prompt(s, rng.randint(20, 300))
        answer(run, s, start + period + looped if i == bend.in_sequence else rng.randint(100, 600))
        if i == bend.in_sequence and rng.random() < 0.4:
            run.alarm(s, "mode_collapse", "warning", "mode_collapse_loop", 2 * period, 16, kind="loop", first_bad_token=start,
                      tokens_wasted=looped)
    run.close()
    return truth("repetition", "mode_collapse")


@fault
def loop_short(rng, out):
    """An exact loop of 1 to 50 tokens, at least 4 periods and 250 tokens."""
    return loop_log(rng, out, 1, 50)


@fault
def loop_long(rng, out):
    """An exact loop of 60 to 400 tokens, at least 4 periods."""
    return loop_log(rng, out, 60, 400)


@fault
def loop_very_long(rng, out):
    """An exact loop of 400 to 2,000 tokens, at least 4 periods."""
    return loop_log(rng, out, 400, 2000)


@fault
def loop_near(rng, out):
    """A loop of 4 to 90 tokens in which 3 to 8 % of the tokens differ, at least 4 periods and 250 tokens."""
    return loop_log(rng, out, 4, 90, near=True)


@fault
def entropy_collapse(rng, out):
    """Entropy falls to a mean of 0.02 to 0.8 nats, at most 0.45 of what it was, and stays, for at least a third of the log."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out)
    content = rng.choice(["prose", "language", "code"])
    usual = run.entropy_median * SURE.get(content, 1) * math.exp(run.entropy_sd ** 2 / 2)
    mean = between(rng, 0.02, min(0.8, 0.45 * usual))
    sd = rng.uniform(0.2, 0.5)

    class Collapse(After):
        def accuracy(self, run, s, prefill, values):
            if self.on(run):
                values["logits_entropy"] = mean * math.exp(rng.gauss(-sd * sd / 2, sd))
                if "surprisal_nats" in values and not prefill:
                    values["surprisal_nats"] = rng.expovariate(1) * mean * 0.7

    run.fault = Collapse(calls, rng)
    use(rng, run, d, calls, content=content, uses=[one_long, turns, sequences])
    return truth("mode_collapse", "repetition", "abnormal_entropy", "entropy_collapse")


@fault
def state_leak(rng, out):
    """Some sequences begin 2 to 90 % away from the state they declared."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    share, far = rng.choice([0.1, 0.3, 1.0]), between(rng, 0.02, 0.9)

    class Leak(Fault):
        said = 0

        def accuracy(self, run, s, prefill, values):
            if "state_leak" in values and s.sequence > 0 and (rng.random() < share or not self.said and s.sequence > 3):
                values["state_leak"] = far * rng.uniform(0.7, 1.2)
                self.said = 1

    run = bare_run(rng, out, Leak())
    s = run.open(d)
    for _ in range(rng.randint(6, 30)):
        s.begin()
        run.prompt(s, rng.randint(10, 200))
        answer(run, s, max(calls // 20, 20))
        run.think(rng.uniform(0.1, 5))
    run.close()
    return truth("state_leak")


@fault
def state_jump(rng, out):
    """The state that a call is given is not the one the call before left (15 to 90 % apart), 3 to 20 times."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    times = sorted(rng.randint(int(calls * 0.1), calls - 20) for _ in range(rng.randint(3, 20)))
    far = between(rng, 0.15, 0.9)

    class Jump(Fault):
        def accuracy(self, run, s, prefill, values):
            if times and run.steps >= times[0] and "state_similarity" in values and not prefill:
                times.pop(0)
                values["state_similarity"] = rng.uniform(0.05, 0.6)
                values["state_similarity_wkv"] = values["state_similarity"] + 0.01
                values["state_similarity_shift"] = rng.uniform(0.0, 0.3)
                values["state_jump"] = far * rng.uniform(0.8, 1.2)

    run = bare_run(rng, out, Jump())
    use(rng, run, d, calls, uses=[one_long, turns])
    return truth("state_jump")


@fault
def wrong_tokenizer(rng, out):
    """Prompts cost 1.25 to 1.6 times ln V per token; at least 100 prompt tokens with a surprisal."""
    byte = rng.random() < 0.15
    d = deployments.Deployment(deployments.BYTE, rng) if byte else deployments.choose(rng)
    calls = size(rng, d, high=6000)
    nats = math.log(d.vocab) * rng.uniform(1.25, 1.6) if not byte else rng.uniform(13, 17)
    run = bare_run(rng, out, prefill_surprisal=True, prompts_surprisal=nats)
    s = run.open(d, "bytes" if byte else "prose")
    one_by_one = rng.random() < 0.4
    if byte:
        run.entropy_median = 1.5
    while run.steps < calls:
        s.begin()
        n = rng.randint(60, 300)
        if one_by_one:
            for i in range(n):
                run.call(s, 1, prefill=True, ends=i == n - 1)
        else:
            run.prompt(s, n)
        answer(run, s, rng.randint(40, 200))
    run.close()
    return truth("wrong_input")


@fault
def quantisation(rng, out):
    """KL of 0.2 to 2 nats in one of 10 to 50 tokens, in an int8 or 4-bit format."""
    d = deployments.choose(rng, keep=lambda d: "i8" in d.number or d.number[0] == "q")
    calls = size(rng, d, low=1500)
    run = bare_run(rng, out)
    run.kl_share, run.kl = 1 / rng.uniform(10, 50), between(rng, 0.2, 2)
    use(rng, run, d, calls)
    return truth("quantisation_error")


# ---------------------------------------------------------------- memory and loading

@fault
def memory_growth_host(rng, out):
    """The process grows steadily, by at least 30 % and 300 MiB, over at least 100 s."""
    d = deployments.choose(rng, keep=slow_enough(7))
    calls = size(rng, d, 110)
    by = between(rng, 0.3, 1.5) * d.rss

    class Grow(Fault):
        def resources(self, run, sample):
            sample["process_memory_mb"] += max(by, 300) * run.steps / calls

    if d.memory < d.rss + max(by, 300) * 1.3:
        d.memory = int((d.rss + max(by, 300)) * 1.6)
    use(rng, bare_run(rng, out, Grow()), d, calls)
    return truth("memory_growth")


@fault
def memory_growth_gpu(rng, out):
    """GPU memory grows steadily, by at least 30 % and 700 MiB, over at least 100 s; the card has room."""
    d = deployments.choose(rng, "gpu", lambda d: d.decode_ms >= 7 and d.vram_used * 1.35 + d.vram_others + 300 < 0.9 * d.vram)
    calls = size(rng, d, 110)
    room = d.vram * 0.93 - d.vram_used - d.vram_others
    by = min(max(between(rng, 0.3, 1.5) * d.vram_used, 700), room)

    class Grow(Fault):
        def resources(self, run, sample):
            for key in ("vram_used_mb", "process_vram_mb"):
                sample[key] += by * run.steps / calls

    use(rng, bare_run(rng, out, Grow()), d, calls)
    return truth("memory_growth")


@fault
def vram_full(rng, out):
    """95 to 99.5 % of the card in use from the start, steady."""
    d = deployments.choose(rng, "gpu")
    full = d.vram * rng.uniform(0.95, 0.995)
    if rng.random() < 0.5:
        d.vram_others = full - d.vram_used
    else:
        d.vram_used, d.vram_others = full - 20, 20
    use(rng, bare_run(rng, out), d, size(rng, d, 40))
    return truth("vram_above_plan")


@fault
def vram_twice_the_plan(rng, out):
    """The process holds 2 to 3 times what weights and workspace need, above 75 % of the card."""
    d = deployments.choose(rng, "gpu", lambda d: d.vram_used * 2.2 < 0.92 * d.vram and d.vram_used * 3.2 > 0.75 * d.vram)
    d.vram_others = rng.uniform(0, 40)
    d.vram_used = max(min(d.vram_used * rng.uniform(2.1, 3.0), 0.92 * d.vram), 0.76 * d.vram)
    use(rng, bare_run(rng, out), d, size(rng, d, 40))
    return truth("vram_above_plan")


@fault
def slow_load(rng, out):
    """Loading takes 3 to 12 times as long as a disk of 0.2 GB/s needs, and at least 15 s; models of any speed."""
    d = deployments.choose(rng, keep=lambda d: d.params > 4e8)
    d.load_ms = max(d.bytes / 0.2e6 * between(rng, 3, 12), 15000)
    use(rng, bare_run(rng, out), d, size(rng, d))
    return truth("slow_loading")


@fault
def masked(rng, out):
    """A model of more than 20 ms per token (nothing wrong with that) with slow loading, quantisation error or growing memory."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms > 20 and d.params > 4e8 and ("i8" in d.number or d.number[0] == "q" or rng.random() < 0.5))
    kind = rng.choice(["load", "memory", "quant"] if "i8" in d.number or d.number[0] == "q" else ["load", "memory"])
    calls = size(rng, d, 120, low=500, high=6000)
    run = bare_run(rng, out)
    if kind == "load":
        d.load_ms = max(d.bytes / 0.2e6 * between(rng, 3, 12), 15000)
        use(rng, run, d, calls)
        return truth("slow_loading")
    if kind == "quant":
        run.kl_share, run.kl = 1 / rng.uniform(8, 20), between(rng, 0.2, 2)
        use(rng, run, d, calls)
        return truth("quantisation_error")
    by = max(between(rng, 0.3, 1.2) * d.rss, 300)
    d.memory = max(d.memory, int((d.rss + by) * 1.6))

    class Grow(Fault):
        def resources(self, r, sample):
            sample["process_memory_mb"] += by * r.steps / calls

    run.fault = Grow()
    use(rng, run, d, calls)
    return truth("memory_growth")


@fault
def swapping(rng, out):
    """The process nears the memory it may use (93 to 99 %); from there calls take 2 to 8 times as long and less CPU is used."""
    d = deployments.choose(rng, "cpu", lambda d: d.decode_ms >= 8 and d.params > 1e8)
    calls = size(rng, d, 120)
    times = between(rng, 2, 8)
    d.memory = int(d.rss * rng.uniform(1.15, 1.4))
    full = d.memory * rng.uniform(0.95, 0.99)

    class Swap(After):
        def factor(self, run, s, tokens, prefill):
            return times * math.exp(rng.gauss(0, 0.3)) if self.on(run) else 1.0

        def resources(self, run, sample):
            share = min(max(run.steps / self.from_call - 0.9, 0) * 10, 1)
            sample["process_memory_mb"] = d.rss + (full - d.rss) * share * rng.uniform(0.99, 1)
            if self.on(run):
                sample["cpu_utilization_pct"] /= times * 0.8
                sample["machine_cpu_utilization_pct"] = sample["cpu_utilization_pct"] + rng.uniform(3, 12)

    use(rng, bare_run(rng, out, Swap(calls, rng)), d, calls, uses=[one_long, turns, sequences])
    return truth("swapping")


# ---------------------------------------------------------------- the machine

class Clock(After):
    """Calls slow down as the clock falls."""

    def __init__(self, calls, rng, times, gpu, flags=True, clock=True):
        super().__init__(calls, rng)
        self.times, self.gpu, self.flags, self.clock, self.rng = times, gpu, flags, clock, rng
        self.ramp = rng.choice([1, 1, 0.1 * calls])
        self.until = calls if rng.random() < 0.7 else self.from_call + 0.3 * calls

    def share(self, run):
        if run.steps >= self.until:
            return 0
        return min(max((run.steps - self.from_call) / self.ramp, 0), 1)

    def factor(self, run, s, tokens, prefill):
        return 1 + (self.times - 1) * self.share(run)

    def resources(self, run, sample):
        share, slow = self.share(run), sample["slow"]
        key = "gpu_clock_mhz" if self.gpu else "cpu_clock_mhz"
        if key in slow:
            slow[key] /= 1 + (self.times - 1) * share * self.rng.uniform(0.95, 1.05)
            if not self.clock:
                del slow[key]
        if share > 0.3 and self.flags:
            slow["gpu_thermal_throttled_pct" if self.gpu else "cpu_thermal_throttles"] = 100 if self.gpu else self.rng.randint(3, 60)


def throttled(rng, out, low, high, gpu):
    d = deployments.choose(rng, "gpu" if gpu else "cpu", lambda d: d.decode_ms >= 6 and d.clock)
    calls = size(rng, d, 150)
    times = rng.uniform(low, high)
    clock = rng.random() < 0.85 or times < 1.5
    bend = Clock(calls, rng, times, gpu, flags=rng.random() < 0.5 or not clock, clock=clock)
    run = bare_run(rng, out, bend)
    run.no_extras = False
    if times < 1.5:
        run.memory_sd, run.white_sd = min(run.memory_sd, 0.015), min(run.white_sd, 0.02)
    use(rng, run, d, calls)
    return truth("gpu_throttling" if gpu else "throttling")


@fault
def gpu_throttling_small(rng, out):
    """The GPU takes 1.15 to 1.4 times as long from a moment on, with the clock that fits."""
    return throttled(rng, out, 1.15, 1.4, True)


@fault
def gpu_throttling_large(rng, out):
    """1.5 to 3 times; the clock, the driver's heat flag, or both are in the log."""
    return throttled(rng, out, 1.5, 3, True)


@fault
def cpu_throttling_small(rng, out):
    """The processor takes 1.15 to 1.4 times as long, with the clock that fits."""
    return throttled(rng, out, 1.15, 1.4, False)


@fault
def cpu_throttling_large(rng, out):
    """1.5 to 3 times, with clock or heat counts."""
    return throttled(rng, out, 1.5, 3, False)


@fault
def quota(rng, out):
    """The container's quota stops the process 30 to 85 % of the time, from the start or from a moment on."""
    d = deployments.choose(rng, "cpu", lambda d: d.decode_ms >= 6)
    calls = size(rng, d, 120)
    stopped = rng.uniform(0.3, 0.85)
    times = 1 / (1 - stopped)

    class Quota(After):
        def factor(self, run, s, tokens, prefill):
            return times * math.exp(rng.gauss(0, 0.15)) if self.on(run) else 1.0

        def resources(self, run, sample):
            if self.on(run):
                sample["slow"]["cpu_quota_stopped_pct"] = min(100 * stopped * rng.uniform(0.9, 1.1), 100)
                sample["slow"]["cpu_waiting_pct"] = min(100 * stopped * rng.uniform(0.9, 1.1), 99)

    bend = Quota(calls, rng)
    if rng.random() < 0.4:
        bend.from_call = 0
    run = bare_run(rng, out, bend)
    run.no_extras = False
    use(rng, run, d, calls)
    return truth("cpu_quota")


class Contention(After):
    def __init__(self, calls, rng, waiting):
        super().__init__(calls, rng)
        self.waiting, self.rng = waiting, rng
        self.times = 1 / (1 - waiting)

    def factor(self, run, s, tokens, prefill):
        return self.times * math.exp(self.rng.gauss(0, 0.25)) if self.on(run) else 1.0

    def resources(self, run, sample):
        if self.on(run):
            rng = self.rng
            sample["cpu_utilization_pct"] *= 1 - self.waiting
            sample["machine_cpu_utilization_pct"] = rng.uniform(95, 100)
            sample["slow"]["cpu_waiting_pct"] = min(100 * self.waiting * rng.uniform(0.9, 1.1), 99)


@fault
def contention(rng, out):
    """From a moment on other programs fill the machine: threads wait 30 to 80 % of the time they want to run."""
    d = deployments.choose(rng, "cpu", lambda d: d.decode_ms >= 6)
    calls = size(rng, d, 120)
    run = bare_run(rng, out, Contention(calls, rng, rng.uniform(0.3, 0.8)))
    run.no_extras = False
    use(rng, run, d, calls)
    return truth("other_load")


@fault
def starved(rng, out):
    """From the first call to the last the threads wait 70 to 95 % of the time they want to run."""
    d = deployments.choose(rng, "cpu", lambda d: d.decode_ms >= 3)
    calls = size(rng, d, 100)
    bend = Contention(calls, rng, rng.uniform(0.7, 0.95))
    bend.from_call = 0
    run = bare_run(rng, out, bend)
    run.no_extras = False
    use(rng, run, d, calls)
    return truth("other_load")


@fault
def bursts(rng, out):
    """Two to four times in the log other programs take the machine for 14 s: calls take 2 to 6 times as long."""
    d = deployments.choose(rng, "cpu", lambda d: 6 <= d.decode_ms <= 150)
    seconds = rng.uniform(150, 260)
    calls = size(rng, d, seconds)
    waiting = rng.uniform(0.5, 0.83)
    bend = Contention(calls, rng, waiting)
    total = calls * d.decode_ms / 1000
    starts = [total * f for f in sorted(rng.uniform(0.12, 0.88) for _ in range(rng.randint(2, 4)))]
    bend.on = lambda run: any(0 <= run.now - run.start - at < 14 for at in starts)
    run = bare_run(rng, out, bend)
    run.no_extras = False
    use(rng, run, d, calls, uses=[one_long, sequences])
    return truth("other_load", "stalls")


# ---------------------------------------------------------------- whose time is it

@fault
def caller_half(rng, out):
    """The caller's own work between the calls takes 50 to 85 % of the time, from the start."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms >= 4)
    calls = size(rng, d, 60)
    share = rng.uniform(0.5, 0.85)
    ms = d.decode_ms * share / (1 - share)
    if ms > 700:
        d = deployments.choose(rng, "gpu", lambda d: d.decode_ms >= 4)
        ms = d.decode_ms * share / (1 - share)

    class Pause(Fault):
        def pause_ms(self, run, s, pause):
            return pause + ms * math.exp(rng.gauss(0, 0.2))

    run = bare_run(rng, out, Pause())
    use(rng, run, d, calls, uses=[one_long, turns, sequences])
    return truth("caller")


@fault
def caller_growing(rng, out):
    """Pauses between the calls grow with time (not with the sequence) to 1 to 4 times a call."""
    d = deployments.choose(rng, keep=lambda d: 4 <= d.decode_ms <= 150)
    calls = size(rng, d, 60, low=2000)
    most = d.decode_ms * between(rng, 1, 4)

    class Pause(Fault):
        def pause_ms(self, run, s, pause):
            return pause + most * run.steps / calls * rng.uniform(0.8, 1.2)

    run = bare_run(rng, out, Pause())
    s = run.open(d, rng.choice(TEXTS))
    while run.steps < calls:
        s.begin()
        run.prompt(s, rng.randint(20, 200))
        answer(run, s, min(rng.randint(100, 400), max(calls - run.steps, 1)))
    run.close()
    return truth("caller")


@fault
def penalties(rng, out):
    """The pause between calls grows with the sequence's tokens, to 0.7 to 4 times a call at its end; 3 to 8 sequences."""
    d = deployments.choose(rng, keep=lambda d: 3 <= d.decode_ms <= 60)
    length = rng.randint(500, 2000)
    per_token = d.decode_ms * between(rng, 0.7, 4) / length

    class Pause(Fault):
        def pause_ms(self, run, s, pause):
            return pause + per_token * s.heads[s.sequence]["length"] * rng.uniform(0.9, 1.1)

    run = bare_run(rng, out, Pause())
    s = run.open(d, rng.choice(TEXTS))
    for _ in range(rng.randint(3, 8)):
        s.begin()
        run.prompt(s, rng.randint(10, 100))
        answer(run, s, int(length * rng.uniform(0.6, 1.2)))
        run.think(rng.uniform(0.2, 3))
    run.close()
    return truth("penalties_over_all_tokens")


class Stalls(Fault):
    def __init__(self, rng, inside):
        self.rng, self.inside = rng, inside
        self.every = rng.uniform(6, 25)
        self.next = None

    def due(self, run):
        if self.next is None:
            self.next = run.now + self.every
        if run.now < self.next:
            return 0.0
        self.next = run.now + self.every * self.rng.uniform(0.6, 1.4)
        return self.rng.uniform(800, 3500)

    def stall_ms(self, run, s, prefill):
        return self.due(run) if self.inside and not prefill else 0.0

    def pause_ms(self, run, s, pause):
        if not self.inside and s.heads[s.sequence]["decoded"] > 3:
            return pause + self.due(run)
        return pause


def stalled(rng, out, inside):
    d = deployments.choose(rng, keep=lambda d: 4 <= d.decode_ms <= 120)
    run = bare_run(rng, out, Stalls(rng, inside))
    use(rng, run, d, size(rng, d, 150), uses=[one_long, turns])


@fault
def stalls_in_calls(rng, out):
    """Every 6 to 25 s one call takes 0.8 to 3.5 s more."""
    stalled(rng, out, True)
    return truth("stalls", "slow_tail")


@fault
def stalls_between_calls(rng, out):
    """Every 6 to 25 s the process stops for 0.8 to 3.5 s between two calls of one generation."""
    stalled(rng, out, False)
    return truth("stalls", "caller")


@fault
def tail(rng, out):
    """3 to 6 % of the calls take 8 to 16 times as long, scattered."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 120)
    share, times = rng.uniform(0.03, 0.06), rng.uniform(8, 16)

    class Tail(Fault):
        def factor(self, run, s, tokens, prefill):
            return times * rng.uniform(0.8, 1.2) if not prefill and rng.random() < share else 1.0

    use(rng, bare_run(rng, out, Tail()), d, size(rng, d))
    return truth("slow_tail", "stalls")


@fault
def slow_first_call(rng, out):
    """The first one to three calls take 4 to 75 s together, at least 50 times a usual decode call and 10 times a prefill call; later ones are as always."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 60 and d.call_ms(256) < 3000)
    left = [between(rng, max(4, d.decode_ms * 0.05, 0.01 * d.call_ms(min(d.chunk, 300))), 75)]
    if rng.random() < 0.4:
        left = [left[0] * f for f in (0.6, 0.3, 0.1)]

    class Slow(Fault):
        def stall_ms(self, run, s, prefill):
            return left.pop(0) * 1000 if left else 0.0

    use(rng, bare_run(rng, out, Slow()), d, size(rng, d, 30))
    return truth("slow_start")


@fault
def history(rng, out):
    """Each turn feeds the whole conversation anew in a new sequence: prompt = earlier prompt + answer + message; 6 to 25 turns,
    one to four conversations in one collector."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 100)
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(["prose", "language", "code"]))
    chats = [0 for _ in range(rng.choice([1, 1, 2, 4]))]
    for _ in range(rng.randint(6, 20)):
        for i, held in enumerate(chats):
            message, told = rng.randint(8, 90), rng.randint(40, 220)
            s.begin()
            run.prompt(s, held + message)
            answer(run, s, told)
            chats[i] = held + message + told
            run.think(rng.uniform(1, 12) / len(chats))
    run.close()
    return truth("history_refed")


@fault
def history_chats(rng, out):
    """Two to twelve conversations in one collector feed their history anew, 5 to 14 turns each: in turn, at random, in bursts, or
    all at the same time, token by token; with or without a system prompt."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 100)
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(["prose", "language", "code"]))
    chats = [[rng.choice([0, 0, 40, 250]), rng.randint(5, 14)] for _ in range(rng.choice([2, 3, 4, 4, 4, 6, 8, 12]))]
    order = rng.choice(["turns", "random", "bursts", "together"])
    at = 0
    while any(left for _, left in chats):
        going = [i for i, (_, left) in enumerate(chats) if left]
        if order == "together":
            now = going
        else:
            at = next((i for i in going if i > at), going[0]) if order == "turns" else \
                rng.choice(going) if order == "random" or at not in going or rng.random() < 0.3 else at
            now = [at]
        answers = {}
        for i in now:
            sequence = s.begin()
            message = rng.randint(8, 90)
            run.prompt(s, chats[i][0] + message)
            answers[sequence] = rng.randint(30, 200)
            chats[i][0] += message + answers[sequence]
            chats[i][1] -= 1
        while answers:
            for sequence in list(answers):
                s.sequence = sequence
                run.call(s)
                answers[sequence] -= 1
                if not answers[sequence]:
                    del answers[sequence]
        run.think(rng.uniform(0.2, 5))
    run.close()
    return truth("history_refed")


@fault
def model_swapped(rng, out):
    """One file, one process: a larger model (at least 2.5 times as slow) from a second session_start on."""
    first = deployments.choose(rng, keep=lambda d: d.decode_ms < (20 if d.gpu else 45))
    second = deployments.choose(rng, first.place, lambda d: d.name != first.name and d.decode_ms > 2.5 * first.decode_ms)
    second.cpu_name, second.cores, second.memory, second.max_mhz = first.cpu_name, first.cores, first.memory, first.max_mhz
    if first.gpu:
        second.gpu_name, second.vram, second.clock = first.gpu_name, first.vram, first.clock
        second.vram = first.vram = max(first.vram, int(second.vram_used * 1.3))
    calls = size(rng, second, low=1500)
    run = bare_run(rng, out)
    content = rng.choice(TEXTS)
    sequences(run, first, content, calls // 2)
    run.close()
    run.think(rng.uniform(5, 60))
    sequences(run, second, content, calls)
    run.close()
    return truth("model_changed", "healthy")


# ---------------------------------------------------------------- configuration

def chunks_cost(d, tokens):
    return d.call_ms(tokens) / tokens


@fault
def chunk_gpu(rng, out):
    """Prompts of 300 to 2,000 tokens fed in chunks of 1 to 32 on a GPU, 3 to 20 times slower than in 256; at least 20 % of the time."""
    d = deployments.choose(rng, "gpu")
    d.chunk = rng.choice([n for n in (1, 2, 4, 8, 16, 32) if chunks_cost(d, n) >= 3 * chunks_cost(d, 256)])
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(TEXTS))
    calls = size(rng, d)
    while run.steps < calls:
        s.begin()
        n = rng.randint(300, 2000)
        run.prompt(s, n)
        answer(run, s, rng.randint(20, max(n // d.chunk * 2, 40)))
    run.close()
    return truth("chunk_too_small")


@fault
def chunk_cpu(rng, out):
    """The same on a CPU in chunks of 1 to 4, where 64 would be 3 times as fast or more."""
    d = deployments.choose(rng, "cpu", lambda d: d.decode_ms > 3.5 * d.prefill_ms)
    d.chunk = rng.choice([n for n in (1, 2, 4) if n == 1 or chunks_cost(d, n) >= 3 * chunks_cost(d, 64)])
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(TEXTS))
    calls = size(rng, d, high=8000)
    while run.steps < calls:
        s.begin()
        n = rng.randint(150, 900)
        run.prompt(s, n)
        answer(run, s, rng.randint(20, max(n // d.chunk, 40)))
    run.close()
    return truth("chunk_too_small")


@fault
def kernel_off(rng, out):
    """RWKV_CUDA_ON=0 on a GPU with int8: decode and prefill 6 to 15 times slower; half of them with a goal."""
    d = deployments.choose(rng, "gpu", lambda d: d.number == "fp16i8")
    times = rng.uniform(6, 15)
    d.decode_ms *= times
    d.prefill_ms *= times
    d.flags = d.flags.replace("CUDA_ON=1", "CUDA_ON=0")
    use(rng, bare_run(rng, out), d, size(rng, d, low=600, high=4000))
    goal = ["--goal", "%dtps" % max(1000 / d.decode_ms * rng.uniform(2, 4), 1)] if rng.random() < 0.5 else []
    return truth("cuda_kernel_off", args=goal)


@fault
def offload(rng, out):
    """A third or more of the layers on the CPU, or streamed, while the GPU idles; half of them with a goal."""
    d = deployments.choose(rng, "gpu", lambda d: d.params > 1.2e9 and d.version != "7")
    on_gpu = int(d.layers * rng.uniform(0.3, 0.65))
    d.strategy = rng.choice(["cuda %s *%d -> cpu fp32", "cuda %s *%d+"]) % (d.number, on_gpu)
    times = rng.uniform(5, 15)
    d.decode_ms *= times
    d.busy_share /= times
    d.vram_used *= 0.6
    use(rng, bare_run(rng, out), d, size(rng, d, low=600, high=4000))
    goal = ["--goal", "%dtps" % max(1000 / d.decode_ms * rng.uniform(2, 4), 1)] if rng.random() < 0.5 else []
    return truth("layers_outside_gpu", args=goal)


@fault
def launch_bound_goal(rng, out):
    """A small model on a large GPU that idles 70 to 90 % of a call, below the stated goal."""
    d = deployments.choose(rng, "gpu", lambda d: d.params < 2e9 and not d.number.endswith("i8"))
    d.busy_share = rng.uniform(0.1, 0.3)
    d.decode_ms = d.layers * rng.uniform(0.5, 1.2)
    d.flags = d.flags.replace("JIT_ON=1", "JIT_ON=0")
    use(rng, bare_run(rng, out), d, size(rng, d, 60), uses=[one_long, sequences, interleaved_sessions])
    return truth("launch_bound", args=["--goal", "%dtps" % (1000 / d.decode_ms * rng.uniform(1.6, 4))])


@fault
def slow_for_goal(rng, out):
    """A steady speed far below the stated goal, on a busy processor or a busy GPU."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms > 25)
    if d.gpu:
        d.busy_share = rng.uniform(0.85, 0.98)
    else:
        d.own_cpu = max(d.own_cpu, 80)
    use(rng, bare_run(rng, out), d, size(rng, d, 60), uses=[one_long, sequences])
    goal = 1000 / d.decode_ms * rng.uniform(1.6, 4)
    return truth("bandwidth_ceiling", "decode_bound", args=["--goal", "%.3gtps" % goal])


# ---------------------------------------------------------------- clean

def clean_text(content):
    def write(rng, out):
        d = deployments.choose(rng)
        use(rng, bare_run(rng, out), d, size(rng, d), content=content)
        return truth("healthy")
    write.__doc__ = "Nothing wrong; the text is %s." % content
    return write


for kind_of_text in ("prose", "language", "licence", "code", "table", "json", "sql", "song", "poem"):
    CLEAN["text_" + kind_of_text] = clean_text(kind_of_text)


@clean
def slow_machine(rng, out):
    """A big model on a small machine: steady at 0.5 to 20 tokens/s, and nobody stated a goal."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms > 50)
    use(rng, bare_run(rng, out), d, size(rng, d, 60, low=400, high=5000))
    return truth("healthy")


@clean
def fast_machine(rng, out):
    """A small model on a GPU: fast, and the GPU mostly waits."""
    d = deployments.choose(rng, "gpu", lambda d: d.decode_ms < 9)
    use(rng, bare_run(rng, out), d, size(rng, d, 30))
    return truth("healthy")


@clean
def load_ramp(rng, out):
    """More and more conversations in one process; each call is as fast as ever. In a third of the logs calls are batched and a
    batch of 8 takes 1.15 to 1.6 times as long."""
    d = deployments.choose(rng)
    calls = size(rng, d, 60)
    run = bare_run(rng, out)
    batched = rng.random() < 0.33
    slower = rng.uniform(1.15, 1.6)
    content = rng.choice(TEXTS)
    live = []
    stage = max(calls // 8, 50)
    while run.steps < calls:
        if len(live) < 1 + run.steps // stage:
            s = run.open(d, content)
            s.begin()
            run.prompt(s, rng.randint(10, 200))
            live.append(s)
        n = len(live)
        for s in live:
            run.call(s, batch=n if batched else 1, batch_factor=1 + (slower - 1) * (n - 1) / 7 if batched else 1.0)
    run.close()
    return truth("healthy")


@clean
def load_falls(rng, out):
    """Busy at first, then ever longer pauses between requests."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(TEXTS))
    while run.steps < calls:
        s.begin()
        run.prompt(s, rng.randint(10, 300))
        answer(run, s, rng.randint(40, 300))
        run.think(0.2 + 20 * run.steps / calls * rng.random())
    run.close()
    return truth("healthy")


@clean
def restarts(rng, out):
    """The program is started three to six times with one file."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out)
    times = rng.randint(3, 6)
    content = rng.choice(TEXTS)
    for i in range(times):
        d.load_ms *= rng.uniform(0.9, 1.1)
        d.rss *= rng.uniform(0.97, 1.03)
        rng.choice([one_long, sequences, turns])(run, d, content, run.steps + calls // times)
        run.close()
        run.think(rng.uniform(20, 4000))
        run.instance = run.instance.split(":")[0] + ":%d" % rng.randint(300, 60000)
        run.samples, run.next_sample, run.sampled_at, run.busy_since = 0, run.now, run.now, run.busy
        run.carry, run.once = "", ""
    return truth("healthy")


@clean
def sorted_documents(rng, out):
    """Documents of growing length, each in its own sequence with a short answer: nothing is fed twice."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 100)
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(TEXTS))
    lengths = sorted(min(max(int(rng.lognormvariate(6.2, 0.9)), 40), 8000) for _ in range(rng.randint(12, 40)))
    for length in lengths:
        s.begin()
        run.prompt(s, length)
        answer(run, s, rng.randint(20, 160))
        run.think(rng.uniform(0.01, 0.5))
    run.close()
    return truth("healthy")


@clean
def documents_in_order(rng, out):
    """Documents of growing length with wide or even gaps, in one batch or several, or nearly in order, or only of similar lengths;
    answers of 15 to 250 tokens: nothing is fed twice."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 100)
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(TEXTS))
    for _ in range(rng.choice([1, 1, 2, 3])):
        n, gap = rng.randint(10, 25), rng.randint(10, 250)
        how = rng.choice(["even", "wide", "nearly", "similar"])
        lengths = [60 + gap * i if how == "even" else int(60 + gap * (i + rng.uniform(-0.4, 0.4)) if how == "wide"
                                                          else 60 + max(gap * (i + rng.gauss(0, 1.5)), 0)) for i in range(n)]
        if how == "similar":
            lengths = [rng.randint(10 * gap, 12 * gap) for _ in range(n)]
        low, high = rng.choice([(15, 60), (40, 250)])  # equal answers and even gaps look like a conversation
        for length in lengths:
            s.begin()
            run.prompt(s, max(length, 20))
            answer(run, s, rng.randint(low, high))
            run.think(rng.uniform(0.01, 0.5))
    run.close()
    return truth("healthy")


@clean
def many_sessions(rng, out):
    """Two to eight collectors of one process, token by token in turn."""
    d = deployments.choose(rng)
    run = bare_run(rng, out)
    interleaved_sessions(run, d, rng.choice(TEXTS), size(rng, d))
    run.close()
    return truth("healthy")


@clean
def many_sequences(rng, out):
    """One collector for two to eight conversations, token by token in turn."""
    d = deployments.choose(rng)
    run = bare_run(rng, out)
    interleaved_sequences(run, d, rng.choice(TEXTS), size(rng, d))
    run.close()
    return truth("healthy")


@clean
def think_time(rng, out):
    """Users read and type for 3 to 60 s between turns; the GPU or processor idles then."""
    d = deployments.choose(rng)
    run = bare_run(rng, out)
    turns(run, d, rng.choice(TEXTS), size(rng, d), think=(3, 60))
    run.close()
    return truth("healthy")


@clean
def byte_model(rng, out):
    """A byte-level model of 256 tokens."""
    d = deployments.Deployment(deployments.BYTE, rng)
    run = bare_run(rng, out, prompts_surprisal=2.0)
    run.entropy_median, run.entropy_sd, d.similarity = 1.3, 0.5, 0.93
    use(rng, run, d, size(rng, d, low=2000), content="bytes")
    return truth("healthy")


@clean
def gpu_zero(rng, out):
    """The driver reports a utilisation of 0 throughout."""
    d = deployments.choose(rng, "gpu")
    run = bare_run(rng, out)
    run.zero_utilisation = True
    use(rng, run, d, size(rng, d, 40))
    return truth("healthy")


@clean
def no_resources(rng, out):
    """Nothing is sampled: speed and accuracy only."""
    d = deployments.choose(rng)
    use(rng, bare_run(rng, out, resources=False), d, size(rng, d))
    return truth("healthy")


@clean
def int8_good(rng, out):
    """int8 or 4 bits with a measured error of 0.002 to 0.03 nats."""
    d = deployments.choose(rng, keep=lambda d: "i8" in d.number or d.number[0] == "q")
    run = bare_run(rng, out)
    run.kl_share, run.kl = 1 / rng.uniform(10, 50), between(rng, 0.002, 0.03)
    use(rng, run, d, size(rng, d))
    return truth("healthy")


@clean
def power_limit(rng, out):
    """A GPU at its power limit all the time: steady, and no fault."""
    d = deployments.choose(rng, "gpu")
    d.power_limited = 1.0
    d.clock *= rng.uniform(0.8, 0.95)
    use(rng, bare_run(rng, out), d, size(rng, d, 60))
    return truth("healthy")


@clean
def big_card(rng, out):
    """8 of 80 GiB in use, as planned."""
    d = deployments.choose(rng, "gpu", lambda d: d.vram > 70000)
    use(rng, bare_run(rng, out), d, size(rng, d, 30))
    return truth("healthy")


@clean
def two_gpus(rng, out):
    """Layers on two GPUs."""
    d = deployments.choose(rng, "gpu", lambda d: d.params > 2e9 and d.version != "7")
    d.strategy = "cuda:0 %s *%d -> cuda:1 %s" % (d.number, d.layers // 2, d.number)
    d.vram_used *= 0.55
    d.busy_share *= 0.5
    use(rng, bare_run(rng, out), d, size(rng, d, 30))
    return truth("healthy")


@clean
def long_documents(rng, out):
    """Prompts of 1,000 to 6,000 tokens with short answers, in chunks that fit."""
    d = deployments.choose(rng, keep=lambda d: d.decode_ms <= 150)
    run = bare_run(rng, out)
    sequences(run, d, rng.choice(TEXTS), min(size(rng, d), 4000), prompt=(1000, 6000), answers=(30, 200))
    run.close()
    return truth("healthy")


@clean
def short_log(rng, out):
    """200 to 600 calls."""
    d = deployments.choose(rng)
    use(rng, bare_run(rng, out), d, rng.randint(200, 600))
    return truth("healthy")


@clean
def memory_settles(rng, out):
    """Memory rises by 10 to 25 % in the first minute (arenas, caches) and stays."""
    d = deployments.choose(rng, keep=slow_enough(6))
    run = bare_run(rng, out)
    run.memory_drift = rng.uniform(0.1, 0.25)
    use(rng, run, d, size(rng, d, 300))
    return truth("healthy")


@clean
def some_other_load(rng, out):
    """Other programs use 20 to 60 % of the machine, and this one hardly waits for it."""
    d = deployments.choose(rng)
    d.own_cpu = min(d.own_cpu, 35)
    run = bare_run(rng, out)
    run.background = rng.uniform(20, 60)
    use(rng, run, d, size(rng, d, 40))
    return truth("healthy")


@clean
def noisy_machine(rng, out):
    """Latency with a long memory and a heavy tail, 5 to 8 % of variation, the same at the end as at the beginning."""
    d = deployments.choose(rng)
    run = bare_run(rng, out)
    run.rho, run.memory_sd, run.white_sd = rng.choice([0.99, 0.995, 0.999]), rng.uniform(0.03, 0.06), rng.uniform(0.02, 0.05)
    run.tail, run.rare = rng.uniform(0.01, 0.02), 0.001
    use(rng, run, d, size(rng, d))
    return truth("healthy")


@clean
def changing_texts(rng, out):
    """Prose, then code, then a table, in one collector."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out)
    s = run.open(d, "prose")
    while run.steps < calls:
        s.content = rng.choice(["prose", "code", "table", "language", "json"])
        s.begin()
        run.prompt(s, rng.randint(20, 400))
        answer(run, s, rng.randint(60, 600))
    run.close()
    return truth("healthy")


def shifted(rng, stream, content):
    """The stream goes on with another content."""
    after = Stream(content, stream.vocab, rng)
    after.history = stream.history
    return after


@clean
def content_shift(rng, out):
    """Prose becomes a table, JSON, SQL or code and stays so to the end: in the middle of one sequence, or from one request on. The
    model is more certain there: fixed forms cost next to nothing, values as much as words."""
    d = deployments.choose(rng)
    calls = size(rng, d, low=1200, high=6000)
    form, fixed = rng.choice(["table", "json", "sql", "code"]), rng.uniform(0.3, 0.75)
    at = int(calls * rng.uniform(0.25, 0.75))

    class Shift(Fault):
        def accuracy(self, run, s, prefill, values):
            if s.heads[s.sequence]["stream"].content == form and rng.random() < fixed:
                values["logits_entropy"] *= rng.choice([0.01, 0.05, 0.2])
                values["surprisal_nats"] = values.get("surprisal_nats", 0) * 0.05

    run = bare_run(rng, out, Shift())
    s = run.open(d, "prose")
    one = rng.random() < 0.5
    while run.steps < calls:
        if s.sequence < 0 or not one:
            s.content = "prose" if run.steps < at else form
            s.begin()
            run.prompt(s, rng.randint(20, 300))
        head = s.heads[s.sequence]
        if run.steps >= at and head["stream"].content != form:
            head["stream"] = shifted(rng, head["stream"], form)
        answer(run, s, min(rng.randint(100, 500), calls - run.steps, at - run.steps if run.steps < at else calls))
    run.close()
    return truth("healthy")


@clean
def certain_text(rng, out):
    """A reasoning model is very certain: most tokens cost next to nothing, one in 5 to 30 is a decision. From the start on, in
    some requests, or from one request on; nothing repeats itself."""
    d = deployments.choose(rng)
    calls = size(rng, d, low=1200, high=6000)
    mean, sd = between(rng, 0.08, 0.5), rng.uniform(0.9, 1.8)
    when = rng.choice(["always", "always", "some", "later"])
    at = int(calls * rng.uniform(0.3, 0.6))

    class Certain(Fault):
        def accuracy(self, run, s, prefill, values):
            if s.heads[s.sequence].get("certain"):
                values["logits_entropy"] = min(mean * math.exp(rng.gauss(-sd * sd / 2, sd)), 8)
                if not prefill:
                    values["surprisal_nats"] = rng.expovariate(1) * values["logits_entropy"] * 0.8

    run = bare_run(rng, out, Certain())
    s = run.open(d, rng.choice(["prose", "language", "code"]))
    while run.steps < calls:
        s.begin()
        s.heads[s.sequence]["certain"] = when == "always" or (when == "some" and rng.random() < 0.5) or (when == "later" and run.steps >= at)
        run.prompt(s, rng.randint(20, 300))
        answer(run, s, min(rng.randint(150, 1200), max(calls - run.steps, 1)))
        run.think(rng.uniform(0.1, 3))
    run.close()
    return truth("healthy")


@clean
def neighbour_memory(rng, out):
    """Another process takes 15 to 35 % of the card meanwhile; this one's memory stays, and the card has room."""
    d = deployments.choose(rng, "gpu", lambda d: d.vram_used + d.vram_others < 0.5 * d.vram)
    calls = size(rng, d, 60)
    taken = rng.uniform(0.15, 0.35) * d.vram

    class Neighbour(After):
        def resources(self, run, sample):
            if self.on(run):
                sample["vram_used_mb"] += taken

    use(rng, bare_run(rng, out, Neighbour(calls, rng)), d, calls)
    return truth("healthy")


@clean
def killed(rng, out):
    """The program was killed: no session_end, and the last line is torn."""
    d = deployments.choose(rng)
    run = bare_run(rng, out)
    rng.choice(USES)(run, d, rng.choice(TEXTS), size(rng, d))
    out.write('{"timestamp":"%s","session_id":"%s","event_type":"infer' % (run.stamp(), run.sessions[0].id))
    return truth("healthy")


@clean
def perplexity(rng, out):
    """Documents are read for their perplexity: prefill calls only."""
    d = deployments.choose(rng, keep=lambda d: d.call_ms(d.chunk) < 4000)
    run = bare_run(rng, out)
    s = run.open(d, rng.choice(TEXTS))
    while run.steps < 400:
        s.begin()
        run.prompt(s, rng.randint(d.chunk, 6 * d.chunk))
        run.think(0.05)
    run.close()
    return truth("healthy")


@clean
def short_requests(rng, out):
    """Many requests of few tokens: classification, autocompletion."""
    d = deployments.choose(rng)
    calls = size(rng, d)
    run = bare_run(rng, out)
    sequences(run, d, rng.choice(TEXTS), calls, prompt=(8, 80), answers=(1, 20))
    run.close()
    return truth("healthy")
