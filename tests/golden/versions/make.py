"""Small random models of RWKV-4 to 6, 7a and 7b and what official code computes with them, for models_test.

    tests/python/environment DIR && PYTHONPATH=tests/python/setup DIR/bin/python tests/golden/versions/make.py [RWKV-LM]

Versions 4 to 7a are computed by the package `rwkv`; 7b, which it does not know, by the class of
RWKV-v7/rwkv_v7b_demo.py, in full precision on the processor, where RWKV-LM is a clone of that repository.
Writes NAME.pth (fp32), NAME.logits.f32 (32 tokens, 64) and NAME.state.f32 beside itself; the same bits each time.
"""
import os
import re
import subprocess
import sys
import types

DEEP = sys.argv[1:] == ["7a"]  # the package decides at import which kind it computes
os.environ.update(RWKV_JIT_ON="0", RWKV_CUDA_ON="0", RWKV_V7_ON="1" if DEEP else "0")
if DEEP:
    os.environ["RWKV_DE_VERSION"] = "1"
import torch
from rwkv.model import RWKV

HERE = os.path.dirname(os.path.abspath(__file__))
EMBD, HEAD, VOCAB, LAYERS, FFN, TOKENS = 32, 16, 64, 2, 48, 32
MIX, DECAY = 5, 7  # ranks of version 6
RANK, CELLS = 32, 1024  # of DeepEmbed: the package knows no others
QUERY, KEPT = 256, 32  # of 7b's attention: the demo knows no others


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


