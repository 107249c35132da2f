#!/bin/bash
# RWKV-6 as web-rwkv's converters write it (.st) is read: the same logits as from the checkpoint it was made from.
#     web_rwkv_test.sh BUILD_DIR
set -eu
rwkvmon=$(cd "${1:?usage: web_rwkv_test.sh BUILD_DIR}" && pwd)/rwkvmon
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"$rwkvmon" convert "$here/tests/golden/versions/v6.pth" -o v6.safetensors 2>/dev/null
python3 - <<'END'
import json, struct
data = open("v6.safetensors", "rb").read()
n, = struct.unpack("<Q", data[:8])
head, body, out, blob = json.loads(data[8 : 8 + n]), data[8 + n :], {}, b""
for name, row in head.items():
    if name == "__metadata__":
        continue
    begin, end = row["data_offsets"]
    shape, raw, width = row["shape"], body[begin:end], 4
    assert row["dtype"] == "F32"
    name = name.replace("time_faaaa", "time_first").replace("time_maa", "time_mix")
    if any(part in name for part in ("time_mix_w1", "time_mix_w2", "time_decay_w1", "time_decay_w2")):
        rows, columns = shape[-2:]
        size = rows * columns * width
        raw = b"".join(raw[s * size + (r * columns + c) * width :][:width]
                       for s in range(len(raw) // size) for c in range(columns) for r in range(rows))
        shape = shape[:-2] + [columns, rows]
    out[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(blob), len(blob) + len(raw)]}
    blob += raw
text = json.dumps(out).encode()
open("v6.st", "wb").write(struct.pack("<Q", len(text)) + text + blob)
END
for file in v6.safetensors v6.st; do
	"$rwkvmon" eval --model "$file" --tokens 1,8,35,2,9 --all-logits --logits-out "$file.logits" --state-out "$file.state" >/dev/null
done
python3 - <<'END' # factors that lie the other way round are summed in another order
import array
for kind in ("logits", "state"):
    a, b = array.array("f"), array.array("f")
    a.frombytes(open("v6.safetensors." + kind, "rb").read())
    b.frombytes(open("v6.st." + kind, "rb").read())
    assert len(a) == len(b) > 100
    assert all(abs(x - y) <= 1e-5 * max(1, abs(x)) for x, y in zip(a, b)), kind
END
echo "1 passed, 0 failed"
