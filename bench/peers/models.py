"""One RWKV-7 in every engine's file format, from the same numbers.

    models.py MODEL.safetensors DIR     writes DIR/{fp32,fp16,bf16}.safetensors,
                                        DIR/{fp32,fp16}.ggmf, DIR/{f32,f16}.gguf

The input is bf16: fp32 holds it exactly, fp16 but for values below 2^-17, so that
engines compute the same function whatever they read. Types of small tensors follow the peers' own
converters (rwkv.cpp's convert_pytorch_to_ggml.py, llama.cpp's convert_hf_to_gguf.py).
"""
import json
import os
import struct
import sys

import numpy as np


def read(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(n))
        data = np.frombuffer(f.read(), dtype=np.uint8)
    tensors = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        assert t["dtype"] == "BF16", "a bf16 file is needed"
        raw = data[t["data_offsets"][0]:t["data_offsets"][1]].view("<u2")
        shape = [d for d in t["shape"] if d != 1] or [1]
        tensors[name] = (raw.astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return tensors


def safetensors(path, tensors, kind):
    header, at, blobs = {}, 0, []
    for name, x in tensors.items():
        if kind == "BF16":
            x = (x.view(np.uint32) >> 16).astype(np.uint16)
        elif kind == "F16":
            x = x.astype(np.float16)
        header[name] = {"dtype": kind, "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
        blobs.append(x)
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for x in blobs:
            x.tofile(f)


LORA = ["att." + a + b for a in "wavg" for b in "12"]


def layers_of(tensors):
    return 1 + max(int(n.split(".")[1]) for n in tensors if n.startswith("blocks."))


def ggmf(path, tensors, half):
    vocab, width = tensors["emb.weight"].shape
    out = {}
    for name, x in tensors.items():
        if name.startswith("blocks.0.att.v") and name[-2:] in ("v0", "v1", "v2"):
            continue  # unused there, and rwkv.cpp aborts on them
        if any(name.endswith(n) for n in LORA):
            x = x.T
        if ".att.x_" in name:
            continue
        out[name] = x
        if name.endswith("att.r_k"):  # anywhere in the block will do
            block = name[:-len("r_k")]
            out[block + "x_rwkvag"] = np.stack([tensors[block + "x_" + c] for c in "rwkvag"])[:, None, :]
    with open(path, "wb") as f:
        f.write(struct.pack("=6i", 0x67676d66, 101, vocab, width, layers_of(tensors), int(half)))
        for name, x in out.items():
            x16 = half and x.ndim > 1 and not any(s in name for s in (".k_k", ".k_a", ".r_k", ".x_rwkvag", ".x_k",
                                                                      ".w0", ".a0", ".v0"))
            x = np.ascontiguousarray(x.astype(np.float16) if x16 else x)
            key = name.encode()
            f.write(struct.pack("=3i", x.ndim, len(key), int(x16)))
            f.write(struct.pack(f"={x.ndim}i", *reversed(x.shape)) + key)
            x.tofile(f)


def gguf_tensors(tensors):
    """Name, array as torch has it, may be 16-bit."""
    whole = {"emb.weight": "token_embd.weight", "head.weight": "output.weight",
             "blocks.0.ln0.weight": "token_embd_norm.weight", "blocks.0.ln0.bias": "token_embd_norm.bias",
             "ln_out.weight": "output_norm.weight", "ln_out.bias": "output_norm.bias"}
    block = {"ln1": "attn_norm", "ln2": "attn_norm_2", "att.ln_x": "time_mix_ln", "att.receptance": "time_mix_receptance",
             "att.key": "time_mix_key", "att.value": "time_mix_value", "att.output": "time_mix_output",
             "ffn.key": "channel_mix_key", "ffn.value": "channel_mix_value"}
    for name, to in whole.items():
        yield to, tensors[name]
    for i in range(layers_of(tensors)):
        old, new = f"blocks.{i}.", f"blk.{i}."
        for part, to in block.items():
            for kind in ("weight", "bias"):
                if old + part + "." + kind in tensors:
                    yield f"{new}{to}.{kind}", tensors[old + part + "." + kind]
        for part in ("w0", "a0", "v0", "k_k", "k_a", "r_k"):
            source = "a" + part[1:] if i == 0 and part[0] == "v" else part  # unused there
            yield f"{new}time_mix_{part}.weight", tensors[old + "att." + source].reshape(-1)
        for part in ("w1", "w2", "a1", "a2", "v1", "v2", "g1", "g2"):
            source = "a" + part[1:] if i == 0 and part[0] == "v" else part
            yield f"{new}time_mix_{part}.weight", tensors[old + "att." + source].T
        yield new + "time_mix_lerp_fused.weight", np.stack([tensors[old + "att.x_" + c]
                                                            for c in "rwkvag"])[:, None, None, :]
        yield new + "channel_mix_lerp_k.weight", tensors[old + "ffn.x_k"][None, None, :]


def gguf(path, tensors, half):
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    heads, head_size = tensors["blocks.0.att.r_k"].shape
    vocab, width = tensors["emb.weight"].shape
    rank = {n: tensors[f"blocks.1.att.{n}1"].shape[1] for n in "wavg"}
    keys = [("general.architecture", "rwkv7"), ("tokenizer.ggml.model", "no_vocab"),
            ("general.file_type", 1 if half else 0), ("rwkv7.vocab_size", vocab), ("rwkv7.context_length", 1048576),
            ("rwkv7.embedding_length", width), ("rwkv7.block_count", layers_of(tensors)),
            ("rwkv7.feed_forward_length", tensors["blocks.0.ffn.key.weight"].shape[0]),
            ("rwkv7.attention.head_count", 0), ("rwkv7.attention.layer_norm_epsilon", 1e-5),
            ("rwkv7.wkv.head_size", head_size), ("rwkv7.attention.decay_lora_rank", rank["w"]),
            ("rwkv7.attention.iclr_lora_rank", rank["a"]), ("rwkv7.attention.value_residual_mix_lora_rank", rank["v"]),
            ("rwkv7.attention.gate_lora_rank", rank["g"])]
    head, at, blobs, count = b"", 0, [], 0
    for name, x in gguf_tensors(tensors):
        x16 = half and x.ndim > 1 and not any(s in name for s in ("time_mix_w1", "time_mix_w2", "lerp"))
        x = np.ascontiguousarray(x.astype(np.float16) if x16 else x)
        head += text(name) + struct.pack(f"<I{x.ndim}QIQ", x.ndim, *reversed(x.shape), int(x16), at)
        at += x.nbytes + -x.nbytes % 32
        blobs.append(x)
        count += 1
    out = b"GGUF" + struct.pack("<IQQ", 3, count, len(keys))
    for key, v in keys:
        out += text(key)
        if isinstance(v, str):
            out += struct.pack("<I", 8) + text(v)
        elif isinstance(v, float):
            out += struct.pack("<If", 6, v)
        else:
            out += struct.pack("<II", 4, v)
    with open(path, "wb") as f:
        f.write(out + head)
        f.write(b"\0" * (-f.tell() % 32))
        for x in blobs:
            x.tofile(f)
            f.write(b"\0" * (-x.nbytes % 32))


def main():
    source, where = sys.argv[1:]
    tensors = read(source)
    for kind, name in (("F32", "fp32"), ("F16", "fp16"), ("BF16", "bf16")):
        safetensors(os.path.join(where, name + ".safetensors"), tensors, kind)
    for half in (False, True):
        ggmf(os.path.join(where, "fp16.ggmf" if half else "fp32.ggmf"), tensors, half)
        gguf(os.path.join(where, "f16.gguf" if half else "f32.gguf"), tensors, half)


main()
