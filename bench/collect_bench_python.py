"""The naive way: softmax and log-softmax, a concatenated cosine, json + open/append/close."""
import json
import os
import statistics
import sys
import tempfile
import time

try:
    import torch
except ImportError:
    print("SKIPPED: the Python way: torch is not installed")
    sys.exit(0)
torch.set_num_threads(1)


def median_us(f, n):
    times = []
    for _ in range(n):
        start = time.thread_time_ns()
        f()
        times.append((time.thread_time_ns() - start) / 1e3)
    return statistics.median(times)


logits = torch.randn(65536)
print("python: entropy of 65,536 logits   %9.1f us" % median_us(
    lambda: -(torch.softmax(logits, -1) * torch.log_softmax(logits, -1)).sum().item(), 200))
for name, layers, width in (("0.1B", 12, 768), ("1.5B", 24, 2048)):
    heads = width // 64
    old = [t for _ in range(layers) for t in (torch.randn(width), torch.randn(heads, 64, 64), torch.randn(width))]
    new = [t + 0.1 for t in old]

    def cosine():
        a = torch.cat([t.flatten() for t in old])
        b = torch.cat([t.flatten() for t in new])
        return torch.nn.functional.cosine_similarity(a, b, dim=0).item()

    print("python: cosine of the %s state     %9.1f us" % (name, median_us(cosine, 30)))
record = {"timestamp": "2025-09-11T12:34:56.789Z", "performance": {"token_latency_ms": 32.5, "throughput_tps": 156.2},
          "accuracy": {"logits_entropy": 4.2, "state_similarity": 0.92}}
path = os.path.join(tempfile.mkdtemp(), "log")


def write():
    with open(path, "a") as f:
        f.write(json.dumps(record) + "\n")


print("python: record to a file           %9.1f us" % median_us(write, 2000))
