"""What watching costs the package rwkv on the processor: the same model with and without, in alternation.

    python_bench.py [--pairs N] [--tokens N] [--chunk N] [--chats N]

A random model of 0.1B's shape (12 layers of 768, vocabulary 65,536), once as RWKV-7 and once as RWKV-6, fp32. A pair
is a block of tokens through the watched forward and one through the package's own, the order changing
from pair to pair; the ratio of a pair is that of its medians per token. With --chats, that many conversations take turns.
Needs torch and rwkv.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

LAYERS, WIDTH, HEAD, VOCAB = 12, 768, 64, 65536


def random_model(torch, version):
    torch.manual_seed(1)
    heads, z = WIDTH // HEAD, {}

    def matrix(name, *shape):
        z[name] = torch.randn(*shape) * (0.5 / shape[-1] ** 0.5)

    def norm(name):
        z[name + ".weight"], z[name + ".bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)

    matrix("emb.weight", VOCAB, WIDTH)
    matrix("head.weight", VOCAB, WIDTH)
    norm("ln_out")
    norm("blocks.0.ln0")
    for i in range(LAYERS):
        block, att, ffn = f"blocks.{i}.", f"blocks.{i}.att.", f"blocks.{i}.ffn."
        norm(block + "ln1")
        norm(block + "ln2")
        norm(att + "ln_x")
        for name in ("receptance", "key", "value", "output") + (("gate",) if version == 6 else ()):
            matrix(att + name + ".weight", WIDTH, WIDTH)
        hidden = 4 * WIDTH if version == 7 else 2688
        matrix(ffn + "key.weight", hidden, WIDTH)
        matrix(ffn + "value.weight", WIDTH, hidden)
        if version == 7:
            for name in "rwkvag":
                z[att + "x_" + name] = torch.rand(1, 1, WIDTH)
            for name in ("w0", "a0", "v0", "k_k", "k_a"):
                z[att + name] = torch.rand(1, 1, WIDTH)
            for name, rank in (("w", 64), ("a", 64), ("v", 32), ("g", 128)):
                matrix(att + name + "1", WIDTH, rank)
                matrix(att + name + "2", rank, WIDTH)
            z[att + "r_k"] = torch.rand(heads, HEAD)
            z[ffn + "x_k"] = torch.rand(1, 1, WIDTH)
        else:
            for name in "xwkvrg":
                z[att + "time_maa_" + name] = torch.rand(1, 1, WIDTH)
            matrix(att + "time_maa_w1", WIDTH, 160)
            matrix(att + "time_maa_w2", 5, 32, WIDTH)
            z[att + "time_decay"] = torch.rand(1, 1, WIDTH) - 3
            matrix(att + "time_decay_w1", WIDTH, 64)
            matrix(att + "time_decay_w2", 64, WIDTH)
            z[att + "time_faaaa"] = torch.rand(heads, HEAD)
            matrix(ffn + "receptance.weight", WIDTH, WIDTH)
            z[ffn + "time_maa_k"], z[ffn + "time_maa_r"] = torch.rand(1, 1, WIDTH), torch.rand(1, 1, WIDTH)
    return z


def block(forward, tokens, chunk, chats):
    """Milliseconds of the median call over a block that begins with no states."""
    states, times = [None] * chats, []
    for at in range(tokens):
        ids = [(at * chunk + i) % VOCAB for i in range(chunk)]
        start = time.perf_counter()
        out, states[at % chats] = forward(ids, states[at % chats])
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def measure(version, pairs, tokens, chunk, chats):
    import torch
    from rwkvmon import LoggingRWKV, Options

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"random-v{version}-0.1B")
        torch.save(random_model(torch, version), path + ".pth")
        model = LoggingRWKV(model=path, strategy="cpu fp32", monitor=Options(log=os.path.join(folder, "run.log"), alarms_to_stderr=False))

        def watched(n):
            return block(model.forward, n, chunk, chats)

        def plain(n):
            with model.monitor.unwatched():
                return block(lambda ids, state: LoggingRWKV.rwkvmon_base.forward(model, ids, state), n, chunk, chats)

        ratios, with_ms, without_ms = [], [], []
        for way in (plain, watched):
            way(3)
        for i in range(pairs):
            got = {way: way(tokens) for way in ((plain, watched) if i % 2 else (watched, plain))}
            with_ms.append(got[watched])
            without_ms.append(got[plain])
            ratios.append(got[watched] / got[plain])
        model.monitor.close()
        with open(os.path.join(folder, "run.log"), encoding="utf-8") as log:
            logged = sum(json.loads(line)["event_type"] == "inference_step" for line in log)
        assert logged == 3 + pairs * tokens, f"{logged} calls are in the log: what was measured as unwatched was watched"
    ratios.sort()
    print(f"RWKV-{version} 0.1B fp32, {chunk} token(s) a call, {chats} conversation(s), {torch.get_num_threads()} threads: without "
          f"{statistics.median(without_ms):.2f} ms, with {statistics.median(with_ms):.2f} ms; ratio: median "
          f"{statistics.median(ratios):.4f}, middle half {ratios[pairs // 4]:.4f} to {ratios[-1 - pairs // 4]:.4f} ({pairs} pairs of {tokens} calls)",
          flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pairs", type=int, default=24)
    p.add_argument("--tokens", type=int, default=12)
    p.add_argument("--chunk", type=int, default=1)
    p.add_argument("--chats", type=int, default=1)
    p.add_argument("--only", type=int, choices=(6, 7), help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.only:
        measure(args.only, args.pairs, args.tokens, args.chunk, args.chats)
        return
    for version in (7, 6):
        done = subprocess.run([sys.executable, __file__, "--only", str(version), "--pairs", str(args.pairs), "--tokens", str(args.tokens),
                               "--chunk", str(args.chunk), "--chats", str(args.chats)], capture_output=True, text=True,
                              env={**os.environ, "RWKV_V7_ON": str(int(version == 7)), "RWKV_JIT_ON": "1", "RWKV_CUDA_ON": "0"})
        if done.returncode:
            sys.exit(done.stderr)
        print(*[line for line in done.stdout.splitlines() if line.startswith(f"RWKV-{version} ")], sep="\n", flush=True)


if __name__ == "__main__":
    main()
