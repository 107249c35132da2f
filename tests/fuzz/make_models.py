#!/usr/bin/env python3
"""Writes the seed files of the model fuzzers: tiny checkpoints in every container.

    tests/fuzz/make_models.py tests/fuzz/corpus

Needs nothing but Python. The modules torch and torch._utils are stand-ins: only their
names reach the pickles.
"""
import io, json, pathlib, pickle, struct, sys, types, zipfile

V, C, H, N, F, RANK, LAYERS = 3, 4, 2, 2, 8, 2, 2

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, utils


def _rebuild_tensor_v2(*args):
    return args


_rebuild_tensor_v2.__module__ = "torch._utils"
_rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
for kind in ("Float", "Half", "BFloat16"):
    cls = type(kind + "Storage", (), {"__module__": "torch"})
    setattr(torch, kind + "Storage", cls)


class Storage:
    def __init__(self, kind, key, count):
        self.kind, self.key, self.count = kind, key, count


class Tensor:
    def __init__(self, storage, offset, shape, stride):
        self.args = (storage, offset, tuple(shape), tuple(stride), False, __import__("collections").OrderedDict())

    def __reduce__(self):
        return (_rebuild_tensor_v2, self.args)


class Pickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, value):
        if isinstance(value, Storage):
            id = ("storage", value.kind, value.key, "cpu", value.count)
            return id + (None,) if self.legacy else id


def pickled(value, legacy=False):
    out = io.BytesIO()
    p = Pickler(out, protocol=2)
    p.legacy = legacy
    p.dump(value)
    return out.getvalue()


def ends():
    yield "emb.weight", (V, C)
    yield "head.weight", (V, C)
    for name in ("ln_out", "blocks.0.ln0"):
        yield name + ".weight", (C,)
        yield name + ".bias", (C,)


def norms(b, names):
    for ln in names:
        yield b + ln + ".weight", (C,)
        yield b + ln + ".bias", (C,)


def squares(b, names):
    for m in names.split():
        yield b + f"{m}.weight", (C, C)


def ffn(b, mix):
    for m in "kr":
        yield b + f"ffn.{mix}_{m}", (1, 1, C)
    yield b + "ffn.key.weight", (F, C)
    yield b + "ffn.value.weight", (C, F)
    yield b + "ffn.receptance.weight", (C, C)


def shapes_v4():
    yield from ends()
    for i in range(LAYERS):
        b = f"blocks.{i}."
        yield from norms(b, ("ln1", "ln2"))
        for m in "kvr":
            yield b + "att.time_mix_" + m, (1, 1, C)
        yield b + "att.time_decay", (C,)
        yield b + "att.time_first", (C,)
        yield from squares(b, "att.receptance att.key att.value att.output")
        yield from ffn(b, "time_mix")


def shapes_v5():
    yield from ends()
    for i in range(LAYERS):
        b = f"blocks.{i}."
        yield from norms(b, ("ln1", "ln2", "att.ln_x"))
        for m in "kvrg":
            yield b + "att.time_mix_" + m, (1, 1, C)
        yield b + "att.time_decay", (H, N)
        yield b + "att.time_faaaa", (H, N)
        yield from squares(b, "att.receptance att.key att.value att.gate att.output")
        yield from ffn(b, "time_mix")


def shapes_v6():
    yield from ends()
    for i in range(LAYERS):
        b = f"blocks.{i}."
        yield from norms(b, ("ln1", "ln2", "att.ln_x"))
        for m in "xwkvrg":
            yield b + "att.time_maa_" + m, (1, 1, C)
        yield b + "att.time_maa_w1", (C, 5 * RANK)
        yield b + "att.time_maa_w2", (5, RANK, C)
        yield b + "att.time_decay", (1, 1, C)
        yield b + "att.time_decay_w1", (C, RANK)
        yield b + "att.time_decay_w2", (RANK, C)
        yield b + "att.time_faaaa", (H, N)
        yield b + "att.time_state", (H, N, N)
        yield from squares(b, "att.receptance att.key att.value att.gate att.output")
        yield from ffn(b, "time_maa")


def shapes():
    yield from ends()
    for i in range(LAYERS):
        b = f"blocks.{i}."
        yield from norms(b, ("ln1", "ln2", "att.ln_x"))
        for m in "rwkvag":
            yield b + "att.x_" + m, (1, 1, C)
        for m in ("w0", "a0", "v0", "k_k", "k_a"):
            yield b + "att." + m, (1, 1, C)
        for m in "wavg":
            yield b + f"att.{m}1", (C, RANK)
            yield b + f"att.{m}2", (RANK, C)
        yield b + "att.r_k", (H, N)
        yield from squares(b, "att.receptance att.key att.value att.output")
        yield b + "ffn.x_k", (1, 1, C)
        yield b + "ffn.key.weight", (F, C)
        yield b + "ffn.value.weight", (C, F)


