#!/usr/bin/env python3
"""Writes one log per case whose fault needs a machine that tests do not have (a GPU, a hot processor, a full memory).

    generate.py DIR

A file is called CAUSE__what_happened.log: CAUSE is what `rwkvmon diagnose` must name. Each log is a run of a model
that is stated, with one fault put in; the same every time. Logs of real runs lie beside this script as .log.zst.
"""
import json, math, os, random, sys

CASES = {}


def case(name):
    def take(function):
        CASES[name] = function
        return function
    return take


class Run:
    """A session that is written step by step; numbers can be changed at each."""

    def __init__(self, out, seed, strategy="cuda fp16", gpu="NVIDIA GeForce RTX 3060", model_bytes=3_055_000_000,
                 flags="RWKV_JIT_ON=1 RWKV_CUDA_ON=1", start=None, session="rwkv-sess-%06x", chunk_len=256):
        self.out, self.random = out, random.Random(seed)
        self.session = session % (0xca5e00 + seed)
        self.now = 1_757_594_096.0 + 1000 * seed
        self.fixed = {"model_name": "RWKV-x070-World-1.5B", "strategy": strategy, "chunk_len": chunk_len}
        self.sequence, self.length = -1, 0
        self.next_sample = self.now + 0.25
        about = dict(self.fixed, model_version="7", n_layer=24, n_embd=2048, vocab_size=65536,
                     model_bytes=model_bytes, load_time_ms=1800.0,
                     runtime={"name": "rwkv", "version": "0.8.32", "flags": flags},
                     sampler={"temperature": 1.0, "top_p": 0.3, "alpha_frequency": 0.2, "alpha_presence": 0.2},
                     host={"cpu": "Some CPU", "cores": 8, "memory_mb": 32000.0})
        if gpu:
            about.update(vram_total_mb=12288.0)
            about["host"].update(gpu=gpu, gpu_source="nvml")
        about.update(start or {})
        self.put({"event_type": "session_start", "metadata": about})

    def put(self, fields):
        line = {"timestamp": self.stamp(), "session_id": self.session}
        line.update(fields)
        self.out.write(json.dumps(line, separators=(",", ":")) + "\n")

    def stamp(self):
        ms = round(self.now * 1000)
        seconds, ms = divmod(ms, 1000)
        import time
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % ms

    def noisy(self, value, share=0.03):
        return value * (1 + share * self.random.uniform(-1, 1))

    def new_sequence(self):
        self.sequence += 1
        self.length = 0
        self.now += 0.5

    def step(self, ms_per_token, tokens=1, prefill=False, pause_ms=0.4, cpu=None, machine=None, memory=None, gpu=None,
             vram=None, accuracy=None, slowdown=None, **more):
        self.now += (self.noisy(pause_ms) + self.noisy(ms_per_token) * tokens) / 1000
        call = self.noisy(ms_per_token) * tokens
        self.length += tokens
        r = self.random
        resources = {"state_size_bytes": 12_681_216}
        for key, value in (("vram_used_mb", vram), ("gpu_utilization_pct", gpu), ("cpu_utilization_pct", cpu),
                           ("machine_cpu_utilization_pct", machine), ("process_memory_mb", memory)):
            if value is not None:
                resources[key] = round(value, 2)
        resources.update(self.sampled(slowdown))
        told = {"logits_entropy": round(min(max(r.gauss(3.4, 0.8), 1.3), 7.5), 4), "state_similarity": round(r.gauss(0.93, 0.01), 6)}
        if self.length >= 100:
            told["token_repetition_pct"] = round(max(r.gauss(8, 1.5), 0), 2)
        told.update(accuracy or {})
        self.put({"event_type": "inference_step", "sequence_length": self.length,
                  "performance": {"token_latency_ms": round(call / tokens, 3),
                                  "throughput_tps": round(1000 / (ms_per_token + pause_ms / tokens), 2),
                                  "chunk_process_time_ms": round(call, 3)},
                  "resources": resources, "accuracy": told, "metadata": self.fixed, "sequence": self.sequence,
                  "phase": "prefill" if prefill else "decode", "token_count": tokens, **more})

    def sampled(self, figures, every_s=5):
        """What the collector takes every 5 s stands in one step's record after each sample."""
        if not figures or self.now < self.next_sample:
            return {}
        self.next_sample = self.now + every_s
        return figures

    def prompt(self, tokens, ms_per_token, chunk=None, **more):
        self.new_sequence()
        chunk = chunk or self.fixed["chunk_len"]
        while tokens > 0:
            self.step(ms_per_token, min(chunk, tokens), prefill=True, **more)
            tokens -= chunk


