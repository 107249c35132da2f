#!/bin/bash
# Files that are not what they are taken for are named for what they are, with what to do.
#     refusals_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
refuses() { # TEXT FILE
	"$rwkvmon" eval --model "$2" --tokens 1 >out 2>err
	[ $? = 3 ] || fail "$2: exit code, expected 3"
	grep -qF -- "$1" err || fail "$2: lacks \"$1\": $(head -1 err)"
}

python3 - <<'END'
import json, struct, zipfile
def safetensors(name, *names):
    head = json.dumps({n: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, n in enumerate(names)}).encode()
    open(name, "wb").write(struct.pack("<Q", len(head)) + head + bytes(4 * len(names)))
safetensors("fla.safetensors", "model.layers.0.attn.r_proj.weight")
safetensors("transformers.safetensors", "rwkv.blocks.0.attention.key.weight")
safetensors("wrapped.safetensors", "module.blocks.0.att.key.weight")
safetensors("compiled.safetensors", "_orig_mod.blocks.0.att.key.weight")
safetensors("lora.safetensors", "blocks.0.att.key.lora_A")
safetensors("llama.safetensors", "model.layers.0.self_attn.q_proj.weight")
safetensors("other.safetensors", "something.weight")
open("big.gguf", "wb").write(b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + bytes(64))
open("part-00001-of-00003.gguf", "wb").write(b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(64))
open("old.bin", "wb").write(b"tjgg" + bytes(64))
with zipfile.ZipFile("zipped.pth", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("RWKV-x070.pth", bytes(1000))
def pth(name, pickle):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as z:
        z.writestr("m/data.pkl", b"\x80\x02" + pickle + b".")
pth("fp8.pth", b"ctorch._utils\n_rebuild_tensor_v3\n")
pth("hostile.pth", b"cos\nsystem\n")
words = open("words.txt", "w", encoding="utf-8")
words.write("\ufeff" + "".join(f"{i + 1} b'\\x{i:02x}' 1\n" for i in range(256)))
json.dump({str(i + 1): chr(i) for i in range(256)}, open("words.json", "w"))
END
refuses "RWKV-7 in the form of flash-linear-attention" fla.safetensors
refuses "RWKV-4 in the form of transformers" transformers.safetensors
refuses "begin with module." wrapped.safetensors
refuses "_orig_mod." compiled.safetensors
refuses "LoRA factors only" lora.safetensors
refuses "is no RWKV model but a transformer" llama.safetensors
refuses "none of its tensors is named blocks.0" other.safetensors
refuses "big-endian" big.gguf
refuses "an old ggml file" old.bin
refuses "is an archive that holds RWKV-x070.pth" zipped.pth
refuses "a kind of tensor which is not read here" fp8.pth
grep -q "can run code" err && fail "fp8.pth: accused"
refuses "can run code" hostile.pth

# What downloads end in that went wrong.
printf 'Not found' >notfound.pth
printf '{"error":"Repository not found"}' >error.safetensors
head -c 5000 /dev/zero >zeros.pth
printf '\x1f\x8b\x08\x00more' >packed.pth
refuses "an error that a server sent" notfound.pth
refuses "When a server sent this" error.safetensors
refuses "It begins with zeros" zeros.pth
refuses "This is an archive" packed.pth
"$here/make_model.py" 257 whole.safetensors && cp whole.safetensors longer.safetensors && head -c 700 /dev/urandom >>longer.safetensors
refuses "has 700 bytes behind its last tensor" longer.safetensors

# Bytes of two tensors, and bytes of none.
python3 - whole.safetensors <<'END'
import json, struct, sys
whole = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", whole[:8])[0]
def changed(name, move, data):
    head = json.loads(whole[8:8 + size])
    move(head)
    text = json.dumps(head).encode()
    open(name, "wb").write(struct.pack("<Q", len(text)) + text + data)
def onto(head):
    head["blocks.0.ln2.weight"]["data_offsets"] = head["blocks.0.ln1.weight"]["data_offsets"]
data = whole[8 + size:]
first = json.loads(whole[8:8 + size])["blocks.0.ln1.weight"]["data_offsets"][1]
changed("overlap.safetensors", onto, data)
changed("hole.safetensors", lambda head: head.update({n: {**row, "data_offsets": [at + 32 * (row["data_offsets"][0] >= first) for at in row["data_offsets"]]} for n, row in head.items()}), data[:first] + bytes(32) + data[first:])
END
refuses "tensor blocks.0.ln2.weight overlaps tensor blocks.0.ln1.weight" overlap.safetensors
refuses "32 bytes before tensor blocks.0.ln1.bias belong to no tensor" hole.safetensors

# A model that becomes shorter while it is used: the file is named.
"$rwkvmon" convert "$root/models/tiny-rwkv7.safetensors" -o used.safetensors --to fp32 >out 2>err || fail "convert: $(cat err)"
"$rwkvmon" run --model used.safetensors --strategy "cpu fp32" --prompt x --tokens 100000000 --log used.log -q >spoken 2>err &
using=$!
await "the model speaks" test -s spoken
truncate -s 4096 used.safetensors
wait $using
[ $? = 3 ] && grep -q "used.safetensors: became shorter, or could not be read" err || fail "a model that became shorter: $(cat err)"

# A byte order mark before a vocabulary is nothing; web-rwkv's JSON is named.
"$here/make_model.py" 257 model.safetensors || exit 1
"$rwkvmon" run --model model.safetensors --tokenizer words.txt --prompt x --tokens 2 --log none -q >out 2>err ||
	fail "a vocabulary with a byte order mark: $(cat err)"
"$rwkvmon" run --model model.safetensors --tokenizer words.json --prompt x --tokens 2 --log none -q >out 2>err
[ $? = 3 ] && grep -q "web-rwkv's JSON" err || fail "web-rwkv's vocabulary: $(head -1 err)"

# A file that is damaged inside, and one whose values are: said, not guessed on.
python3 - "$here/../golden/versions/v6.pth" model.safetensors <<'END'
import json, math, struct, sys, zipfile
whole = bytearray(open(sys.argv[1], "rb").read())
with zipfile.ZipFile(sys.argv[1]) as z:
    entry = max(z.infolist(), key=lambda e: e.file_size)
whole[entry.header_offset + 200 + len(entry.filename)] ^= 0x55
open("damaged.pth", "wb").write(whole)
model = bytearray(open(sys.argv[2], "rb").read())
size = struct.unpack("<Q", model[:8])[0]
head = json.loads(model[8:8 + size])
width = {"F32": ("<f", 4), "F16": ("<e", 2)}
for name, how in ((n, head[n]) for n in head if n.startswith("head.")):
    form, step = width[how["dtype"]]
    for i in range(*how["data_offsets"], step):
        struct.pack_into(form, model, 8 + size + i, math.nan)
open("nan.safetensors", "wb").write(model)
END
"$rwkvmon" convert damaged.pth -o out.safetensors >out 2>err
[ $? = 3 ] && grep -q "does not match its CRC-32" err && [ ! -e out.safetensors ] || fail "convert of a damaged file: $(head -1 err)"
"$rwkvmon" eval --model damaged.pth --tokens 1,2 --json >out 2>err
grep -q '"argmax"' out && grep -q "storage .* of damaged.pth does not match its CRC-32" err || fail "eval of a damaged file: $(cat err)"
says_damaged() { # WHAT COMMAND... (its vocabulary is too small for a tokenizer: run and chat then refuse it)
	local what=$1
	shift
	"$rwkvmon" "$@" >out 2>err </dev/null
	grep -q "storage .* of damaged.pth does not match its CRC-32" err || fail "$what of a damaged file: $(cat err)"
}
says_damaged run run --model damaged.pth --tokens 1 --log none --prompt x
says_damaged chat chat --model damaged.pth --tokens 1 --log none
says_damaged tune tune --model damaged.pth --seconds 1
"$rwkvmon" convert nan.safetensors -o out.safetensors >out 2>err && grep -q "head.weight holds NaN" err || fail "convert of NaN: $(cat err)"
"$rwkvmon" eval --model nan.safetensors --tokens 1,2 --json >out 2>err
grep -q '"argmax":null' out && grep -q "NaN or Inf is in the logits of 2 of 2 tokens" err || fail "eval of NaN: $(cat out err)"
"$rwkvmon" eval --model model.safetensors --tokens 1,2 >out 2>err && [ ! -s err ] || fail "eval of a good model: $(cat err)"
RWKVMON_SIMD=avx9 "$rwkvmon" eval --model model.safetensors --tokens 1,2 >out 2>err
[ $? = 2 ] && grep -q '"avx9" is none of scalar, avx2 and avx512' err || fail "an unknown ceiling of the kernels: $(cat err)"
finish