def deep_model(random):
    """RWKV-7a. The tables are rounded to half precision, which keeps the file small."""

    def r(*shape, scale=0.5, about=0.0):
        return about + scale * torch.randn(*shape, generator=random)

    w = {"emb.weight": r(VOCAB, EMBD), "head.weight": r(VOCAB, EMBD)}
    for name in ["blocks.0.ln0", "ln_out"] + [f"blocks.{i}.{n}" for i in range(LAYERS) for n in ("ln1", "ln2", "att.ln_x")]:
        w[name + ".weight"], w[name + ".bias"] = r(EMBD, scale=0.2, about=1), r(EMBD, scale=0.2)
    for i in range(LAYERS):
        att, ffn = f"blocks.{i}.att.", f"blocks.{i}.ffn."
        for name in ("key", "value", "receptance", "output"):
            w[f"{att}{name}.weight"] = r(EMBD, EMBD, scale=0.25)
        for letter in "rwkvag":
            w[f"{att}x_{letter}"] = torch.rand(1, 1, EMBD, generator=random)
        for letter in "wav":
            w[f"{att}{letter}0"] = r(1, 1, EMBD)
        for letter in "wavg":
            w[f"{att}{letter}1"], w[f"{att}{letter}2"] = r(EMBD, DECAY, scale=0.3), r(DECAY, EMBD, scale=0.3)
        w[att + "k_k"], w[att + "k_a"] = r(1, 1, EMBD, about=1), r(1, 1, EMBD, about=1)
        w[att + "r_k"] = r(EMBD // HEAD, HEAD)
        w[ffn + "x_k"] = torch.rand(1, 1, EMBD, generator=random)
        w[ffn + "key.weight"], w[ffn + "value.weight"] = r(FFN, EMBD, scale=0.25), r(EMBD, FFN, scale=0.25)
        w[ffn + "s_emb.weight"] = r(VOCAB, CELLS, scale=0.3).half()
        w[ffn + "s_emb_x.weight"] = r(CELLS, EMBD, scale=0.1).half()
        w[ffn + "s1"], w[ffn + "s2"], w[ffn + "s0"] = r(EMBD, RANK, scale=0.2), r(RANK, FFN, scale=0.2), r(1, 1, FFN, about=1)
    return w


def attentive_model(random):
    """RWKV-7b: 7a with attention. Scores are large enough to prefer some tokens to others."""

    def r(*shape, scale=0.5, about=0.0):
        return about + scale * torch.randn(*shape, generator=random)

    w = deep_model(random)
    for i in range(LAYERS):
        qkv = f"blocks.{i}.qkv."
        w[qkv + "qq.weight"] = r(QUERY, EMBD, scale=0.3).half()
        for side, width in (("k", QUERY), ("v", EMBD)):
            w[f"{qkv}{side}1"], w[f"{qkv}{side}2"] = r(EMBD, KEPT, scale=0.3), r(KEPT, width, scale=0.3).half()
            w[f"{qkv}{side}_emb.weight"] = r(VOCAB, width, about=1).half()
            w[f"{qkv}{side}_emb_x.weight"] = r(width, EMBD, scale=0.1).half()
        for letter, width in (("q", QUERY), ("k", QUERY), ("v", EMBD)):
            w[f"{qkv}x_{letter}"] = torch.rand(1, 1, width, generator=random)
            w[f"{qkv}ln{letter}.weight"], w[f"{qkv}ln{letter}.bias"] = r(width, scale=0.2, about=1), r(width, scale=0.2)
    return w


def demo(path, clone):
    """The class of RWKV-LM's demo. Its kernel stands beside it in Python, as a comment; it is brought to life."""
    with open(os.path.join(clone, "RWKV-v7", "rwkv_v7b_demo.py")) as text:
        source = text.read()
    source = source[source.index("class RWKV_x070"):source.index("# The testing code")]
    loop = re.search(r"######## cuda-free method.*?\n\n", source, re.S).group()
    source = source.replace(loop, re.sub(r"(?m)^( +)# ", r"\1", loop))
    source = re.sub(r"(?m)^ +(w = -torch\.nn\.functional\.softplus|xx = RWKV7_OP).*\n", "", source)
    source = source.replace('"cuda"', '"cpu"').replace("'cuda'", "'cpu'").replace("torch.int,", "torch.long,")
    args = types.SimpleNamespace(MODEL_NAME=path, n_layer=LAYERS, n_embd=EMBD, vocab_size=VOCAB, head_size=HEAD)
    names = {"torch": torch, "F": torch.nn.functional, "List": list, "DTYPE": torch.float, "args": args, "MyModule": torch.nn.Module,
             "MyFunction": lambda f: f, "MyStatic": lambda f: f}
    exec(source.replace("List[int]", "list").replace("List[torch.Tensor]", "list"), names)
    return names["RWKV_x070"](args)


def in_our_order(state):
    """The last queries stand in each block, before the channel mix's shift; the context stays out."""
    queries = state[3 * LAYERS + 25:3 * LAYERS + 25 + LAYERS]
    return [t for i in range(LAYERS) for t in (state[3 * i], state[3 * i + 1], queries[i], state[3 * i + 2])]


def attentive(clone):
    path = os.path.join(HERE, "v7b")
    torch.save(attentive_model(torch.Generator().manual_seed(71)), path + ".pth")
    model, state, logits = demo(path, clone), None, []
    with torch.no_grad():
        for token in tokens():
            out, state = model.forward([token], state)
            logits.append(out.flatten().clone())
    torch.stack(logits).float().numpy().tofile(path + ".logits.f32")
    torch.cat([s.float().flatten() for s in in_our_order(state)]).numpy().tofile(path + ".state.f32")
    print("7b", float(torch.stack(logits).std()))


def main():
    torch.set_num_threads(1)
    if not DEEP:
        subprocess.run([sys.executable, os.path.abspath(__file__), "7a"], check=True)
        if sys.argv[1:]:
            attentive(sys.argv[1])
        else:
            print("SKIPPED: 7b: no clone of RWKV-LM is named", file=sys.stderr)
    for version in ("7a",) if DEEP else ("4", "5.0", "5.1", "5.2", "6"):
        path = os.path.join(HERE, "v" + version)
        random = torch.Generator().manual_seed(70 if DEEP else int(float(version) * 10))
        torch.save(deep_model(random) if DEEP else model(version, random), path + ".pth")
        official, state, logits = RWKV(model=path, strategy="cpu fp32", **({} if DEEP else {"verbose": False})), None, []
        for token in tokens():
            out, state = official.forward([token], state)
            logits.append(out.clone())
        torch.stack(logits).float().numpy().tofile(path + ".logits.f32")
        torch.cat([s.float().flatten() for s in state]).numpy().tofile(path + ".state.f32")
        print(version, float(torch.stack(logits).std()))


if __name__ == "__main__":
    main()
