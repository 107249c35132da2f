"""Deployments that RWKV really runs in: models, processors, GPUs, strategies, and the speed that follows from them.

Speeds come from bytes over memory bandwidth plus a cost per kernel launch, with published or measured figures. Nothing in
here knows how rwkvmon judges.
"""

# name, version, layers, width, vocabulary, parameters
MODELS = {
    "0.1B": ("RWKV-x070-World-0.1B-v2.8-20241210-ctx4096", "7", 12, 768, 65536, 191e6),
    "0.4B": ("RWKV-x070-World-0.4B-v2.9-20250107-ctx4096", "7", 24, 1024, 65536, 451e6),
    "1.5B": ("RWKV-x070-World-1.5B-v3-20250127-ctx4096", "7", 24, 2048, 65536, 1527e6),
    "2.9B": ("RWKV-x070-World-2.9B-v3-20250211-ctx4096", "7", 32, 2560, 65536, 2948e6),
    "7B": ("RWKV-x060-World-7B-v3-20241112-ctx4096", "6", 32, 4096, 65536, 7636e6),
    "7.2B": ("rwkv7-g0-7.2b-20250722-ctx4096", "7", 32, 4096, 65536, 7200e6),
    "v6-1.6B": ("RWKV-x060-World-1B6-v2.1-20240328-ctx4096", "6", 24, 2048, 65536, 1600e6),
    "v6-3B": ("RWKV-x060-World-3B-v2.1-20240417-ctx4096", "6", 32, 2560, 65536, 3100e6),
    "v6-14B": ("RWKV-x060-World-14B-v2.1-20240719-ctx4096", "6", 61, 4096, 65536, 14100e6),
    "v5-1.5B": ("RWKV-5-World-1B5-v2-20231025-ctx4096", "5.2", 24, 2048, 65536, 1578e6),
    "v4-0.17B": ("RWKV-4-Pile-169M-20220807-8023", "4", 12, 768, 50277, 169e6),
    "byte": ("tiny-rwkv7", "7", 6, 128, 256, 1.5e6),
}

# name, MiB, GB/s, full clock MHz, effective Tflop/s in fp16
GPUS = {
    "3060": ("NVIDIA GeForce RTX 3060", 12288, 360, 1837, 22),
    "3090": ("NVIDIA GeForce RTX 3090", 24576, 936, 1890, 50),
    "4060L": ("NVIDIA GeForce RTX 4060 Laptop GPU", 8188, 256, 2295, 20),
    "4090": ("NVIDIA GeForce RTX 4090", 24564, 1008, 2730, 110),
    "T4": ("Tesla T4", 15360, 320, 1590, 25),
    "L4": ("NVIDIA L4", 23034, 300, 2040, 50),
    "A100": ("NVIDIA A100-SXM4-80GB", 81920, 2039, 1410, 170),
    "H100": ("NVIDIA H100 80GB HBM3", 81559, 3350, 1980, 350),
}

# name, cores, GB/s, highest MHz (None: a virtual machine that does not say), memory MiB, effective Gflop/s
CPUS = {
    "5800X": ("AMD Ryzen 7 5800X 8-Core Processor", 8, 40, 4850, 32000, 350),
    "12700": ("12th Gen Intel(R) Core(TM) i7-12700", 12, 60, 4900, 64000, 450),
    "vm2": ("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", 2, 14, None, 8000, 90),
    "epyc": ("AMD EPYC 7763 64-Core Processor", 16, 110, 3500, 128000, 700),
    "pi5": ("Cortex-A76", 4, 12, 2400, 8000, 40),
    "host": ("Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz", 28, 140, 3100, 256000, 900),
}

WEIGHT_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp16i8": 1.07, "fp32i8": 1.07, "q8_0": 1.07, "q5_1": 0.75, "q4_0": 0.57,
                "fp16i4": 0.57}

# id: model, processor or GPU, number format, runtime
CHOICES = [
    ("gpu", "0.1B", "3060", "fp16", "rwkv"), ("gpu", "0.4B", "4060L", "fp16", "rwkv"), ("gpu", "1.5B", "3060", "fp16", "rwkv"),
    ("gpu", "1.5B", "4090", "bf16", "rwkv"), ("gpu", "2.9B", "3090", "fp16", "rwkv"), ("gpu", "2.9B", "T4", "fp16", "rwkv"),
    ("gpu", "v6-3B", "4060L", "fp16i8", "rwkv"), ("gpu", "7B", "3090", "fp16i8", "rwkv"), ("gpu", "7B", "4090", "fp16", "rwkv"),
    ("gpu", "7B", "A100", "fp16", "rwkv"), ("gpu", "7.2B", "H100", "bf16", "rwkv"), ("gpu", "7.2B", "L4", "fp16", "rwkv"),
    ("gpu", "v6-1.6B", "L4", "fp16", "rwkv"), ("gpu", "v5-1.5B", "T4", "fp16", "rwkv"), ("gpu", "v6-14B", "A100", "fp16i8", "rwkv"),
    ("gpu", "1.5B", "H100", "fp32", "rwkv"),
    ("cpu", "0.1B", "5800X", "fp32", "rwkv"), ("cpu", "0.1B", "12700", "fp32", "rwkvmon"), ("cpu", "0.1B", "vm2", "fp32", "rwkvmon"),
    ("cpu", "0.1B", "pi5", "q8_0", "rwkv.cpp"), ("cpu", "0.4B", "5800X", "bf16", "rwkvmon"), ("cpu", "0.4B", "vm2", "fp32i8", "rwkvmon"),
    ("cpu", "1.5B", "12700", "q5_1", "rwkv.cpp"), ("cpu", "1.5B", "5800X", "fp32", "rwkv"), ("cpu", "1.5B", "epyc", "bf16", "rwkv"),
    ("cpu", "2.9B", "12700", "q4_0", "llama.cpp"), ("cpu", "2.9B", "epyc", "fp32", "rwkv"), ("cpu", "7B", "12700", "q4_0", "llama.cpp"),
    ("cpu", "7.2B", "epyc", "q8_0", "llama.cpp"), ("cpu", "v4-0.17B", "5800X", "fp32", "rwkv"), ("cpu", "v4-0.17B", "vm2", "fp32", "rwkv"),
    ("cpu", "v6-1.6B", "host", "bf16", "rwkv"),
]
BYTE = ("cpu", "byte", "5800X", "fp32", "rwkvmon")


