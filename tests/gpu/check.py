"""One part of tools/gpu-check, in a process of its own.

    check.py PART MODEL DEVICE       MODEL.pth is a random RWKV-7; DEVICE is cuda, or cpu for a rehearsal without a card

Exit 0: it holds, and what was measured is on standard output. 77: it cannot be tried here, and why. Else it does not hold.
"""
import glob
import json
import math
import os
import shutil
import statistics
import sys
import time

PART, MODEL, DEVICE = sys.argv[1:4]
os.environ.setdefault("RWKV_V7_ON", "1")
os.environ.setdefault("RWKV_JIT_ON", "1")
os.environ.setdefault("RWKV_CUDA_ON", "1" if PART == "kernel" else "0")
STRATEGY = "cuda fp16" if DEVICE == "cuda" else "cpu fp32"
LOG = "run.log"
TOKENS = [(7 * i * i + 3 * i + 1) % 60000 for i in range(96)]


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(77)


def need(found, said):
    if not found:
        sys.exit(f"does not hold: {said}")


try:
    import torch
except ImportError:
    skip("torch is not installed")
if DEVICE == "cuda" and not torch.cuda.is_available():
    skip("torch finds no NVIDIA card")


def needs_card():
    if DEVICE != "cuda":
        skip("needs the card")


def watched(strategy=STRATEGY, budget=-1.0, **options):
    try:
        import rwkv.model  # noqa: F401
    except ImportError:
        skip("the package rwkv is not installed")
    from rwkvmon import LoggingRWKV, Options

    model = LoggingRWKV(model=MODEL, strategy=strategy,
                        monitor=Options(log=LOG, alarms_to_stderr=False, overhead_budget_pct=budget, **options))
    model.monitor._force_device = DEVICE != "cuda"
    return model


def unwatched(model):
    """forward of the package's own class, on the same model."""
    def forward(tokens, state):
        with model.monitor.unwatched():
            return type(model).rwkvmon_base.forward(model, tokens, state)
    return forward


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def events(kind="inference_step"):
    with open(LOG, encoding="utf-8") as lines:
        return [e for e in map(json.loads, lines) if e["event_type"] == kind]


def speak(forward, tokens=TOKENS, prompt=32):
    """The logits after a prompt and after each token, and the last state: copies."""
    out, state = forward(tokens[:prompt], None)
    found = [out.clone()]
    for token in tokens[prompt:]:
        out, state = forward([token], state)
        found.append(out.clone())
    return found, [t.clone() for t in state]


def resource(step, name):
    return step.get("resources", {}).get(name)


def vram():
    """NVML's memory of the device and of this process, beside what torch says."""
    needs_card()
    held = torch.empty(1 << 29, dtype=torch.uint8, device="cuda")
    model = watched()
    speak(model.forward)
    time.sleep(1.2)  # resources are sampled once a second
    model.forward([1], None)
    free, total = torch.cuda.mem_get_info()
    model.monitor.close()
    said, step = events("session_start")[0]["metadata"], events()[-1]
    used, own = resource(step, "vram_used_mb"), resource(step, "process_vram_mb")
    print(f"{said['host'].get('gpu')}: source {said['host'].get('gpu_source')}; device {used} MiB, torch says {(total - free) / 2**20:.1f}; "
          f"process {own} MiB of which {held.numel() / 2**20:.0f} are one tensor")
    need(said["host"].get("gpu_source") == "nvml", "NVML was not used")
    need(used and abs(used - (total - free) / 2**20) < 64, "the device's memory differs from torch's by 64 MiB or more")
    need(own is None or 512 <= own <= used, "the process's memory is not between its tensor's and the device's")
    if own is None:
        print("NVML says nothing of single processes here, as in a container without the host's process ids")


