"""Blocks of ggml's K types with any bits, and what the package `gguf` unpacks from them, for kquants_test.

    python -m venv DIR && DIR/bin/pip install gguf && DIR/bin/python tests/golden/kquants/make.py

Writes NAME.blocks and NAME.f32 beside itself; the same bits each time.
"""
import os

import numpy as np
from gguf import GGMLQuantizationType as Type, quants

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCKS = 4
HALVES = {Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}  # where a block holds its fp16 factors


def main():
    random = np.random.default_rng(6)
    for kind, halves in HALVES.items():
        from gguf.constants import GGML_QUANT_SIZES

        blocks = random.integers(0, 256, (BLOCKS, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for at in halves:  # finite ones
            blocks[:, at : at + 2] = random.normal(0, 0.01, (BLOCKS, 1)).astype(np.float16).view(np.uint8)
        blocks.tofile(os.path.join(HERE, kind.name + ".blocks"))
        quants.dequantize(blocks, kind).astype(np.float32).tofile(os.path.join(HERE, kind.name + ".f32"))


if __name__ == "__main__":
    main()
