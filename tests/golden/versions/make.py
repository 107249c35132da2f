"""Small random models of RWKV-4 to 6 and what the official package `rwkv` computes with them, for models_test.

    tests/python/environment DIR && PYTHONPATH=tests/python/setup DIR/bin/python tests/golden/versions/make.py

Writes NAME.pth (fp32), NAME.logits.f32 (32 tokens, 64) and NAME.state.f32 beside itself; the same bits each time.
"""
import os

os.environ.update(RWKV_JIT_ON="0", RWKV_CUDA_ON="0", RWKV_V7_ON="0")
import torch
from rwkv.model import RWKV

HERE = os.path.dirname(os.path.abspath(__file__))
EMBD, HEAD, VOCAB, LAYERS, FFN, TOKENS = 32, 16, 64, 2, 48, 32
MIX, DECAY = 5, 7  # ranks of version 6


def tokens():
    return [(7 * t * t + 3 * t + 1) % VOCAB for t in range(TOKENS)]


def model(version, random):
    def r(*shape, scale=0.5, about=0.0):
        return about + scale * torch.randn(*shape, generator=random)

    def share(*shape):
        return torch.rand(*shape, generator=random)

    heads = EMBD // HEAD
    w = {"emb.weight": r(VOCAB, EMBD), "head.weight": r(VOCAB, EMBD)}
    norms = ["blocks.0.ln0", "ln_out"] + [f"blocks.{i}.ln{n}" for i in range(LAYERS) for n in (1, 2)]
    norms += [f"blocks.{i}.att.ln_x" for i in range(LAYERS) if version != "4"]
    for name in norms:
        w[name + ".weight"], w[name + ".bias"] = r(EMBD, scale=0.2, about=1), r(EMBD, scale=0.2)
    for i in range(LAYERS):
        att, ffn = f"blocks.{i}.att.", f"blocks.{i}.ffn."
        for name in ("key", "value", "receptance", "output") + (("gate",) if version > "5.0" else ()):
            w[f"{att}{name}.weight"] = r(EMBD, EMBD, scale=0.25)
        w[ffn + "key.weight"], w[ffn + "value.weight"] = r(FFN, EMBD, scale=0.25), r(EMBD, FFN, scale=0.25)
        w[ffn + "receptance.weight"] = r(EMBD, EMBD, scale=0.25)
        mix, of_att = "time_mix_", "kvr" + ("g" if version > "5.0" else "")
        if version == "6":
            mix, of_att = "time_maa_", "xwkvrg"
            w[att + "time_maa_w1"], w[att + "time_maa_w2"] = r(EMBD, 5 * MIX, scale=0.3), r(5, MIX, EMBD, scale=0.3)
            w[att + "time_decay_w1"], w[att + "time_decay_w2"] = r(EMBD, DECAY, scale=0.3), r(DECAY, EMBD, scale=0.3)
        for letter in of_att:
            w[f"{att}{mix}{letter}"] = share(1, 1, EMBD)
        for letter in "kr":
            w[f"{ffn}{mix}{letter}"] = share(1, 1, EMBD)
        if version == "4":
            w[att + "time_decay"], w[att + "time_first"] = r(EMBD, about=-1), r(EMBD)
        elif version == "5.0":
            w[att + "time_decay"], w[att + "time_first"] = r(heads, about=-1), r(heads)
        elif version == "5.1":
            w[att + "time_decay"], w[att + "time_faaaa"] = r(heads, about=-1), r(heads)
        else:
            w[att + "time_decay"] = r(heads, HEAD, about=-1) if version == "5.2" else r(1, 1, EMBD, about=-1)
            w[att + "time_faaaa"] = r(heads, HEAD)
    return w


def main():
    torch.set_num_threads(1)
    for version in ("4", "5.0", "5.1", "5.2", "6"):
        path = os.path.join(HERE, "v" + version)
        torch.save(model(version, torch.Generator().manual_seed(int(float(version) * 10))), path + ".pth")
        official, state, logits = RWKV(model=path, strategy="cpu fp32", verbose=False), None, []
        for token in tokens():
            out, state = official.forward([token], state)
            logits.append(out.clone())
        torch.stack(logits).float().numpy().tofile(path + ".logits.f32")
        torch.cat([s.float().flatten() for s in state]).numpy().tofile(path + ".state.f32")
        print(version, official.version, float(torch.stack(logits).std()))


if __name__ == "__main__":
    main()
