"""A model under a package rwkv that knows RWKV-4 alone: a prompt and tokens."""
import sys

from rwkv.model import RWKV

model = RWKV(model=sys.argv[1], strategy="cpu fp32")
out, state = model.forward([1, 2, 3], None)
for token in range(20):
    out, state = model.forward([token], state)
