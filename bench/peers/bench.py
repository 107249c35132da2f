"""Times every engine there is on the same model, in turns; see peers_bench.sh.

    bench.py OUR_BUILD/bench PEERS ROUNDS
"""
import os
import re
import shutil
import statistics
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OURS, PEERS, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
MODELS = os.path.join(PEERS, "models")
CORE, ONLY = os.environ.get("CORE", "0"), os.environ.get("ONLY", "")  # a regular expression of engines
VOCAB, WIDTH = 65536, 768
DECODE, PREFILL = 24, 64  # tokens per measurement
LOADS, SCALINGS = 4, 30

# name, program, model file, option, bytes of one embedding element
ENGINES = [
    ("rwkvmon fp32", OURS + "/peer_rwkvmon", "fp32.safetensors", "", 4),
    ("rwkvmon bf16", OURS + "/peer_rwkvmon", "bf16.safetensors", "", 2),
    ("rwkvmon fp16", OURS + "/peer_rwkvmon", "fp16.safetensors", "", 2),
    ("rwkvmon int8", OURS + "/peer_rwkvmon", "bf16.safetensors", "cpu fp32i8", 2),
    ("rwkvmon int8 file", OURS + "/peer_rwkvmon", "int8.safetensors", "", 2),
    ("rwkv.cpp FP32", PEERS + "/peer_rwkvcpp", "fp32.ggmf", "", 4),
    ("rwkv.cpp FP16", PEERS + "/peer_rwkvcpp", "fp16.ggmf", "", 2),
    ("rwkv.cpp Q8_0", PEERS + "/peer_rwkvcpp", "q8_0.ggmf", "", 2),
    ("llama.cpp F32", PEERS + "/peer_llama", "f32.gguf", "", 4),
    ("llama.cpp F16", PEERS + "/peer_llama", "f16.gguf", "", 2),
    ("llama.cpp Q8_0", PEERS + "/peer_llama", "q8_0.gguf", "", 34 / 32),
]
# what is asked of us: figure, ours, theirs, at least
GOALS = [
    ("decode", "rwkvmon fp16", "rwkv.cpp FP16", 1.65), ("decode", "rwkvmon bf16", "rwkv.cpp FP16", 1.65),
    ("decode", "rwkvmon fp16", "llama.cpp F16", 1.35), ("decode", "rwkvmon bf16", "llama.cpp F16", 1.35),
    ("decode", "rwkvmon int8", "llama.cpp Q8_0", 1.8), ("decode", "rwkvmon int8", "rwkv.cpp Q8_0", None),
    ("decode", "rwkvmon int8 file", "llama.cpp Q8_0", 1.8), ("decode", "rwkvmon int8 file", "rwkv.cpp Q8_0", None),
    ("decode", "rwkvmon fp32", "llama.cpp F32", None), ("decode", "rwkvmon fp32", "rwkv.cpp FP32", None),
    ("prefill", "rwkvmon fp16", "llama.cpp F16", 1.5), ("prefill", "rwkvmon bf16", "llama.cpp F16", 1.5),
    ("prefill", "rwkvmon int8", "llama.cpp Q8_0", 1.5), ("prefill", "rwkvmon int8 file", "llama.cpp Q8_0", 1.5),
    ("prefill", "rwkvmon fp32", "llama.cpp F32", 1.5),
    ("prefill", "rwkvmon fp16", "rwkv.cpp FP16", None), ("prefill", "rwkvmon fp32", "rwkv.cpp FP32", None),
]
SHARES = {"rwkvmon fp16": 0.85, "rwkvmon bf16": 0.85, "rwkvmon int8": 0.75, "rwkvmon int8 file": 0.75}