def cards():
    """Of several cards the one that the strategy names."""
    needs_card()
    if torch.cuda.device_count() < 2:
        skip("one card: nothing to choose from")
    last = torch.cuda.device_count() - 1
    torch.cuda.set_device(last)
    held = torch.empty(1 << 30, dtype=torch.uint8, device=f"cuda:{last}")
    model = watched(f"cuda:{last} fp16")
    speak(model.forward)
    time.sleep(1.2)
    model.forward([1], None)
    free, total = torch.cuda.mem_get_info(last)
    model.monitor.close()
    used = resource(events()[-1], "vram_used_mb")
    print(f"card {last}, {held.numel() / 2**30:.0f} GiB held: {used} MiB, torch says {(total - free) / 2**20:.1f}")
    need(used and abs(used - (total - free) / 2**20) < 64, "the memory is not that of the card that was named")


def identical():
    """Logits and state of every call, with and without."""
    model = watched()
    with_it = speak(model.forward)
    model.monitor.close()
    without = speak(unwatched(model))
    same = all(torch.equal(a, b) for a, b in zip([*with_it[0], *with_it[1]], [*without[0], *without[1]]))
    print(f"{len(with_it[0])} calls, {len(with_it[1])} tensors of the state: {'bit-identical' if same else 'DIFFERENT'}")
    need(same, "watching changed an output")
    steps = events()
    need(len(steps) == len(with_it[0]) and all("logits_entropy" in s["accuracy"] for s in steps), "a call is missing in the log")
    for step, logits in zip(steps, with_it[0]):
        log_p = torch.log_softmax(logits.double().cpu(), -1)
        entropy = float(-(log_p.exp() * log_p).sum())
        need(math.isclose(step["accuracy"]["logits_entropy"], entropy, rel_tol=1e-3, abs_tol=1e-3),
             f"an entropy is {step['accuracy']['logits_entropy']}, of these logits it is {entropy}")


def synchronisation():
    """What makes the caller wait, by torch's own warnings and by its profiler, with and without."""
    needs_card()
    from torch.profiler import ProfilerActivity, profile
    import warnings

    model = watched()
    speak(model.forward)
    found = {}
    for name, forward in (("with", model.forward), ("without", unwatched(model))):
        state = forward(TOKENS[:4], None)[1]
        wait()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            for token in TOKENS:
                _, state = forward([token], state)
            torch.cuda.set_sync_debug_mode("default")
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
            for token in TOKENS:
                _, state = forward([token], state)
        count = {e.key: e.count for e in seen.key_averages()}
        found[name] = {"warnings": len([w for w in said if "synchron" in str(w.message).lower()]),
                       **{key: count.get(key, 0) for key in ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize",
                                                             "cudaLaunchKernel", "cudaMemcpyAsync")}}
        print(f"{name}, {len(TOKENS)} calls: {found[name]}")
    model.monitor.close()
    for key in ("warnings", "cudaStreamSynchronize", "cudaDeviceSynchronize"):  # the profiler itself ends by one
        need(found["with"][key] <= found["without"][key] + (0 if key == "warnings" else 1), f"watching adds to {key}")


