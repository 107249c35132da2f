"""A process that runs RWKV, simulated call by call, and the log that its collector writes (format 1, docs/LOG-FORMAT.md).

What is simulated: forward calls whose time has memory (AR noise), a heavy tail and rare slow calls; pauses between calls;
resource samples every 5 s; entropy, surprisal and similarity of states; repetition and cycles counted from the tokens.
A fault is a Fault whose hooks bend one of these from a moment on.
"""
import json
import math
import time
from collections import deque

from texts import Repetition, Stream


class Fault:
    """Hooks; the base class bends nothing. `run` is the Run, `s` the Session."""

    def factor(self, run, s, tokens, prefill):
        """The call's time is multiplied by this."""
        return 1.0

    def stall_ms(self, run, s, prefill):
        """Added to the call's time."""
        return 0.0

    def pause_ms(self, run, s, pause):
        """The pause before the call."""
        return pause

    def resources(self, run, sample):
        """Bends a sample of resources: a dict by metric, plus `slow` (written once)."""

    def accuracy(self, run, s, prefill, values):
        """Bends a dict of accuracy values before they are written."""

    def token(self, run, s, token, prefill):
        """The token that is fed instead of this."""
        return token

    def more(self, run, s, prefill):
        """More text inside the accuracy group."""
        return ""


class Session:
    """One stream of the log. A handle may hold several sequences at once: `heads` by sequence number."""

    def __init__(self, run, deployment, content):
        self.run, self.d, self.content = run, deployment, content
        self.id = "rwkv-sess-%012x" % run.rng.getrandbits(48) if run.numbered else "rwkv-sess-%06x" % run.rng.getrandbits(24)
        self.lines = 0
        self.fixed = json.dumps({"model_name": deployment.name, "strategy": deployment.strategy, "chunk_len": deployment.chunk},
                                separators=(",", ":"))
        self.sequence = -1
        self.sequences = 0
        self.records = self.tokens = 0
        self.began = run.now
        self.window = deque()
        self.window_tokens = 0
        self.last_end = None
        self.heads = {}
        self.carried = -1

    def begin(self):
        """A new sequence; returns its number."""
        self.sequence = self.sequences
        self.sequences += 1
        rng = self.run.rng
        vocab = self.d.vocab
        self.heads[self.sequence] = {"length": 0, "stream": Stream(self.content, vocab, rng), "rep": Repetition(), "z": 0.0, "first": None,
                                     "decoded": 0, "sim": 0.0}
        return self.sequence