USUAL = dict(cpu=12.5, machine=15.0, memory=3100.0, gpu=82.0, vram=3900.0)
# 3 GB of weights at 360 GB/s of an RTX 3060 need 8.3 ms
DECODE, PREFILL = 9.0, 0.5


def usual(run, sequences, tokens, prompt=256, decode=DECODE, prefill=PREFILL, **more):
    how = dict(USUAL, **more)
    for _ in range(sequences):
        run.prompt(prompt, prefill, **how)
        for _ in range(tokens):
            run.step(decode, **how)


@case("healthy__gpu_1b5_short")
def _(out):
    usual(Run(out, 1), 2, 150)


@case("healthy__gpu_1b5_long")
def _(out):
    usual(Run(out, 2), 1, 4000)


@case("healthy__gpu_many_conversations")
def _(out):
    run = Run(out, 3)
    for turn in range(20):
        usual(run, 1, 100, prompt=20 + 7 * (turn * 5 % 11))


@case("healthy__cpu_small_model")
def _(out):
    usual(Run(out, 4, strategy="cpu fp32", gpu=None, model_bytes=382_000_000, chunk_len=64), 2, 600, decode=16,
          prefill=4, gpu=None, vram=None, cpu=92.0, machine=93.0)


@case("healthy__without_resources")
def _(out):
    usual(Run(out, 5), 1, 800, cpu=None, machine=None, memory=None, vram=None, gpu=None)


@case("not_enough_data__twelve_steps")
def _(out):
    usual(Run(out, 6), 1, 11)


@case("not_enough_data__slower_without_cpu_figures")
def _(out):
    run = Run(out, 7, strategy="cpu fp32", gpu=None)
    how = dict(USUAL, cpu=None, machine=None, gpu=None, vram=None)
    run.prompt(64, 5, **how)
    for i in range(900):
        run.step(9 if i < 450 else 19, **how)


@case("fp16_overflow__from_token_300")
def _(out):
    run = Run(out, 8)
    run.prompt(256, PREFILL, **USUAL)
    for i in range(500):
        bad = {"nonfinite_logits": 65536, "nonfinite_state": 4096} if i > 300 else None
        run.step(DECODE, accuracy=bad, **USUAL)


@case("non_finite__bf16_damaged_weights")
def _(out):
    run = Run(out, 9, strategy="cuda bf16")
    run.prompt(256, PREFILL, **USUAL)
    for i in range(300):
        run.step(DECODE, accuracy={"nonfinite_logits": 65536} if i > 40 else None, **USUAL)


@case("state_leak__third_conversation")
def _(out):
    run = Run(out, 10)
    for turn in range(5):
        run.new_sequence()
        run.step(PREFILL, 200, prefill=True, accuracy={"state_leak": 0.41 if turn == 2 else 0.0}, **USUAL)
        for _ in range(120):
            run.step(DECODE, **USUAL)


@case("history_refed__chat_prompt_holds_all_turns")
def _(out):
    run = Run(out, 11)
    for turn in range(12):
        run.prompt(180 + 260 * turn, 2.1, **USUAL)
        for _ in range(90):
            run.step(DECODE, **USUAL)


@case("swapping__memory_full")
def _(out):
    run = Run(out, 12, strategy="cpu fp32", gpu=None, chunk_len=64, start={"host": {"cores": 8, "memory_mb": 8000.0}})
    for i in range(1200):
        full = i > 700
        if i % 600 == 0:
            run.prompt(64, 5, cpu=95.0, machine=96.0, memory=5200.0)
        run.step(60 + 40 * run.random.random() if full else 16, cpu=40.0 if full else 95.0,
                 machine=45.0 if full else 96.0, memory=7700.0 if full else 5200 + i * 3.5)


@case("memory_growth__list_of_logits_kept")
def _(out):
    run = Run(out, 13)
    run.prompt(256, PREFILL, **USUAL)
    for i in range(2000):
        run.step(DECODE, **dict(USUAL, memory=3100 + 0.25 * i))


@case("other_load__compile_job")
def _(out):
    run = Run(out, 14, strategy="cpu fp32", gpu=None, chunk_len=64)
    run.prompt(64, 5, cpu=96.0, machine=97.0, memory=3100.0)
    for i in range(1800):
        busy = 700 < i < 1400
        run.step(31 if busy else 16, cpu=51.0 if busy else 70.0, machine=99.0 if busy else 72.0, memory=3100.0)


@case("throttling__processor_hot_after_20_s")
def _(out):
    run = Run(out, 15, strategy="cpu fp32", gpu=None, chunk_len=64)
    run.prompt(64, 5, cpu=96.0, machine=97.0, memory=3100.0)
    for i in range(1600):
        run.step(16 if i < 900 else 28, cpu=96.0, machine=97.0, memory=3100.0)


