"""Kinds of log about GPUs: several of them in one strategy, one that is named by its number, clocks that come and go, and
slowdowns without any sample. Written from what users report and from docs/LOG-FORMAT.md; it does not look at how rwkvmon judges.

The same contract as kinds.py; the truth may also hold "device": the GPU that the answer must name.
"""
import math

import deployments
import kinds
from kinds import TEXTS, After, bare_run, between, size, truth, use
from simulate import Fault, Run, answer, one_long, sequences, turns

FAULTS, CLEAN = {}, {}


def fault(function):
    FAULTS[function.__name__] = function
    return function


def clean(function):
    CLEAN[function.__name__] = function
    return function


class Card:
    """One GPU: memory in MiB, clock in MHz, its share of a call's time at full clock."""

    def __init__(self, device, total, used, clock, share):
        self.device, self.total, self.used, self.others, self.clock, self.share = device, total, used, 0.0, clock, share
        self.slower, self.hot, self.used_by_us = 1.0, 0, True


class Cards(Run):
    """A process on several GPUs. The log holds their sum, mean and slowest as LOG-FORMAT.md says, and each one's own numbers."""

    def __init__(self, rng, out, cards, bend=None):
        super().__init__(rng, out, bend, prefill_surprisal=rng.random() < 0.5)
        self.cards, self.no_extras = cards, False
        self.heat_written = rng.random() < 0.5
        self.aggregates = rng.random() < 0.85  # other writers give the GPUs alone

    def sample(self, d):
        super().sample(d)
        rng, ours = self.rng, [c for c in self.cards if c.used_by_us]
        share = self.share_of_time()
        for c in self.cards:
            c.busy = min(100 * share * c.share * d.busy_share * c.slower * rng.uniform(0.95, 1.05), 100) if c.used_by_us else rng.uniform(0, 90)
            c.now = c.clock / c.slower * rng.gauss(0.985, self.clock_sd)
        rest = self.carry[self.carry.index('"state_size_bytes"'):]
        if self.aggregates:
            self.carry = '"vram_used_mb":%.1f,"process_vram_mb":%.1f,"gpu_utilization_pct":%.2f,' % (
                sum(c.used + c.others for c in ours), sum(c.used for c in ours), sum(c.busy for c in ours) / len(ours)) + rest
            self.once = ',"cpu_quota_stopped_pct":0,"cpu_waiting_pct":%.2f,"gpu_clock_mhz":%d,"gpu_thermal_throttled_pct":%d,"gpu_power_throttled_pct":0' % (
                abs(rng.gauss(0.4, 0.6)), min(c.now for c in ours), max(c.hot for c in ours))
        else:
            self.carry, self.once = rest, ""
        self.once += ',"gpus":[%s]' % ",".join(self.card_text(c) for c in self.cards)

    def share_of_time(self):
        now = self.now
        span, busy = now - getattr(self, "at", now), self.busy - getattr(self, "busy_at", 0.0)
        self.at, self.busy_at = now, self.busy
        return min(busy / span, 1.0) if span > 0 else 0.0

    def card_text(self, c):
        text = '{"device":"%s","vram_used_mb":%.1f,"vram_total_mb":%.1f,"gpu_utilization_pct":%d,"gpu_clock_mhz":%d' % (
            c.device, c.used + c.others, c.total, c.busy, c.now)
        return text + (',"gpu_thermal_throttled_pct":%d}' % c.hot if self.heat_written else "}")


def split(rng, keep=lambda d: True):
    """A model over two to four equal cards, and the strategy that says so."""
    d = deployments.choose(rng, "gpu", lambda d: d.params > 1.2e9 and d.decode_ms >= 5 and keep(d))
    n = rng.choice([2, 2, 2, 3, 4])
    first = rng.choice([0, 0, 1])
    weights = [rng.uniform(0.7, 1.3) for _ in range(n)]
    layers = [max(round(d.layers * w / sum(weights)), 1) for w in weights[:-1]]
    layers.append(max(d.layers - sum(layers), 1))
    cards = [Card("cuda:%d" % (first + i), d.vram, (d.vram_used - 400) * layers[i] / sum(layers) + 400, d.clock, layers[i] / sum(layers)) for i in range(n)]
    d.strategy = " -> ".join("%s %s%s" % (c.device, d.number, " *%d" % layers[i] if i + 1 < n else "") for i, c in enumerate(cards))
    d.vram, one = d.vram * n, d.gpu_name
    d.gpu_name = ", ".join("%s (%s)" % (one, c.device) for c in cards)
    return d, cards