class Process:
    def __init__(self, engine, threads=1, core=CORE):
        _, program, model, option, _ = engine
        pin = ["taskset", "-c", core] if core else []
        self.process = subprocess.Popen([*pin, program, os.path.join(MODELS, model), str(threads), option],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, bufsize=1)
        said = ""
        while not said.startswith("open "):  # an engine may print on its own
            said = self.process.stdout.readline()
            if not said:
                raise RuntimeError(f"{program} {model}: ended while loading")
        self.open_wall, self.open_cpu, weights = (float(x) for x in said.split()[1:])
        self.weights = weights or os.path.getsize(os.path.join(MODELS, model))

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"no answer to {line}")
        return [float(x) for x in said.split()]

    def rate(self, n, per_call):
        """Tokens per CPU second."""
        return n / self.ask(f"feed {n} {per_call}")[1]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def make_models():
    os.makedirs(MODELS, exist_ok=True)
    done = os.path.join(MODELS, "done")
    if not os.path.exists(done):
        make_originals()
        open(done, "w").close()
    for program, source, out in (("peer_rwkvcpp", "fp16.ggmf", "q8_0.ggmf"), ("peer_llama", "f16.gguf", "q8_0.gguf")):
        source, path = os.path.join(MODELS, source), os.path.join(MODELS, out)
        if shutil.which(os.path.join(PEERS, program)) and not os.path.exists(path):
            subprocess.run([os.path.join(PEERS, program), "--quantise", source, path, "Q8_0"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path = os.path.join(MODELS, "int8.safetensors")
    if not os.path.exists(path):
        subprocess.run([OURS + "/../rwkvmon", "convert", "--quiet", "--to", "int8", "-o", path,
                        os.path.join(MODELS, "bf16.safetensors")], check=False)


def make_originals():
    image = os.path.join(MODELS, "random.safetensors")
    subprocess.run([OURS + "/runtime_bench", "--bf16", "--write", image], check=True)
    subprocess.run([sys.executable, os.path.join(HERE, "models.py"), image, MODELS], check=True)
    os.remove(image)


def present():
    here = []
    for engine in ENGINES:
        if not re.search(ONLY, engine[0]):
            continue
        if shutil.which(engine[1]) and os.path.exists(os.path.join(MODELS, engine[2])):
            here.append(engine)
        else:
            print(f"SKIPPED {engine[0]}: {os.path.basename(engine[1])} or its model is not there")
    return here


def logits_after(engine, n, per_call):
    process, path = Process(engine), os.path.join(MODELS, "logits.bin")
    process.ask(f"feed {n} {per_call}")
    process.ask("logits " + path)
    process.close()
    out = np.fromfile(path, dtype=np.float32)
    os.remove(path)
    return out.astype(np.float64)


def check(engines):
    """Refuses to time engines that compute something else."""
    n = 16
    reference = next(e for e in ENGINES if e[0] == "rwkvmon fp32")
    want = logits_after(reference, n, 1)
    print(f"\nLogits after {n} tokens, against {reference[0]} token by token (their spread: {want.std():.3g})\n")
    print("|engine |one by one: max difference |cosine |one call: max difference |\n|---|---|---|---|")
    for engine in engines:
        one, chunk = logits_after(engine, n, 1), logits_after(engine, n, n)
        off = [float(abs(x - want).max()) for x in (one, chunk)]
        cosine = float(one @ want / np.linalg.norm(one) / np.linalg.norm(want))
        print(f"|{engine[0]} |{off[0]:.2g} |{cosine:.7f} |{off[1]:.2g} |")
        # The weights are the same: only rounding differs. ggml rounds activations to the weights' type
        # as well, Q8_0 and int8 round the weights.
        if cosine < (0.99 if "8" in engine[0].split()[1] else 0.9999):
            raise SystemExit(f"{engine[0]} computes something else")


def time_all(engines):
    """Per engine and figure, a value per round; and the bandwidths."""
    running = {e[0]: Process(e) for e in engines}
    reader = subprocess.Popen(["taskset", "-c", CORE, OURS + "/bandwidth"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, bufsize=1)
    rates = {(kind, name): [] for kind in ("decode", "prefill") for name in running}
    bandwidth = []

    def read():
        reader.stdin.write("go\n")
        return float(reader.stdout.readline().split()[0])

    for process in running.values():  # pages in, builds graphs
        process.rate(4, 1), process.rate(PREFILL, PREFILL)
    names = list(running)
    for r in range(ROUNDS):
        seen = []
        turn = names[r % len(names):] + names[:r % len(names)]
        for i, name in enumerate(turn):
            if i % 3 == 0:
                seen.append(read())
            rates["decode", name].append(running[name].rate(DECODE, 1))
            rates["prefill", name].append(statistics.median(running[name].rate(PREFILL, PREFILL) for _ in range(3)))
        bandwidth.append(statistics.median(seen))
    weights = {name: process.weights for name, process in running.items()}
    for process in running.values():
        process.close()
    reader.stdin.close()
    return rates, bandwidth, weights


def loads(engines):
    """Per engine: wall seconds to load, peak bytes after decode and prefill."""
    out = {e[0]: ([], []) for e in engines}
    for _ in range(LOADS):
        for e in engines:
            process = Process(e)
            process.rate(4, 1), process.rate(PREFILL, PREFILL)
            out[e[0]][0].append((process.open_wall, process.open_cpu))
            out[e[0]][1].append(process.ask("memory")[0])
            process.close()
    return out


def scaling(engines):
    """Wall time counts only in moments when both cores were free; the calls kept are those that
    ran undisturbed as far as their own CPU time tells."""
    print(f"\nPrefill({PREFILL}) on two threads, wall time, {SCALINGS} alternating calls each; kept: those of one thread "
          "with at least 0.97 CPU seconds a second, the fastest of two threads\n")
    print("|engine |one thread tok/s |two threads tok/s (its CPU s / wall s) |ratio |CPU time, two / one |\n|---|---|---|---|---|")
    for e in (e for e in engines if e[1].endswith("peer_rwkvmon")):
        both = [Process(e, threads, None) for threads in (1, 2)]
        calls = [[], []]
        for i in range(SCALINGS + 1):
            for p in (0, 1):
                answer = both[p].ask(f"feed {PREFILL} {PREFILL}")
                if i:
                    calls[p].append(answer)
        for process in both:
            process.close()
        free = [wall for wall, cpu in calls[0] if cpu >= 0.97 * wall]
        two = min(calls[1])
        cpu = statistics.median(c[1] for c in calls[1]) / statistics.median(c[1] for c in calls[0])
        if not free:
            print(f"|{e[0]} |cores busy |not measured |– |{cpu:.2f} |")
            continue
        one = statistics.median(free)
        print(f"|{e[0]} |{PREFILL / one:.0f} |{PREFILL / two[0]:.0f} ({two[1] / two[0]:.2f}) |{one / two[0]:.2f} |{cpu:.2f} |")


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def verdict(value, goal):
    return "–" if goal is None else f"≥ {goal}: " + ("met" if value >= goal else "**short**")


def report(engines, rates, bandwidth, weights, loaded):
    print(f"\n{ROUNDS} rounds; read bandwidth, one thread: {spread([b / 1e9 for b in bandwidth])} GB/s; "
          "median (least–most) of the rounds, per CPU second\n")
    print("|engine |MB/token |decode tok/s |share of bandwidth |prefill(64) tok/s |load ms wall / CPU |peak RSS − weights, MB |")
    print("|---|---|---|---|---|---|---|")
    share = {}
    for e in engines:
        name, embedding = e[0], VOCAB * WIDTH * e[4]
        read = weights[name] - embedding
        share[name] = [d * read / b for d, b in zip(rates["decode", name], bandwidth)]
        walls, peak = loaded[name]
        best = min(walls)
        peak = statistics.median(peak)
        print(f"|{name} |{read / 1e6:.1f} |{spread(rates['decode', name])} |{spread(share[name], 2)} |"
              f"{spread(rates['prefill', name], 0)} |{best[0] * 1e3:.1f} / {best[1] * 1e3:.1f} |"
              f"{peak / 1e6:.0f} − {weights[name] / 1e6:.0f} = {(peak - weights[name]) / 1e6:.0f} |")
    print("\n|ratio, of the same round |median (least–most) |goal |\n|---|---|---|")
    for kind, ours, theirs, goal in GOALS:
        if (kind, ours) in rates and (kind, theirs) in rates:
            ratio = [a / b for a, b in zip(rates[kind, ours], rates[kind, theirs])]
            print(f"|{kind}: {ours} / {theirs} |{spread(ratio, 2)} |{verdict(statistics.median(ratio), goal)} |")
    for name, goal in ((n, g) for n, g in SHARES.items() if n in share):
        print(f"|decode: {name} / read bandwidth |{spread(share[name], 2)} |"
              f"{verdict(statistics.median(share[name]), goal)} |")


def main():
    make_models()
    engines = present()
    check(engines)
    sys.stdout.flush()
    rates, bandwidth, weights = time_all(engines)
    report(engines, rates, bandwidth, weights, loads(engines))
    sys.stdout.flush()
    scaling(engines)


main()