@case("throttling__gpu_clock_halved")
def _(out):
    run = Run(out, 16)
    run.prompt(256, PREFILL, **USUAL)
    for i in range(2000):
        run.step(DECODE if i < 1200 else 2 * DECODE, **dict(USUAL, gpu=82.0 if i < 1200 else 91.0))


@case("throttling__clock_fell_to_half")
def _(out):
    run = Run(out, 35, strategy="cpu fp32", gpu=None, chunk_len=64)
    usual = dict(cpu=96.0, machine=97.0, memory=3100.0)
    cool = {"cpu_clock_mhz": 4100, "cpu_thermal_throttles": 0, "cpu_quota_stopped_pct": 0.0, "cpu_waiting_pct": 0.4}
    run.prompt(64, 5, slowdown=cool, **usual)
    for i in range(1600):
        run.step(16 if i < 900 else 30, slowdown=cool if i < 900 else dict(cool, cpu_clock_mhz=2200, cpu_thermal_throttles=31),
                 **usual)


@case("not_enough_data__slower_at_the_same_clock")
def _(out):
    run = Run(out, 36, strategy="cpu fp32", gpu=None, chunk_len=64)
    usual = dict(cpu=96.0, machine=97.0, memory=3100.0)
    cool = {"cpu_clock_mhz": 4100, "cpu_thermal_throttles": 0, "cpu_quota_stopped_pct": 0.0, "cpu_waiting_pct": 0.4}
    for i in range(1600):
        run.step(16 if i < 900 else 30, slowdown=cool, **usual)


@case("not_enough_data__two_seconds_on_a_busy_machine")
def _(out):
    run = Run(out, 37, strategy="cpu fp32", gpu=None, chunk_len=64)
    for i in range(400):
        run.step(3 if i < 200 else 9, cpu=88.0, machine=89.0, memory=300.0, slowdown={"cpu_waiting_pct": 1.0})


@case("other_load__threads_wait")
def _(out):
    run = Run(out, 38, strategy="cpu fp32", gpu=None, chunk_len=64)
    for i in range(1600):
        run.step(16 if i < 900 else 30, cpu=70.0, machine=72.0, memory=3100.0,
                 slowdown={"cpu_waiting_pct": 0.4 if i < 900 else 46.0})


@case("cpu_quota__limit_lowered_while_running")
def _(out):
    run = Run(out, 39, strategy="cpu fp32", gpu=None, chunk_len=64)
    for i in range(1600):
        run.step(16 if i < 900 else 33, cpu=95.0, machine=52.0 if i < 900 else 27.0, memory=3100.0,
                 slowdown={"cpu_quota_stopped_pct": 0.0 if i < 900 else 51.3, "cpu_waiting_pct": 0.5 if i < 900 else 52.0})


@case("cpu_quota__two_processors_for_eight_threads")
def _(out):
    usual(Run(out, 40, strategy="cpu fp32", gpu=None, chunk_len=64, start={"host": {"cores": 2, "memory_mb": 8000.0}}), 1,
          300, decode=130, prefill=20, gpu=None, vram=None, cpu=99.0, machine=26.0,
          slowdown={"cpu_quota_stopped_pct": 74.0, "cpu_waiting_pct": 75.0})


@case("gpu_throttling__hot_after_two_minutes")
def _(out):
    run = Run(out, 41)
    cool = {"gpu_clock_mhz": 1875, "gpu_thermal_throttled_pct": 0, "gpu_power_throttled_pct": 100}
    hot = {"gpu_clock_mhz": 1065, "gpu_thermal_throttled_pct": 100, "gpu_power_throttled_pct": 100}
    run.prompt(256, PREFILL, slowdown=cool, **USUAL)
    for i in range(2600):
        run.step(DECODE if i < 1800 else 1.75 * DECODE, slowdown=cool if i < 1800 else hot, **USUAL)


@case("gpu_throttling__hot_from_the_start")
def _(out):
    usual(Run(out, 42), 1, 300, decode=81, prefill=2, gpu=99.0,
          slowdown={"gpu_clock_mhz": 420, "gpu_thermal_throttled_pct": 100, "gpu_power_throttled_pct": 0})


@case("penalties_over_all_tokens__five_stories")
def _(out):
    run = Run(out, 17)
    for _ in range(5):
        run.prompt(64, PREFILL, **USUAL)
        for i in range(700):
            run.step(DECODE, pause_ms=0.4 + 0.02 * i, **USUAL)


@case("caller__window_log_grows")
def _(out):
    run = Run(out, 18)
    seen = 0
    for _ in range(8):
        run.prompt(64, PREFILL, **USUAL)
        for i in range(250):
            seen += 1
            run.step(DECODE, pause_ms=0.4 + 0.008 * seen, **USUAL)