class Run:
    """One process and its log. Time in seconds since an arbitrary beginning."""

    def __init__(self, rng, out, fault=None, resources=True, prefill_surprisal=True, prompts_surprisal=3.1):
        self.rng, self.out, self.fault = rng, out, fault or Fault()
        self.now = self.start = 1767225600 + rng.random() * 25e6
        self.with_resources = resources
        self.prefill_surprisal = prefill_surprisal
        self.prompts_surprisal = prompts_surprisal
        self.instance = "%s:%d" % (rng.choice(["gpu01", "box", "inference-7c9d", "laptop", "srv-a"]), rng.randint(300, 60000))
        self.rho = rng.choice([0.9, 0.95, 0.99, 0.99, 0.995, 0.999])
        self.memory_sd = rng.uniform(0.004, 0.03)
        self.white_sd = rng.uniform(0.004, 0.03)
        self.tail = rng.uniform(0.001, 0.012)
        self.rare = rng.choice([0, 0.0003, 0.001])
        self.z = 0.0
        self.steps = 0
        self.busy = self.busy_since = 0.0
        self.next_sample = self.now
        self.sampled_at = self.now
        self.samples = 0
        self.carry, self.once = "", ""
        self.second, self.second_text = None, ""
        self.entropy_median = rng.uniform(1.2, 2.2)
        self.entropy_sd = rng.uniform(0.7, 1.0)
        self.pause = rng.choice([0.15, 0.4, 1.0, 2.0])
        self.background = rng.uniform(0.5, 9)
        self.memory_drift = rng.uniform(0, 0.02)
        self.clock_sd = rng.uniform(0.002, 0.012)
        self.kl_share = 0
        self.sessions = []
        self.zero_utilisation = False
        self.no_extras = rng.random() < 0.2
        self.numbered = rng.random() < 0.6  # newer logs: instance and record on every line, longer session ids

    # ---- lines

    def stamp(self, at=None):
        at = self.now if at is None else at
        ms = int(at * 1000)
        second, ms = divmod(ms, 1000)
        if second != self.second:
            self.second = second
            self.second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return "%s.%03dZ" % (self.second_text, ms)

    def open(self, d, content="prose", start=True, **about):
        """A collector opens: session_start."""
        s = Session(self, d, content)
        rng = self.rng
        self.pause = min(self.pause, 0.12 * d.decode_ms)
        metadata = {"model_name": d.name, "strategy": d.strategy, "chunk_len": d.chunk, "model_version": d.version, "n_layer": d.layers,
                    "n_embd": d.width, "vocab_size": d.vocab, "model_bytes": int(d.bytes)}
        if d.gpu:
            metadata["vram_total_mb"] = d.vram
        metadata["load_time_ms"] = round(d.load_ms, 3)
        metadata["runtime"] = {"name": d.runtime, "version": {"rwkv": "0.8.30", "rwkv.cpp": "0.0.2", "llama.cpp": "b6500"}.get(d.runtime, "0.1.0")}
        if d.flags:
            metadata["runtime"]["flags"] = d.flags
        metadata["sampler"] = {"temperature": 1.0, "top_p": d.top_p, "top_k": 0, "alpha_frequency": d.penalty, "alpha_presence": d.penalty,
                               "penalty_decay": 0.996}
        metadata["host"] = {"cpu": d.cpu_name, "cores": d.cores, "memory_mb": d.memory}
        if d.max_mhz:
            metadata["host"]["cpu_max_mhz"] = d.max_mhz
        if d.gpu:
            metadata["host"].update(gpu=d.gpu_name, gpu_source="nvml")
        metadata["rules"], metadata["tool_version"] = rng.choice(["default", "default", "thresholds"]), "0.1.0"
        metadata.update(about)
        self.write(s, {"event_type": "session_start", "metadata": metadata, "instance": self.instance})
        self.sessions.append(s)
        return s

    def write(self, s, line):
        """A line that is no step."""
        whole = {"timestamp": self.stamp(), "session_id": s.id}
        whole.update(line)
        if self.numbered:
            whole.update(instance=self.instance, record=s.lines)
            s.lines += 1
        self.out.write(json.dumps(whole, separators=(",", ":")) + "\n")

    def close(self):
        for s in self.sessions:
            self.write(s, {"event_type": "session_end", "metadata": json.loads(s.fixed), "totals": {"records": s.records, "tokens": s.tokens, "dropped": 0,
                                                                    "seconds": round(self.now - s.began, 6),
                                                                    "overhead_seconds": round(s.records * 2e-5, 6)}})
        self.sessions = []

    # ---- one call

    def think(self, seconds):
        self.now += seconds

    def sample(self, d):
        """What the sampler's thread sees every 5 s."""
        rng = self.rng
        first = self.samples == 0
        span = max(self.now - self.sampled_at, 1e-3)
        share = 0.02 if first else min((self.busy - self.busy_since) / span, 1.0)
        self.sampled_at, self.busy_since = self.now, self.busy
        self.samples += 1
        grown = self.memory_drift * (1 - math.exp(-(self.now - self.start) / 60))
        own = max(min(d.own_cpu * (share if not d.gpu else 0.15 + 0.85 * share) * rng.uniform(0.97, 1.03), 100), 0.1)
        sample = {"cpu_utilization_pct": own, "machine_cpu_utilization_pct": min(own + self.background * rng.uniform(0.6, 1.5), 100),
                  "process_memory_mb": d.rss * (1 + grown) * rng.uniform(0.9995, 1.0005)}
        slow = {}
        if d.gpu:
            sample["vram_used_mb"] = d.vram_used + d.vram_others
            sample["process_vram_mb"] = d.vram_used
            busy = share * d.busy_share * 100 * rng.uniform(0.95, 1.05)
            sample["gpu_utilization_pct"] = 0 if self.zero_utilisation else min(round(busy), 100)
            idle = share < 0.12 and not first  # an idle GPU lowers its clock
            slow["gpu_clock_mhz"] = d.clock * (rng.uniform(0.15, 0.6) if idle else rng.gauss(0.985, self.clock_sd))
            slow["gpu_thermal_throttled_pct"] = 0
            slow["gpu_power_throttled_pct"] = 100 if rng.random() < d.power_limited else 0
        elif d.clock:
            slow["cpu_clock_mhz"] = d.clock * (rng.uniform(0.4, 0.9) if share < 0.12 and not first else rng.gauss(1, self.clock_sd))
            slow["cpu_thermal_throttles"] = 0
        slow["cpu_quota_stopped_pct"] = 0
        slow["cpu_waiting_pct"] = abs(rng.gauss(0.4, 0.6))
        sample["slow"] = slow
        sample["first"] = first
        self.fault.resources(self, sample)
        if sample["cpu_utilization_pct"] > sample["machine_cpu_utilization_pct"] and d.cores >= 2:
            sample["machine_cpu_utilization_pct"] = sample["cpu_utilization_pct"]
        order = ("vram_used_mb", "process_vram_mb", "gpu_utilization_pct")
        text = ""
        for key in order:
            if key in sample:
                text += '"%s":%s,' % (key, ("%.1f" if key != "gpu_utilization_pct" else "%.2f") % sample[key])
        text += '"state_size_bytes":%d,"cpu_utilization_pct":%.2f,"machine_cpu_utilization_pct":%.2f,"process_memory_mb":%.1f' % (
            d.state_bytes, sample["cpu_utilization_pct"], sample["machine_cpu_utilization_pct"], sample["process_memory_mb"])
        self.carry = text
        self.once = "".join(',"%s":%.6g' % (k, round(v, 2) if k.endswith("pct") else round(v)) for k, v in slow.items())

    def call(self, s, tokens=1, prefill=False, ends=False, batch=1, batch_factor=1.0, first=False):
        """One forward call of the session's present sequence."""
        rng, d, fault = self.rng, s.d, self.fault
        head = s.heads[s.sequence]
        pause = self.pause * (0.7 + 0.6 * rng.random())
        pause = fault.pause_ms(self, s, pause)
        self.now += pause / 1000
        # time of the call
        self.z = self.rho * self.z + math.sqrt(1 - self.rho * self.rho) * rng.gauss(0, 1)
        noise = math.exp(self.memory_sd * self.z + self.white_sd * rng.gauss(0, 1))
        x = rng.random()
        if x < self.rare:
            noise *= rng.uniform(2.5, 8)
        elif x < self.rare + self.tail:
            noise *= 1 + rng.expovariate(1 / 0.4)
        ms = d.call_ms(tokens) * noise * batch_factor * fault.factor(self, s, tokens, prefill) + fault.stall_ms(self, s, prefill)
        if self.steps == 0:
            ms *= rng.uniform(1.0, 2.0)
        self.now += ms / 1000
        self.busy += ms / 1000
        self.steps += 1
        once = ""
        if self.with_resources and self.now >= self.next_sample:
            self.sample(d)
            self.next_sample = self.now + 5
        if self.with_resources and s.carried != self.samples:
            once, s.carried = self.once, self.samples
        if head["first"] is None:
            head["first"] = self.now - ms / 1000
        # throughput: the calls of the last 100 tokens or 10 s; pauses above 1 s do not count
        gap = self.now - ms / 1000 - s.last_end if s.last_end is not None else 0
        took = ms / 1000 + (gap if gap <= 1 else 0)
        s.window.append((tokens, took))
        s.window_tokens += tokens
        while len(s.window) > 1 and s.window_tokens - s.window[0][0] >= 100:
            s.window_tokens -= s.window.popleft()[0]
        # tokens
        stream, rep = head["stream"], head["rep"]
        for _ in range(tokens):
            token = fault.token(self, s, stream.next(), prefill)
            stream.history[-1] = token
            rep.feed(token, not prefill)
        head["length"] += tokens
        if not prefill:
            head["decoded"] += 1
        # accuracy
        head["z"] = 0.6 * head["z"] + 0.8 * rng.gauss(0, 1)
        top = math.log(d.vocab)
        entropy = min(self.entropy_median * SURE.get(stream.content, 1) * math.exp(self.entropy_sd * head["z"]), top * 0.85)
        values = {"logits_entropy": entropy}
        if prefill:
            if self.prefill_surprisal and head["length"] > tokens or tokens > 1 and self.prefill_surprisal:
                values["surprisal_nats"] = max(self.prompts_surprisal + rng.gauss(0, 2.4 / math.sqrt(tokens)), 0.05)
        else:
            before = head.get("entropy", entropy)
            values["surprisal_nats"] = min(rng.expovariate(1) * before * (0.35 + 0.5 * d.top_p), 22)
        head["entropy"] = entropy
        if head["length"] > tokens:
            head["sim"] = 0.5 * head["sim"] + 0.87 * rng.gauss(0, 1)
            far = 1 if tokens == 1 else 4
            sim = d.similarity - far * 1.2 * d.similarity_sd * abs(head["sim"]) if rng.random() < 0.97 else d.similarity - far * 4 * d.similarity_sd
            values["state_similarity"] = min(sim, 0.9999)
            values["state_similarity_shift"] = min(max(rng.gauss(0.35, 0.08), 0.03), 0.8)
            values["state_similarity_wkv"] = min(values["state_similarity"] + 0.002, 0.99995)
        rate = rep.repetition_pct()
        if rate is not None:
            values["token_repetition_pct"] = rate
        values["first"] = head["length"] == tokens
        if values["first"]:
            values["state_leak"] = 0.0
        if self.kl_share and not prefill and rng.random() < self.kl_share:
            values["quant_kl_nats"] = rng.lognormvariate(math.log(self.kl), 0.6)
            values["quant_top1_agree"] = 1 if rng.random() < 0.97 else 0
        fault.accuracy(self, s, prefill, values)
        first = values.pop("first")
        if "state_similarity" in values:
            values["state_change"] = math.sqrt(max(2 - 2 * values["state_similarity"], 1e-8)) * rng.uniform(0.95, 1.05)
        accuracy = ",".join('"%s":%s' % (k, ("%.4f" if k in SHORT else "%.6f" if k in LONG else "%g") % v) for k, v in values.items())
        accuracy += rep.fields() if not prefill else ""
        accuracy += fault.more(self, s, prefill)
        performance = '"token_latency_ms":%.3f' % (ms / tokens)
        if s.records:
            span = sum(w[1] for w in s.window)
            performance += ',"throughput_tps":%.2f' % (s.window_tokens / max(span, 1e-6))
        performance += ',"chunk_process_time_ms":%.3f' % ms
        if ends:
            performance += ',"time_to_first_token_ms":%.3f' % ((self.now - head["first"]) * 1000)
        resources = '"state_size_bytes":%d' % d.state_bytes
        if self.with_resources:
            resources = self.carry + (once if not self.no_extras else "")
        more = ',"batch_size":%d' % batch if batch > 1 else ""
        if self.numbered:
            more += ',"instance":"%s","record":%d' % (self.instance, s.lines)
            s.lines += 1
        self.out.write(
            '{"timestamp":"%s","session_id":"%s","event_type":"inference_step","sequence_length":%d,"performance":{%s},"resources":{%s},'
            '"accuracy":{%s},"metadata":%s,"sequence":%d,"phase":"%s","token_count":%d%s}\n' % (
                self.stamp(), s.id, head["length"], performance, resources, accuracy, s.fixed, s.sequence,
                "prefill" if prefill else "decode", tokens, more))
        s.last_end = self.now
        s.records += 1
        s.tokens += tokens

    def prompt(self, s, tokens):
        while tokens > 0:
            n = min(s.d.chunk, tokens)
            tokens -= n
            self.call(s, n, prefill=True, ends=tokens == 0)

    def alarm(self, s, alarm_type, severity, rule, value, limit, **more):
        line = {"event_type": "alarm", "alarm_type": alarm_type, "severity": severity, "rule": rule, "value": value, "limit": limit,
                "state": "firing"}
        line.update(more)
        self.write(s, line)