class Slower(Fault):
    """One card's clock falls to 1/times while `on` says so; calls take longer by that card's share."""

    def __init__(self, cards, card, times, on, heat=True):
        self.cards, self.card, self.times, self.on, self.heat = cards, card, times, on, heat

    def factor(self, run, s, tokens, prefill):
        on = self.on(run)
        self.card.slower = self.times if on else 1.0
        self.card.hot = 100 if on and self.heat else 0
        return sum(c.share * c.slower for c in self.cards if c.used_by_us)


def calm(run):
    run.memory_sd, run.white_sd = min(run.memory_sd, 0.015), min(run.white_sd, 0.02)
    return run


@fault
def one_card_full(rng, out):
    """One of two to four cards is 95.5 to 99.5 % full from the start, by this process or another; the others have room."""
    d, cards = split(rng)
    c = rng.choice(cards)
    full = c.total * rng.uniform(0.955, 0.995)
    if rng.random() < 0.5:
        c.others = full - c.used
    else:
        c.used = full - 15
    use(rng, Cards(rng, out, cards), d, size(rng, d, 60))
    return truth("vram_above_plan", device=c.device)


@fault
def one_card_throttles(rng, out):
    """The clock of one of two to four cards falls to 1/1.6 to 1/3 from a moment on; calls take at least 1.3 times as long."""
    d, cards = split(rng)
    c = max(cards, key=lambda c: c.share) if rng.random() < 0.5 else rng.choice(cards)
    times = max(rng.uniform(1.6, 3), 1 + 0.3 / c.share)
    calls = size(rng, d, 150)
    late = After(calls, rng)
    use(rng, calm(Cards(rng, out, cards, Slower(cards, c, times, late.on, heat=rng.random() < 0.5))), d, calls)
    return truth("gpu_throttling", device=c.device)


@fault
def one_card_grows(rng, out):
    """This process's memory on one of two to four cards grows steadily, by at least 700 MiB; that card has room."""
    d, cards = split(rng)
    c = rng.choice(cards)
    calls = size(rng, d, 120)
    by = max(min(c.total * 0.9 - c.used, between(rng, 700, 5000)), 700)
    c.total = max(c.total, (c.used + by) / 0.9)
    start = c.used

    class Grow(Fault):
        def resources(self, run, sample):
            c.used = start + by * run.steps / calls

    use(rng, Cards(rng, out, cards, Grow()), d, calls)
    return truth("memory_growth", device=c.device)


def named(rng, keep=lambda d: True):
    """The strategy names one GPU by its number; the machine's other card is in the log, too."""
    d = deployments.choose(rng, "gpu", lambda d: d.decode_ms >= 5 and keep(d))
    ours, other = Card("cuda:1", d.vram, d.vram_used, d.clock, 1.0), Card("cuda:0", d.vram, d.vram * rng.uniform(0.05, 0.6), d.clock, 0.0)
    other.used_by_us = False
    d.strategy = d.strategy.replace("cuda", "cuda:1")
    return d, ours, [other, ours]


@fault
def named_card_full(rng, out):
    """cuda:1 is 95.5 to 99.5 % full; cuda:0, which the strategy does not use, has room."""
    d, ours, cards = named(rng)
    ours.others = ours.total * rng.uniform(0.955, 0.995) - ours.used
    use(rng, Cards(rng, out, cards), d, size(rng, d, 60))
    return truth("vram_above_plan", device="cuda:1")


@fault
def named_card_throttles(rng, out):
    """The clock of cuda:1 falls to 1/1.4 to 1/2.5 from a moment on."""
    d, ours, cards = named(rng)
    calls = size(rng, d, 150)
    use(rng, calm(Cards(rng, out, cards, Slower(cards, ours, rng.uniform(1.4, 2.5), After(calls, rng).on))), d, calls)
    return truth("gpu_throttling", device="cuda:1")


@fault
def throttling_comes_and_goes(rng, out):
    """One GPU throttles two to five times for 6 to 50 s (1.5 to 12 times as long) and recovers; the clock, the heat flag, or both are in the log."""
    d = deployments.choose(rng, "gpu", lambda d: 4 <= d.decode_ms <= 120)
    seconds = rng.uniform(200, 400)
    calls = min(int(seconds * 1000 / d.decode_ms), 40000)
    seconds = calls * d.decode_ms / 1000
    times, clock = between(rng, 1.5, 12), rng.random() < 0.7
    heat = not clock or rng.random() < 0.6
    spans, at = [], 0.12 * seconds
    for _ in range(rng.randint(2, 5)):
        spans.append((at, at + rng.uniform(6, 50)))
        at = spans[-1][1] + rng.uniform(20, 60)

    class Waves(Fault):
        def on(self, run):
            return any(a <= run.now - run.start < b for a, b in spans)

        def factor(self, run, s, tokens, prefill):
            return times * math.exp(rng.gauss(0, 0.05)) if self.on(run) else 1.0

        def resources(self, run, sample):
            slow, on = sample["slow"], self.on(run)
            if on and "gpu_clock_mhz" in slow:
                slow["gpu_clock_mhz"] /= times * rng.uniform(0.9, 1.1)
            if not clock:
                slow.pop("gpu_clock_mhz", None)
            if on and heat:
                slow["gpu_thermal_throttled_pct"] = 100

    run = bare_run(rng, out, Waves())
    run.no_extras = False
    use(rng, run, d, calls, uses=[one_long, sequences])
    return truth("gpu_throttling", device=None)


