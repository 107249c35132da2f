#!/usr/bin/env python3
"""rwkv.cpp's own Python wrapper over a librwkv.so: a prompt at once, in chunks, then token by token.

    wrapper.py DIR_OF_RWKV_CPP LIBRARY MODEL OUT.f32
"""

import sys

sys.path.insert(0, sys.argv[1] + "/python")
import numpy as np
from rwkv_cpp import rwkv_cpp_model, rwkv_cpp_shared_library

library = rwkv_cpp_shared_library.RWKVSharedLibrary(sys.argv[2])
print(library.rwkv_get_system_info_string())
model = rwkv_cpp_model.RWKVModel(library, sys.argv[3], thread_count=2)
prompt = list(b"In the beginning the state was without form, and void")
kept = []
logits, state = model.eval_sequence(prompt, None, use_numpy=True)
kept.append(logits.copy())
logits, state = model.eval_sequence_in_chunks(prompt, None, chunk_size=16, use_numpy=True)
kept.append(logits.copy())
for _ in range(30):
    logits, state = model.eval(int(np.argmax(logits)), state, state, logits, use_numpy=True)
    kept.append(logits.copy())
model.free()
np.concatenate(kept).astype(np.float32).tofile(sys.argv[4])
