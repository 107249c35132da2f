#!/usr/bin/env python3
"""The embedded model as GGUF, written by the `gguf` package as llama.cpp's converter would, and as .safetensors
with the values that package reads back from it.

    write_gguf.py F32|F16|BF16|Q8_0 MODEL.safetensors OUT.gguf OUT.safetensors
"""

import json
import struct
import sys

import gguf
import numpy as np

NAMES = {"att.w0": "time_mix_w0", "att.a0": "time_mix_a0", "att.v0": "time_mix_v0", "att.k_k": "time_mix_k_k",
         "att.k_a": "time_mix_k_a", "att.r_k": "time_mix_r_k", "att.ln_x": "time_mix_ln", "ffn.x_k": "channel_mix_lerp_k",
         "ffn.key": "channel_mix_key", "ffn.value": "channel_mix_value", "ln1": "attn_norm", "ln2": "attn_norm_2"}
NAMES |= {f"att.{m}": f"time_mix_{m}" for m in ("key", "value", "receptance", "output")}
LOWRANK = [a + n for a in "wavg" for n in "12"]
ENDS = {"emb": "token_embd", "head": "output", "ln_out": "output_norm", "blocks.0.ln0": "token_embd_norm"}


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    for name, t in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            at, end = t["data_offsets"]
            yield name, np.frombuffer(raw[8 + n + at:8 + n + end], np.float16).astype(np.float32).reshape(t["shape"])


def write(path, tensors):
    header, at = {}, 0
    for name, a in tensors.items():
        header[name] = {"dtype": "F32", "shape": a.shape, "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in tensors.values()))


def stored(name, a, kind):
    """What the converter stores: matrices in the file's type, everything small in F32."""
    small = a.ndim < 2 or a.shape[-1] % 32 or name.endswith(("lerp_fused.weight", "r_k.weight")) or a.size < 4096
    return gguf.GGMLQuantizationType.F32 if small else gguf.GGMLQuantizationType[kind]


def main(kind, source, out, back):
    model, reread = dict(read(source)), {}
    layers = 1 + max(int(n.split(".")[1]) for n in model if n.startswith("blocks."))
    w = gguf.GGUFWriter(out, "rwkv7")
    w.add_block_count(layers)
    w.add_embedding_length(model["emb.weight"].shape[1])
    w.add_wkv_head_size(model["blocks.0.att.r_k"].shape[1])
    # What llama.cpp itself wants to know besides.
    w.add_vocab_size(model["emb.weight"].shape[0])
    w.add_context_length(1 << 20)
    w.add_feed_forward_length(model["blocks.0.ffn.key.weight"].shape[0])
    w.add_head_count(0)
    w.add_layer_norm_eps(1e-5)
    w.add_name("tiny-rwkv7")
    w.add_tokenizer_model("rwkv")  # a token for every byte, as the embedded model has them, so that llama-server can be asked
    w.add_token_list([b"<s>"] + [repr(bytes([i]))[2:-1].encode() for i in range(1, 256)])
    w.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * 255)
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    for letter, key in (("w", "decay"), ("a", "iclr"), ("v", "value_residual_mix"), ("g", "gate")):
        w.add_uint32(f"rwkv7.attention.{key}_lora_rank", model[f"blocks.0.att.{letter}1"].shape[1])

    def add(name, a, ours, undo=lambda x: x):
        a = np.ascontiguousarray(a)
        q = stored(name, a, kind)
        data = gguf.quants.quantize(a, q)
        w.add_tensor(name, data, raw_dtype=q)
        reread[ours] = np.ascontiguousarray(undo(gguf.quants.dequantize(data, q).reshape(a.shape)).astype(np.float32))

    for name, a in model.items():
        stem, suffix = (name.rsplit(".", 1) if name.endswith((".weight", ".bias")) else (name, "weight"))
        if stem in ENDS:
            add(f"{ENDS[stem]}.{suffix}", a, name)
            continue
        _, i, part = stem.split(".", 2)
        if part.removeprefix("att.") in LOWRANK:
            add(f"blk.{i}.time_mix_{part[4:]}.weight", a.T, name, lambda x: x.T)
        elif part in NAMES:
            flat = a.reshape(-1) if a.ndim == 3 or part == "att.r_k" else a
            if part == "ffn.x_k":
                flat = a.reshape(1, 1, -1)
            add(f"blk.{i}.{NAMES[part]}.{suffix}", flat, name, lambda x, shape=a.shape: x.reshape(shape))
        elif not part.startswith("att.x_"):
            raise SystemExit(f"{name}: a tensor this script does not know")
    for i in range(layers):
        mixes = np.stack([model[f"blocks.{i}.att.x_{m}"].reshape(1, 1, -1) for m in "rwkvag"])  # (6, 1, 1, C)
        add(f"blk.{i}.time_mix_lerp_fused.weight", mixes, f"blocks.{i}.fused")
        for j, m in enumerate("rwkvag"):
            reread[f"blocks.{i}.att.x_{m}"] = reread[f"blocks.{i}.fused"][j]
        del reread[f"blocks.{i}.fused"]
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    write(back, reread)


main(*sys.argv[1:])