class Deployment:
    """What a log says of itself, and the speeds behind it. Times in ms, memory in MiB."""

    def __init__(self, choice, rng):
        place, model, hardware, number, runtime = choice
        self.place, self.gpu = place, place == "gpu"
        self.number, self.runtime = number, runtime
        self.name, self.version, self.layers, self.width, self.vocab, self.params = MODELS[model]
        self.strategy = ("cuda " if self.gpu else "cpu ") + number
        self.bytes = self.params * WEIGHT_BYTES[number]
        embedding = self.vocab * self.width * WEIGHT_BYTES[number]
        streamed = max(self.bytes - embedding, self.bytes * 0.3)
        self.flags = ""
        if runtime == "rwkv":
            self.flags = "RWKV_JIT_ON=1 RWKV_CUDA_ON=%d" % self.gpu + (" RWKV_V7_ON=1" if self.version == "7" else "")
        if self.gpu:
            self.gpu_name, self.vram, bandwidth, self.clock, flops = GPUS[hardware]
            self.cpu_name, self.cores, self.max_mhz, self.memory = rng.choice(
                [("AMD Ryzen 7 5800X 8-Core Processor", 16, 4850, 32000), ("Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz", 28, 3100, 256000),
                 ("AMD EPYC 7763 64-Core Processor", 32, 3500, 256000), ("13th Gen Intel(R) Core(TM) i9-13900K", 32, 5800, 64000)])
            read = streamed / bandwidth / 1e6 / rng.uniform(0.68, 0.88)
            launch = self.layers * rng.uniform(0.09, 0.2)
            self.decode_ms = read + launch
            self.busy_share = min((read + 0.3 * launch) / self.decode_ms, 0.98)
            self.prefill_ms = 2 * self.params / (flops * 1e12 * 0.45) * 1000
            self.chunk = rng.choice([256, 256, 256, 512, 1024])
            self.own_cpu = 100.0 / self.cores * rng.uniform(0.9, 1.1)
            self.rss = rng.uniform(1600, 3400)
            self.vram_used = self.bytes / 2**20 + rng.uniform(350, 650)
            self.vram_others = rng.choice([0, rng.uniform(5, 40), rng.uniform(200, 900)])
        else:
            self.gpu_name = None
            self.cpu_name, self.cores, bandwidth, self.max_mhz, self.memory, flops = CPUS[hardware]
            self.clock = self.max_mhz and self.max_mhz * rng.uniform(0.85, 0.95)
            self.decode_ms = streamed / bandwidth / 1e6 / rng.uniform(0.6, 0.85) + 0.3
            if model == "byte":
                self.decode_ms = rng.uniform(0.1, 0.5)
            self.prefill_ms = max(2 * self.params / (flops * 1e9 * 0.8) * 1000, self.decode_ms * 0.08)
            self.chunk = rng.choice([64, 64, 128, 256])
            self.own_cpu = rng.uniform(48, 97)
            self.rss = self.bytes / 2**20 + rng.uniform(80, 600)
        self.load_ms = rng.uniform(400, 2500) + self.bytes / (rng.uniform(0.5, 2.5) * 1e6)
        heads = 5 * self.width if self.version == "4" else (64 + 2) * self.width
        self.state_bytes = int(self.layers * heads * 4)
        self.power_limited = rng.choice([0, 0, 0.5, 1.0])
        self.penalty = rng.choice([0.0, 0.2, 0.3, 0.5])
        self.top_p = rng.choice([0.3, 0.5, 0.5, 0.7, 0.85])
        # how much one state is like the next, in ordinary text
        self.similarity = {"4": 0.95, "5.2": 0.9955, "6": 0.9972, "7": rng.uniform(0.8, 0.95)}[self.version]
        self.similarity_sd = {"4": 0.015, "5.2": 0.001, "6": 0.0008, "7": 0.02}[self.version]

    @property
    def fp16(self):
        return "fp16" in self.strategy

    def call_ms(self, tokens):
        """One forward call of so many tokens."""
        if tokens == 1:
            return self.decode_ms
        return self.decode_ms * (1.05 if self.gpu else 0.9) + tokens * self.prefill_ms


def choose(rng, place=None, keep=lambda d: True, choices=CHOICES):
    """A random deployment for which `keep` holds."""
    for _ in range(500):
        choice = rng.choice(choices)
        if place and choice[0] != place:
            continue
        d = Deployment(choice, rng)
        if keep(d):
            return d
    raise ValueError("no deployment is like that")