# entropy of what follows fixed forms, beside prose's
SURE = {"code": 0.65, "table": 0.6, "json": 0.55, "sql": 0.6}

SHORT = {"logits_entropy", "surprisal_nats"}
LONG = {"state_similarity", "state_similarity_shift", "state_similarity_wkv", "state_change", "state_leak", "quant_kl_nats", "state_jump"}


# ---- what users do with a process; each runs until `calls` calls were made

def answer(run, s, tokens):
    for _ in range(tokens):
        run.call(s)


def one_long(run, d, content, calls):
    """One prompt and one long text."""
    s = run.open(d, content)
    s.begin()
    run.prompt(s, run.rng.randint(20, 300))
    answer(run, s, calls - run.steps)


def turns(run, d, content, calls, think=(2, 25)):
    """A conversation in one sequence: message, answer, time to think."""
    s = run.open(d, content)
    s.begin()
    rng = run.rng
    while run.steps < calls:
        run.prompt(s, rng.randint(5, 120))
        answer(run, s, min(rng.randint(30, 300), max(calls - run.steps, 1)))
        run.think(rng.uniform(*think))


def sequences(run, d, content, calls, prompt=(10, 400), answers=(60, 500)):
    """Independent requests one after the other."""
    s = run.open(d, content)
    rng = run.rng
    while run.steps < calls:
        s.begin()
        run.prompt(s, rng.randint(*prompt))
        answer(run, s, min(rng.randint(*answers), max(calls - run.steps, 1)))
        run.think(rng.uniform(0.01, 1.5))


def interleaved_sessions(run, d, content, calls, streams=None):
    """Several collectors in one process, a conversation each, token by token in turn."""
    rng = run.rng
    streams = streams or rng.randint(2, 8)
    all_sessions = [run.open(d, content) for _ in range(streams)]
    for s in all_sessions:
        s.left = 0
    while run.steps < calls:
        for s in all_sessions:
            if s.left == 0:
                s.begin()
                run.prompt(s, rng.randint(10, 200))
                s.left = rng.randint(80, 500)
            run.call(s)
            s.left -= 1


def interleaved_sequences(run, d, content, calls):
    """One collector for several conversations, token by token in turn."""
    rng = run.rng
    s = run.open(d, content)
    live = []
    for _ in range(rng.randint(2, 8)):
        live.append(s.begin())
        run.prompt(s, rng.randint(10, 150))
    while run.steps < calls:
        for sequence in live:
            s.sequence = sequence
            run.call(s)


USES = [one_long, turns, sequences, sequences, interleaved_sessions, interleaved_sequences]