@case("caller__slow_console")
def _(out):
    usual(Run(out, 19), 3, 300, pause_ms=31.0)


@case("cuda_kernel_off__int8_without_kernel")
def _(out):
    usual(Run(out, 20, strategy="cuda fp16i8", flags="RWKV_JIT_ON=1 RWKV_CUDA_ON=0"), 1, 300, decode=145, prefill=20)


@case("chunk_too_small__chunk_len_4")
def _(out):
    usual(Run(out, 21, strategy="cpu fp32", gpu=None, chunk_len=4), 6, 120, prompt=400, decode=16, prefill=15.2,
          gpu=None, vram=None)


@case("chunk_too_big__chunk_len_1024")
def _(out):
    usual(Run(out, 22, chunk_len=1024), 5, 150, prompt=4096, prefill=0.62)


@case("prefill_bound__long_documents")
def _(out):
    usual(Run(out, 23, strategy="cpu fp32", gpu=None, chunk_len=32), 6, 40, prompt=1500, decode=88, prefill=5.5,
          gpu=None, vram=None)


@case("layers_outside_gpu__last_layers_on_cpu")
def _(out):
    usual(Run(out, 24, strategy="cuda fp16 *12 -> cpu fp32"), 1, 300, decode=96, prefill=5, gpu=31.0)


@case("launch_bound__gpu_idles")
def _(out):
    usual(Run(out, 25, flags="RWKV_JIT_ON=0 RWKV_CUDA_ON=1", model_bytes=382_000_000), 1, 300, decode=81, gpu=17.0)


@case("bandwidth_ceiling__7b_on_rtx_3060")
def _(out):
    usual(Run(out, 26, model_bytes=29_400_000_000, gpu="NVIDIA GeForce RTX 3060",
              start={"n_embd": 4096, "vram_total_mb": 49152.0}), 1, 300, decode=96, prefill=2, gpu=97.0, vram=30500.0)


@case("decode_bound__cpu_without_bandwidth")
def _(out):
    usual(Run(out, 27, strategy="cpu fp32", gpu=None, chunk_len=64), 1, 300, decode=130, prefill=20, gpu=None,
          vram=None, cpu=50.0, machine=52.0)


@case("vram_above_plan__card_nearly_full")
def _(out):
    usual(Run(out, 28), 2, 300, vram=11400.0)


@case("slow_loading__converts_at_every_start")
def _(out):
    usual(Run(out, 29, start={"load_time_ms": 64_000.0}), 1, 300)


@case("quantisation_error__int4")
def _(out):
    run = Run(out, 30, strategy="cuda fp16i4")
    run.prompt(256, PREFILL, **USUAL)
    for i in range(600):
        told = {"quant_kl_nats": round(abs(run.random.gauss(0.4, 0.1)), 6), "quant_top1_agree": 0} if i % 20 == 0 else None
        run.step(DECODE, accuracy=told, **USUAL)


@case("repetition__long_story_loops")
def _(out):
    run = Run(out, 31)
    run.prompt(64, PREFILL, **USUAL)
    for i in range(3000):
        told = {"token_repetition_pct": round(min(6 + i * 0.014, 60) + run.random.gauss(0, 1), 2)} if i > 100 else None
        run.step(DECODE, accuracy=told, **USUAL)


@case("state_jump__two_threads_one_state")
def _(out):
    run = Run(out, 32)
    run.prompt(256, PREFILL, **USUAL)
    for i in range(800):
        run.step(DECODE, accuracy={"state_similarity": 0.21} if i > 100 and i % 60 < 4 else None, **USUAL)
        if i in (164, 404, 644):
            run.put({"event_type": "alarm", "alarm_type": "state_divergence", "severity": "warning", "rule": "state_divergence",
                     "value": 0.21, "limit": 0.8, "state": "firing"})


@case("wrong_input__tokens_of_another_vocabulary")
def _(out):
    run = Run(out, 33)
    run.prompt(256, PREFILL, **USUAL)
    for i in range(500):
        run.step(DECODE, accuracy={"logits_entropy": round(run.random.gauss(9.4, 0.3), 4)}, **USUAL)


@case("mode_collapse__similarity_against_entropy")
def _(out):
    run = Run(out, 34)
    run.prompt(64, PREFILL, **USUAL)
    for i in range(800):
        turn = math.sin(i / 25)
        run.step(DECODE, accuracy={"logits_entropy": round(3.2 - 1.6 * turn, 4),
                                   "state_similarity": round(0.93 + 0.04 * turn + run.random.gauss(0, 0.005), 6)}, **USUAL)


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, write in CASES.items():
        with open(os.path.join(sys.argv[1], name + ".log"), "w", encoding="utf-8") as out:
            write(out)
    print(len(CASES), "logs")


if __name__ == "__main__":
    main()