def size(shape):
    n = 1
    for s in shape:
        n *= s
    return n


def strides(shape):
    out, step = [], 1
    for s in reversed(shape):
        out.insert(0, step)
        step *= s
    return out


def numbers(n, seed):
    return [((seed * 31 + i * 17) % 64 - 32) / 64 for i in range(n)]


def data(kind, values):
    if kind is torch.HalfStorage:
        return struct.pack(f"<{len(values)}e", *values)
    if kind is torch.BFloat16Storage:
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return struct.pack(f"<{len(values)}f", *values)


def zipped(root, storages, prefix="tiny"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        z.writestr(zipfile.ZipInfo(prefix + "/data.pkl"), pickled(root))
        for key, bytes in storages:
            z.writestr(zipfile.ZipInfo(f"{prefix}/data/{key}"), bytes)
        z.writestr(zipfile.ZipInfo(prefix + "/version"), b"3\n")
    return out.getvalue()


def checkpoint(kind, shapes=shapes):
    root, storages = {}, []
    for i, (name, shape) in enumerate(shapes()):
        values = numbers(size(shape), i)
        root[name] = Tensor(Storage(kind, str(i), len(values)), 0, shape, strides(shape))
        storages.append((str(i), data(kind, values)))
    return root, storages


def shared_checkpoint():
    """All tensors are transposed or offset views of one storage."""
    root, total = {}, 0
    for name, shape in shapes():
        step = strides(shape)
        if len(shape) == 2:
            step = [1, shape[0]]
        root[name] = (total, shape, step)
        total += size(shape)
    storage = Storage(torch.FloatStorage, "0", total)
    root = {name: Tensor(storage, *view) for name, view in root.items()}
    root["_version"] = 7
    return root, [("0", data(torch.FloatStorage, numbers(total, 5)))]


def legacy(root, storages):
    kinds = {t.args[0].key: t.args[0] for t in root.values()}
    out = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({"little_endian": True})
    out += pickled(root, legacy=True) + pickled([key for key, _ in storages])
    for key, bytes in storages:
        out += struct.pack("<q", kinds[key].count) + bytes
    return out


def safetensors(kind, name_of_kind, shapes=shapes):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for i, (name, shape) in enumerate(shapes()):
        bytes = data(kind, numbers(size(shape), i))
        header[name] = {"dtype": name_of_kind, "shape": list(shape), "data_offsets": [len(body), len(body) + len(bytes)]}
        body += bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + body


SWAPPED = (".time_maa_w1", ".time_maa_w2", ".time_decay_w1", ".time_decay_w2") + tuple(
    f".att.{m}{n}" for m in "wavg" for n in "12")


def ggmf(shapes, version=101):
    """rwkv.cpp's form: shapes reversed, low-rank factors transposed, lerps fused, decays in 3 dimensions."""
    out = struct.pack("<6i", 0x67676D66, version, V, C, LAYERS, 0)

    def tensor(name, shape, seed):
        values = numbers(size(shape), seed)
        if "decay" in name and len(shape) == 3:
            values = [0.5 + v / 8 for v in values]
        text = name.encode()
        head = struct.pack("<3i", len(shape), len(text), 0)
        return head + struct.pack(f"<{len(shape)}i", *reversed(shape)) + text + data(torch.FloatStorage, values)

    for i, (name, shape) in enumerate(shapes()):
        if ".att.x_" in name:
            if name.endswith("x_r"):
                out += tensor(name[:-3] + "x_rwkvag", (6, 1, C), i)
            continue
        if name.endswith(SWAPPED):
            shape = shape[:-2] + (shape[-1], shape[-2])
        elif name.endswith(("time_decay", "time_faaaa")) and shapes is not shapes_v4:
            shape = (H, N, 1)
        elif len(shape) == 3 and shape[0] == 1 and "time" in name:
            shape = shape[2:]
        out += tensor(name, shape, i)
    return out


GGUF_NAMES = {"emb.weight": "token_embd.weight", "head.weight": "output.weight"}
GGUF_V6 = {"time_maa_w1": "w1", "time_maa_w2": "w2", "time_maa_": "lerp_", "time_decay": "decay", "time_faaaa": "first"}


def gguf_name(name):
    if name in GGUF_NAMES:
        return GGUF_NAMES[name]
    name = name.replace("blocks.0.ln0", "token_embd_norm").replace("ln_out", "output_norm").replace("blocks.", "blk.")
    name = name.replace("ln1", "attn_norm").replace("ln2", "attn_norm_2").replace("att.ln_x", "time_mix_ln")
    for ours, theirs in GGUF_V6.items():
        name = name.replace(ours, theirs)
    name = name.replace("ffn.x_k", "channel_mix_lerp_k.weight").replace("ffn.", "channel_mix_").replace("att.", "time_mix_")
    return name if name.endswith((".weight", ".bias")) else name + ".weight"


def gguf(shapes=shapes, arch="rwkv7", rescale=0):
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    pairs = text("general.architecture") + struct.pack("<I", 8) + text(arch)
    pairs += text(arch + ".wkv.head_size") + struct.pack("<II", 4, N)
    if rescale:
        pairs += text(arch + ".rescale_every_n_layers") + struct.pack("<II", 4, rescale)
    pairs += text("some.list") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc")
    rows, body, count = b"", b"", 0
    for i, (name, shape) in enumerate(shapes()):
        if ".att.x_" in name:
            if not name.endswith("x_r"):
                continue
            name, shape = name[:-3] + "lerp_fused", (6, 1, 1, C)
        elif "att.time_maa_" in name and name[-1] in "wkvrg":
            if not name.endswith("w"):
                continue
            name, shape = name[:-1] + "fused", (5, 1, 1, C)
        elif name.endswith("time_state"):
            continue
        elif name.endswith(SWAPPED):
            shape = shape[:-2] + (shape[-1], shape[-2])
        elif name.endswith("r_k"):
            shape = (C,)
        rows += text(gguf_name(name)) + struct.pack("<I", len(shape))
        rows += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", 0, len(body))
        body += data(torch.FloatStorage, numbers(size(shape), i))
        body += bytes(-len(body) % 32)
        count += 1
    head = b"GGUF" + struct.pack("<IQQ", 3, count, 4 if rescale else 3) + pairs + rows
    return head + bytes(-len(head) % 32) + body


def main(folder):
    folder = pathlib.Path(folder)
    for sub in ("pth", "safetensors", "ggmf", "gguf"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "pth/model_fp32.pth").write_bytes(zipped(*checkpoint(torch.FloatStorage)))
    (folder / "pth/model_bf16.pth").write_bytes(zipped(*checkpoint(torch.BFloat16Storage), prefix="archive"))
    (folder / "pth/model_shared.pth").write_bytes(zipped(*shared_checkpoint()))
    (folder / "pth/model_legacy.pth").write_bytes(legacy(*checkpoint(torch.HalfStorage)))
    one = Storage(torch.FloatStorage, "0", 6)
    (folder / "pth/one.pth").write_bytes(zipped({"w": Tensor(one, 1, (2, 2), (2, 1))}, [("0", bytes(24))], "a"))
    (folder / "safetensors/model_f16.safetensors").write_bytes(safetensors(torch.HalfStorage, "F16"))
    (folder / "safetensors/model_f32.safetensors").write_bytes(safetensors(torch.FloatStorage, "F32"))
    for version, of in (("v4", shapes_v4), ("v5", shapes_v5), ("v6", shapes_v6)):
        file = safetensors(torch.BFloat16Storage, "BF16", of)
        (folder / f"safetensors/model_{version}.safetensors").write_bytes(file)
    (folder / "pth/model_v6.pth").write_bytes(zipped(*checkpoint(torch.HalfStorage, shapes_v6)))
    for version, of in (("v4", shapes_v4), ("v5", shapes_v5), ("v6", shapes_v6), ("v7", shapes)):
        (folder / f"ggmf/model_{version}.bin").write_bytes(ggmf(of))
    block = struct.pack("<6i", 0x67676D66, 101, V, C, LAYERS, 2) + struct.pack("<4i", 1, 1, 2, 32) + b"w"
    (folder / "ggmf/one_q4_0.bin").write_bytes(block + bytes(range(18)))
    (folder / "gguf/model_v7.gguf").write_bytes(gguf())
    (folder / "gguf/model_v6.gguf").write_bytes(gguf(shapes_v6, "rwkv6", 1))
    text = b'{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    (folder / "safetensors/one.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(12))


main(sys.argv[1])
