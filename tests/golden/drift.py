"""How far states of the official package `rwkv` turn away from their sequences' first ones, for observe_test.

    tests/python/environment DIR && PYTHONPATH=tests/python/setup DIR/bin/python tests/golden/drift.py

Writes drift.json beside itself: per model the tokens, fed one at a time, and 1 - cosine of the state after each 100
of them with the one after the first, in double. The same bits each time.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = ("v4", "v5.0", "v5.1", "v5.2", "v6")
EVERY, TOKENS = 100, 300


def drift_of(path, tokens):
    import torch
    from rwkv.model import RWKV

    torch.set_num_threads(1)
    official, state, first, found = RWKV(model=path, strategy="cpu fp32"), None, None, []
    for n, token in enumerate(tokens, 1):
        _, state = official.forward([token], state)
        now = torch.cat([s.detach().float().flatten().double() for s in state])
        first = now.clone() if first is None else first
        if n % EVERY == 0:
            found.append(1 - float(torch.dot(first, now) / (first.norm() * now.norm())))
    return {"tokens": tokens, "drift": found}


def main():
    if len(sys.argv) > 1:  # one architecture per process: the package reads its switches when it is imported
        with open(os.path.join(HERE, "..", "..", "models", "golden.json")) as f:
            prompt = json.load(f)["tokens"]
        if sys.argv[1] == "7":
            of = {"embedded": drift_of(os.path.join(HERE, "..", "..", "models", "tiny-rwkv7"),
                                       [prompt[(t * t + t) // 2 % len(prompt)] for t in range(TOKENS)])}
        else:
            of = {v: drift_of(os.path.join(HERE, "versions", v), [(7 * t * t + 3 * t + 1) % 64 for t in range(TOKENS)])
                  for v in VERSIONS}
        print("\n" + json.dumps(of))
        return
    found = {}
    for which, jit in (("4", "0"), ("7", "1")):
        env = dict(os.environ, RWKV_JIT_ON=jit, RWKV_CUDA_ON="0", RWKV_V7_ON=str(int(which == "7")))
        done = subprocess.run([sys.executable, __file__, which], env=env, stdout=subprocess.PIPE, check=True, text=True)
        found.update(json.loads(done.stdout.splitlines()[-1]))
    with open(os.path.join(HERE, "drift.json"), "w") as f:
        f.write("{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(of)}" for name, of in sorted(found.items())) + "}\n")
    for name, of in sorted(found.items()):
        print(name, of["drift"])


if __name__ == "__main__":
    main()
