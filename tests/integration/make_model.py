#!/usr/bin/env python3
"""A tiny random RWKV-4 with a vocabulary of the given size, for tests of everything around the model.

    make_model.py VOCAB FILE.safetensors [WIDTH]
"""

import json
import random
import struct
import sys

C, F, LAYERS = 8, 16, 1
BLOCK = 65521  # numbers that a large tensor repeats


def shapes(vocab):
    yield from [("emb.weight", (vocab, C)), ("head.weight", (vocab, C)), ("ln_out.weight", (C,)), ("ln_out.bias", (C,)),
                ("blocks.0.ln0.weight", (C,)), ("blocks.0.ln0.bias", (C,))]
    for i in range(LAYERS):
        for name in ("ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias", "att.time_decay", "att.time_first"):
            yield f"blocks.{i}.{name}", (C,)
        for name in ("att.time_mix_k", "att.time_mix_v", "att.time_mix_r", "ffn.time_mix_k", "ffn.time_mix_r"):
            yield f"blocks.{i}.{name}", (1, 1, C)
        for name in ("att.key", "att.value", "att.receptance", "att.output", "ffn.receptance"):
            yield f"blocks.{i}.{name}.weight", (C, C)
        yield f"blocks.{i}.ffn.key.weight", (F, C)
        yield f"blocks.{i}.ffn.value.weight", (C, F)


def main(vocab, path):
    source, header, data, at = random.Random(1), {}, [], 0
    for name, shape in shapes(vocab):
        n = 1
        for d in shape:
            n *= d
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * n]}
        block = struct.pack(f"<{min(n, BLOCK)}f", *(source.uniform(-0.5, 0.5) for _ in range(min(n, BLOCK))))
        data.append((block * (n // BLOCK + 1))[:4 * n])
        at += 4 * n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(data))


if len(sys.argv) > 3:
    C = int(sys.argv[3])
    F = 4 * C
main(int(sys.argv[1]), sys.argv[2])
