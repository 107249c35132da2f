"""The naive way of the same numbers: softmax and log-softmax, a concatenated cosine and a copy of the
state, json with open, append and close. Prints "key microseconds" of CPU time of one thread, medians."""
import json
import os
import statistics
import sys
import tempfile
import time

try:
    import torch
except ImportError:
    print("SKIPPED: the Python way: torch is not installed (Debian: python3-torch)", file=sys.stderr)
    sys.exit(77)
torch.set_num_threads(1)


def median_us(f, n):
    times = []
    for _ in range(n):
        start = time.thread_time_ns()
        f()
        times.append((time.thread_time_ns() - start) / 1e3)
    return statistics.median(times)


def say(key, us):
    print(key, "%.2f" % us)


for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
    for n in (256, 50277, 65536):
        logits = torch.randn(n).to(dtype)

        def entropy():
            x = logits.float()  # a no-op for fp32; torch's softmax on CPU has no fp16
            return -(torch.softmax(x, -1) * torch.log_softmax(x, -1)).sum().item()

        say("logits-%s-%d" % (name, n), median_us(entropy, 200))
for name, layers, width in (("0.1B", 12, 768), ("1.5B", 24, 2048)):
    heads = width // 64
    old = [t for _ in range(layers) for t in (torch.randn(width), torch.randn(heads, 64, 64), torch.randn(width))]
    new = [t + 0.1 for t in old]

    def cosine():
        a = torch.cat([t.flatten() for t in old])
        b = torch.cat([t.flatten() for t in new])
        keep = [t.clone() for t in new]
        return torch.nn.functional.cosine_similarity(a, b, dim=0).item(), keep

    say("state-" + name, median_us(cosine, 30))
record = {"timestamp": "2025-09-11T12:34:56.789Z", "session_id": "rwkv-sess-8f4e2d", "event_type": "inference_step",
          "sequence_length": 128,
          "performance": {"token_latency_ms": 32.5, "throughput_tps": 156.2, "chunk_process_time_ms": 180.3},
          "resources": {"vram_used_mb": 2457, "gpu_utilization_pct": 78, "state_size_bytes": 1048576},
          "accuracy": {"logits_entropy": 4.2, "token_repetition_pct": 8.3, "state_similarity": 0.92},
          "metadata": {"model_name": "RWKV-x070-World-1.5B", "strategy": "cuda fp16i8", "chunk_len": 256}}
with tempfile.TemporaryDirectory() as where:
    path = os.path.join(where, "log")

    def write():
        with open(path, "a") as f:
            f.write(json.dumps(record) + "\n")

    say("record", median_us(write, 2000))