def slowed_without_samples(rng, out, on_of):
    d = deployments.choose(rng, keep=lambda d: 4 <= d.decode_ms <= 150)
    calls = size(rng, d, 120)
    times = between(rng, 1.5, 4)
    on = on_of(d, calls)

    class Slow(Fault):
        def factor(self, run, s, tokens, prefill):
            return times if on(run) else 1.0

    use(rng, bare_run(rng, out, Slow(), resources=False), d, calls, uses=[one_long, turns, sequences])
    return truth("slowdown_unexplained", device=None)


@fault
def slower_without_samples(rng, out):
    """Calls take 1.5 to 4 times as long from a moment on; nothing but speed and accuracy is in the log."""
    return slowed_without_samples(rng, out, lambda d, calls: After(calls, rng).on)


@fault
def slow_weeks_without_samples(rng, out):
    """The same, and they recover after a third of the log; the log cannot say why."""
    def on_of(d, calls):
        a = After(calls, rng, 0.2, 0.4)
        return lambda run: a.from_call <= run.steps < a.from_call + calls // 3
    return slowed_without_samples(rng, out, on_of)


@fault
def split_slow_for_goal(rng, out):
    """A model over two or more cards, each busy in its turn (85 to 98 % together), below the stated goal: no GPU waits."""
    d, cards = split(rng, lambda d: d.decode_ms > 12)
    d.busy_share = rng.uniform(0.85, 0.98)
    use(rng, Cards(rng, out, cards), d, size(rng, d, 60), uses=[one_long, sequences])
    return truth("bandwidth_ceiling", "decode_bound", args=["--goal", "%.3gtps" % (1000 / d.decode_ms * rng.uniform(1.6, 3))], device=None)


@clean
def several_cards(rng, out):
    """Layers on two to four GPUs, all as planned: each is busy in its turn only."""
    d, cards = split(rng)
    use(rng, Cards(rng, out, cards), d, size(rng, d, 60))
    return truth("healthy")


@clean
def other_card_full(rng, out):
    """The strategy uses cuda:1; another program fills cuda:0 and makes it hot."""
    d, ours, cards = named(rng)
    cards[0].used, cards[0].hot, cards[0].slower = cards[0].total * rng.uniform(0.95, 0.995), 100, rng.uniform(1.5, 3)
    use(rng, Cards(rng, out, cards), d, size(rng, d, 60))
    return truth("healthy")


@clean
def one_card_fuller(rng, out):
    """One card holds 70 to 88 % of its memory, the others far less: planned so."""
    d, cards = split(rng)
    c = rng.choice(cards)
    c.others = max(c.total * rng.uniform(0.7, 0.88) - c.used, 0)
    use(rng, Cards(rng, out, cards), d, size(rng, d, 60))
    return truth("healthy")


@clean
def heavy_error(rng, out):
    """int8 or 4 bits whose mean error is 0.02 to 0.07 nats with a heavy tail: single tokens reach 0.2 to 1 nats."""
    d = deployments.choose(rng, keep=lambda d: "i8" in d.number or d.number[0] == "q")
    run = bare_run(rng, out)
    mean, sd = rng.uniform(0.02, 0.07), rng.uniform(1.2, 1.8)

    class Heavy(Fault):
        def accuracy(self, r, s, prefill, values):
            if not prefill and rng.random() < share:
                values["quant_kl_nats"] = rng.lognormvariate(math.log(mean) - sd * sd / 2, sd)
                values["quant_top1_agree"] = 1 if rng.random() < 0.96 else 0

    share = 1 / rng.uniform(5, 40)
    run.fault = Heavy()
    use(rng, run, d, size(rng, d, low=1500))
    return truth("healthy")


@clean
def steady_without_samples(rng, out):
    """Nothing is sampled, and the speed is noisy with a long memory, but does not change."""
    d = deployments.choose(rng)
    run = bare_run(rng, out, resources=False)
    run.rho, run.memory_sd, run.white_sd = rng.choice([0.99, 0.995, 0.999]), rng.uniform(0.02, 0.05), rng.uniform(0.01, 0.05)
    use(rng, run, d, size(rng, d))
    return truth("healthy")


kinds.FAULTS.update(FAULTS)
kinds.CLEAN.update(CLEAN)