def overhead():
    """A block of calls with, one without, in alternation: one conversation, then four that take turns."""
    model = watched(budget=1.0)
    plain = unwatched(model)
    for chats in (1, 4):
        def block(forward, n=48):
            states = [forward(TOKENS[i:i + 4], None)[1] for i in range(chats)]
            wait()
            start = time.perf_counter()
            for i in range(n):
                _, states[i % chats] = forward([TOKENS[i]], states[i % chats])
            wait()
            return (time.perf_counter() - start) / n * 1e3

        for forward in (plain, model.forward):
            block(forward)
        pairs = []
        for i in range(40 if DEVICE == "cuda" else 4):
            got = {f: block(f) for f in ((plain, model.forward) if i % 2 else (model.forward, plain))}
            pairs.append((got[model.forward] / got[plain], got[plain]))
        ratios = sorted(r for r, _ in pairs)
        n = len(ratios)
        away = int(0.98 * math.sqrt(n)) + 1  # of the median's 95 % interval by ranks
        low, high = ratios[max(0, n // 2 - away)], ratios[min(n - 1, n // 2 + away)]
        print(f"{chats} conversation(s): {statistics.median(ms for _, ms in pairs):.3f} ms a call without; ratio {statistics.median(ratios):.4f} "
              f"(95 %: {low:.4f} to {high:.4f}, {n} pairs of 48 calls)")
        if DEVICE == "cuda":
            need(low <= 1.01, "watching costs more than 1 %")
    model.monitor.close()
    looked = [s["accuracy"].get("device_sampled_every", 1) for s in events() if "accuracy" in s]
    print(f"at the end one call in {looked[-1]:g} was measured")


def kernel():
    """The package's own CUDA kernel (RWKV_CUDA_ON=1), which is compiled here."""
    needs_card()
    for tool in ("nvcc", "ninja"):
        if not shutil.which(tool) and not (tool == "nvcc" and glob.glob("/usr/local/cuda*/bin/nvcc")):
            skip(f"{tool} is not installed")
    identical()


def graph():
    """The documented loop: a graph of forward_one_alt(), replayed for each token."""
    needs_card()
    model = watched()
    need(hasattr(model, "forward_one_alt"), "this package rwkv is older than its CUDA-graph loop")
    state_in = [t.clone() for t in model.generate_zero_state()]
    embedding = model.z["emb.weight"][0].clone()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        logits, state_out = model.forward_one_alt(embedding, state_in)
    _, state = model.forward(TOKENS[:32], None)
    for to, said in zip(state_in, state):
        to.copy_(said)
    start = time.perf_counter()
    for token in TOKENS[32:]:
        embedding.copy_(model.z["emb.weight"][token])
        recorded.replay()
        for to, said in zip(state_in, state_out):
            to.copy_(said)
    wait()
    took = (time.perf_counter() - start) / len(TOKENS[32:]) * 1e3
    model.monitor.close()
    steps = events()
    tokens = sum(s["token_count"] for s in steps)
    print(f"{len(steps)} records of {tokens} tokens; {took:.3f} ms a replay, watched; the last at length {steps[-1]['sequence_length']}")
    need(tokens == len(TOKENS) and steps[-1]["sequence_length"] == len(TOKENS), "not every replay is in the log")
    want = speak(unwatched(model))[0][-1]
    need(torch.allclose(want.float(), logits.float(), atol=0.05 * float(want.float().std())), "the graph's logits are not the model's")


def alarm():
    """Memory beyond a limit raises high_vram_usage, while the program runs."""
    needs_card()
    with open("limit.yaml", "w", encoding="utf-8") as f:
        f.write("rules: [{alarm: high_vram_usage, metric: vram_used_mb, above: 1, warmup: 0}]\n")
    model = watched(rules="limit.yaml")
    until = time.monotonic() + 5
    while time.monotonic() < until:
        speak(model.forward)
    model.monitor.close()
    raised = [e["alarm_type"] for e in events("alarm")]
    print(f"alarms: {raised}")
    need("high_vram_usage" in raised, "no alarm")


def transformers():
    """A batch of two under generate(), with and without."""
    try:
        from transformers import RwkvConfig, RwkvForCausalLM
    except ImportError:
        skip("transformers is not installed, or has no RWKV")
    import rwkvmon

    torch.manual_seed(1)
    model = RwkvForCausalLM(RwkvConfig(vocab_size=1000, hidden_size=64, num_hidden_layers=2)).eval().to(DEVICE)
    prompt = torch.randint(0, 1000, (2, 8), device=DEVICE)
    without = model.generate(prompt, max_new_tokens=24, do_sample=False)
    monitor = rwkvmon.watch(model, rwkvmon.Options(log=LOG, alarms_to_stderr=False, overhead_budget_pct=-1))
    with_it = model.generate(prompt, max_new_tokens=24, do_sample=False)
    monitor.close()
    sessions = {s["session_id"] for s in events()}
    print(f"{len(events())} records of {len(sessions)} sessions")
    need(torch.equal(without, with_it), "watching changed an output")
    need(len(sessions) == 2, "two rows are not two sessions")


if __name__ == "__main__":
    {f.__name__: f for f in (vram, cards, identical, synchronisation, overhead, kernel, graph, alarm, transformers)}[PART]()
