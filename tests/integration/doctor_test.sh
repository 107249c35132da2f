#!/bin/sh
# `rwkvmon doctor` on machines that a fixture breaks, one check at a time: programs in PATH, /proc and /sys are the
# test's, models are real.
#     doctor_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
said() { # PATTERN NAME: in the last answer
	if grep -qE "$1" "$dir/out"; then pass; else fail "$2"; cat "$dir/out"; fi
}
python=$(command -v python3)
v7=$root/models/tiny-rwkv7.pth v6=$root/tests/fuzz/corpus/pth/model_v6.pth

# --- a machine that is in order: a GPU, its driver, all tools, torch and rwkv ----------------------
program() { # NAME: its script on standard input
	cat >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}
healthy() {
	rm -rf "$dir/bin" "$dir/root"
	mkdir -p "$dir/bin" "$dir/root/proc" "$dir/root/sys/bus/pci/devices/0000:01:00.0" "$dir/cuda/bin"
	printf 'MemTotal: 33554432 kB\nMemAvailable: 25165824 kB\n' >"$dir/root/proc/meminfo"
	echo 0x10de >"$dir/root/sys/bus/pci/devices/0000:01:00.0/vendor"
	echo 0x030000 >"$dir/root/sys/bus/pci/devices/0000:01:00.0/class"
	program nvidia-smi <<-'SH'
		#!/bin/sh
		case ${1-} in
		--query*) echo "NVIDIA GeForce RTX 3060, 535.54, 12288, 11000, 8.6" ;;
		*) echo "| NVIDIA-SMI 535.54    Driver Version: 535.54    CUDA Version: 12.2 |" ;;
		esac
	SH
	printf '#!/bin/sh\necho 12.2.0\n' | program c++
	printf '#!/bin/sh\necho 1.11.1\n' | program ninja
	printf '#!/bin/sh\necho "Cuda compilation tools, release 12.1, V12.1.105"\n' | program nvcc
	cp "$dir/bin/nvcc" "$dir/cuda/bin/nvcc"
	answers "python=3.11.2" "torch=2.3.0+cu121" "torch_cuda=12.1" "torch_gpu=1" "rwkv=0.8.32" "rwkv_7=1"
}
answers() { # LINE...: what Python says
	{
		echo '#!/bin/sh'
		for line in "$@"; do echo "echo '$line'"; done
	} | program python3
}
doctor() { # VARIABLE=VALUE... -- OPTION...
	set -- "$@" --json --lang en
	vars=
	while [ "$1" != -- ]; do
		vars="$vars $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # a list of assignments without blanks
	env -u RWKV_V7_ON -u RWKV_DE_VERSION -u RWKV_CUDA_ON -u CUDA_VISIBLE_DEVICES -u CUDA_HOME -u CUDA_PATH -u CXX PATH="$dir/bin:/usr/bin:/bin" RWKVMON_DOCTOR_ROOT="$dir/root" \
		$vars "$rwkvmon" doctor "$@" >"$dir/out" 2>"$dir/err"
	code=$?
}
expect() { # NAME CHECK STATE PATTERN: of the last answer; a problem is the only one, has a fix, and exits 1
	if "$python" "$root/tests/integration/doctor_check.py" "$2" "$3" "$4" "$code" <"$dir/out" >"$dir/why" 2>&1; then
		pass
	else
		fail "$1: $(tail -n 1 "$dir/why")"
		cat "$dir/err"
	fi
}

# --- in order -------------------------------------------------------------------------------------
healthy
doctor RWKV_V7_ON=1 RWKV_CUDA_ON=1 -- --model "$v7"
for check in gpu:RTX.3060 cuda_toolkit:12.1 ninja:1.11.1 compiler:12.2.0 custom_kernel:8.6 python:3.11.2 torch:2.3.0 rwkv:0.8.32 \
	model_file:RWKV-7 rwkv_v7_on:^1 'memory:cuda fp16'; do
	expect "in order: $check" "${check%%:*}" fine "${check#*:}"
done
said '"strategies":\[{"strategy":"cuda fp16",[^}]*"fits":true},{"strategy":"cpu fp32",[^}]*"fits":true},{"strategy":"cpu bf16",' "the strategies"

# --- GPU and driver ---------------------------------------------------------------------------------
rm "$dir/bin/nvidia-smi"
doctor -- ; expect "a card without a driver" gpu problem "nvidia-smi is not"
printf '#!/bin/sh\necho "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver." >&2\nexit 9\n' | program nvidia-smi
doctor -- ; expect "a driver that fails" gpu problem "could not communicate"
printf '#!/bin/sh\nsleep 300\n' | program nvidia-smi
doctor -- ; expect "a driver that hangs" gpu problem "no answer"
healthy
program nvidia-smi <<'SH'
#!/bin/sh
case ${1-} in
*compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2 ;;
--query*) echo "Tesla K80, 450.36, 11441, 11000" ;;
esac
SH
doctor -- ; expect "an old driver's nvidia-smi" gpu fine "Tesla K80"
# the GPU that CUDA_VISIBLE_DEVICES names first, not the machine's first (huggingface/optimum-benchmark#47); of a part of
# one, the driver's tool tells no free memory (utkuozdemir/nvidia_gpu_exporter#203)
program nvidia-smi <<'SH'
#!/bin/sh
case $* in
*--id=1|*--id=GPU-01234567-*) echo "NVIDIA GeForce GT 1030, 535.54, 2000, 300, 6.1" ;;
*--id=*) echo "No devices were found"; exit 6 ;;
--query*) echo "NVIDIA GeForce RTX 4090, 535.54, 24564, 24000, 8.9"; echo "NVIDIA GeForce GT 1030, 535.54, 2000, 300, 6.1" ;;
*) echo "CUDA Version: 12.2" ;;
esac
SH
for seen in 1 1,0 GPU-01234567-89ab-cdef-0123-456789abcdef; do
	doctor "CUDA_VISIBLE_DEVICES=$seen" -- ; expect "CUDA_VISIBLE_DEVICES=$seen" gpu fine "GT 1030, 2000 MiB"
done
for seen in "" -1 "-1,0"; do
	doctor "CUDA_VISIBLE_DEVICES=$seen" -- ; expect "CUDA_VISIBLE_DEVICES=$seen" gpu fine "RTX 4090, 24564 MiB"
done
for seen in MIG-01234567-89ab-cdef-0123-456789abcdef MIG-GPU-01234567/7/0 GPU-0123; do
	doctor "CUDA_VISIBLE_DEVICES=$seen" -- ; expect "CUDA_VISIBLE_DEVICES=$seen" gpu fine "RTX 4090, [?] MiB"
done
doctor CUDA_VISIBLE_DEVICES=7 -- ; expect "a GPU that is not there" gpu problem "No devices were found"
rm -rf "$dir/bin/nvidia-smi" "$dir/root/sys"
doctor -- ; expect "no GPU" gpu unused "no NVIDIA GPU"
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cpu fp32"; expect "the processor will do" memory fine "cpu fp32"
doctor -- --strategy "cuda fp16"; expect "a strategy for a GPU that is not there" gpu problem "needs a GPU"

# --- tools of the kernel ------------------------------------------------------------------------------
healthy; rm "$dir/bin/nvcc"
doctor RWKV_CUDA_ON=1 -- ; expect "no nvcc" cuda_toolkit problem "not in CUDA_HOME"
doctor CUDA_HOME="$dir/nowhere" -- ; expect "a wrong CUDA_HOME" cuda_toolkit problem "no bin/nvcc"
doctor CUDA_HOME="$dir/cuda" -- ; expect "a right CUDA_HOME" cuda_toolkit fine "12.1"
doctor -- ; expect "no nvcc, and no use for it" cuda_toolkit unused "RWKV_CUDA_ON"
healthy; printf '#!/bin/sh\nexit 1\n' | program ninja
doctor RWKV_CUDA_ON=1 -- ; expect "no ninja" ninja problem "does not run"
doctor -- ; expect "no ninja, and no use for it" ninja unused "RWKV_CUDA_ON"
healthy; printf '#!/bin/sh\necho 7.5.0\n' | program c++
doctor -- ; expect "an old compiler" compiler problem "7.5.0"
healthy
doctor RWKV_CUDA_ON=1 CXX=no-such-compiler -- ; expect "no compiler" compiler problem "no-such-compiler"
sed -i 's/8\.6/5.2/' "$dir/bin/nvidia-smi"
doctor RWKV_CUDA_ON=1 -- ; expect "an old GPU with the custom kernel" custom_kernel problem "5.2"
doctor -- ; expect "an old GPU without it" custom_kernel unused "RWKV_CUDA_ON"
healthy; rm -rf "$dir/bin/nvidia-smi" "$dir/root/sys"
doctor RWKV_CUDA_ON=1 -- ; expect "the custom kernel without a GPU" custom_kernel problem "no GPU"

# --- Python ---------------------------------------------------------------------------------------------
healthy; answers "python=3.6.9" "torch=1.10.0" "rwkv=0.8.0" torch_cuda=11.3 torch_gpu=1
doctor -- ; expect "an old Python" python problem "3.6.9"
doctor -- --python "$dir/no-python"; expect "no Python" python problem "no such program"
healthy; answers "python=3.11.2" "torch_error=ModuleNotFoundError: No module named torch" "rwkv=0.8.32"
doctor -- ; expect "no torch" torch problem "No module named torch"
answers "python=3.11.2" "torch=2.3.0+cpu" "torch_cuda=" "torch_gpu=0" "rwkv=0.8.32"
doctor -- ; expect "a torch for the processor beside a GPU" torch problem "CPU build"
answers "python=3.11.2" "torch=2.8.0+cu130" "torch_cuda=13.0" "torch_gpu=0" "rwkv=0.8.32"
doctor -- ; expect "a torch that the driver is too old for" torch problem "13.0.*12.2"
answers "python=3.11.2" "torch=2.3.0+cu121" "torch_cuda=12.1" "torch_gpu=0" "rwkv=0.8.32"
doctor -- ; expect "a torch that does not see the GPU" torch problem "does not see"
answers "python=3.11.2" "torch=1.13.1" "torch_cuda=11.7" "torch_gpu=1" "rwkv=0.8.32" "rwkv_7=1"
doctor RWKV_V7_ON=1 -- --model "$v7"; expect "a torch too old for RWKV-7" torch problem "1.13.1.*2.1"
answers "python=3.11.2" "torch=2.3.0+cu121" "torch_cuda=12.1" "torch_gpu=1" "rwkv_error=PackageNotFoundError: rwkv"
doctor -- ; expect "no rwkv" rwkv problem "PackageNotFoundError"
answers "python=3.11.2" "torch=2.3.0+cu121" "torch_cuda=12.1" "torch_gpu=1" "rwkv=0.8.20" "rwkv_7=0"
doctor RWKV_V7_ON=1 -- --model "$v7"; expect "an rwkv without RWKV-7" rwkv problem "0.8.20"
healthy
doctor -- --python "$python"
said '"id":"python","state":"fine","title":"Python","found":"3' "what the real Python answers"
said '"id":"torch","state":"[a-z]*","title":"torch","found":"[^"]*[0-9a-z]' "what the real Python says of torch"

# --- the model ----------------------------------------------------------------------------------------------
doctor -- --model "$v7"; expect "RWKV-7 without RWKV_V7_ON" rwkv_v7_on problem "not set"
doctor RWKV_V7_ON=0 -- --model "$v7"; expect "RWKV-7 with RWKV_V7_ON=0" rwkv_v7_on problem "is 0"
doctor RWKV_V7_ON=1 -- --model "$v6"; expect "RWKV-6 with RWKV_V7_ON" rwkv_v7_on problem "RWKV-6"
versions=$root/tests/golden/versions
doctor RWKV_V7_ON=1 -- --model "$versions/v7a.pth"; expect "RWKV-7a without its gate" rwkv_v7_on problem "RWKV_DE_VERSION is not set"
doctor RWKV_V7_ON=1 RWKV_DE_VERSION=1 -- --model "$versions/v7a.pth"; expect "RWKV-7a as it should be" rwkv_v7_on fine "as RWKV-7a"
doctor RWKV_V7_ON=1 -- --model "$versions/v7b.pth"; expect "RWKV-7b in the package" rwkv_v7_on problem "RWKV-7b: the package rwkv"
doctor -- --model "$v6"; expect "RWKV-6 as it should be" rwkv_v7_on fine "not set, as RWKV-6"
head -c 3000000 "$v7" >"$dir/short.pth"
doctor RWKV_V7_ON=1 -- --model "$dir/short.pth"; expect "a download that broke off" model_file problem "short.pth"
echo '<html>404</html>' >"$dir/page.pth"
doctor RWKV_V7_ON=1 -- --model "$v7" --seconds 0; expect "values that were not looked at" model_file unused "ran out before ([0-9]+) of its \1 tensors"
doctor RWKV_V7_ON=1 -- --model "$v7" --seconds 600; expect "values that were" model_file fine "layers"
doctor RWKV_V7_ON=1 -- --model "$dir/page.pth"; expect "a page instead of a model" model_file problem "page.pth"
doctor RWKV_V7_ON=1 -- --model "$dir/none.pth"; expect "no file" model_file problem "none.pth"

# --- its tokenizer --------------------------------------------------------------------------------------------
i=0
while [ $i -lt 256 ]; do
	printf "%d b'\\\\x%02x' 1\n" $((i + 1)) $i
	i=$((i + 1))
done >"$dir/bytes.txt"
doctor RWKV_V7_ON=1 -- --model "$v7" --tokenizer "$dir/bytes.txt"
expect "a tokenizer that is too large" tokenizer problem "257 tokens, but the model's vocabulary has 256"
printf '{"model":{"vocab":{"a":0,"b":255}},"added_tokens":[{"id":4,"content":"<s>"}]}' >"$dir/fits.json"
doctor RWKV_V7_ON=1 -- --model "$v7" --tokenizer "$dir/fits.json"
expect "a tokenizer that fits" tokenizer fine "256 tokens for a vocabulary of 256"
printf '{"model":{"vocab":{"a":0,"b":50276}}}' >"$dir/20B.json"
doctor RWKV_V7_ON=1 -- --model "$v7" --tokenizer "$dir/20B.json"; expect "another model's tokenizer" tokenizer problem "50277 tokens"
doctor RWKV_V7_ON=1 -- --model "$v7" --tokenizer "$dir/page.pth"; expect "no tokenizer" tokenizer problem "page.pth"

# --- memory and strategies --------------------------------------------------------------------------------------
sed -i 's/11000/100/' "$dir/bin/nvidia-smi"
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cuda fp16"; expect "a full GPU" memory problem "does not fit"
said '"fix":"take \\"cpu fp32\\""' "the strategy that is suggested"
doctor RWKV_V7_ON=1 -- --model "$v7"; expect "a full GPU, and no wish" memory fine '"cpu fp32" fits'
healthy
doctor -- --model "$v6" --strategy "cuda fp16 *1 -> cpu fp32"; expect "a split" memory fine 'GPU memory'
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cuda fp16i8"; expect "what RWKV-7 cannot do" memory problem "RWKV-7 supports only one device"
rm -r "$dir/bin/nvidia-smi" "$dir/root/sys/bus/pci/devices/0000:01:00.0"
for strategy in "mps fp32" "dml fp32" "cpu fp16"; do # a Python that was not asked, or says no
	for more in "" torch_mps=0 torch_dml=0 torch_half=0; do
		answers "python=3.11.7" "torch=2.0.1+cpu" "torch_gpu=0" "rwkv=0.8.32" "rwkv_7=1" $more
		doctor -- --model "$v6" --strategy "$strategy"; expect "$strategy with $more" memory problem 'torch 2.0.1\+cpu does not support this strategy'
	done
	answers "python=3.11.7" "torch=2.6.0+cpu" "torch_gpu=0" "torch_mps=1" "torch_dml=1" "torch_half=1" "rwkv=0.8.32" "rwkv_7=1"
	doctor -- --model "$v6" --strategy "$strategy"; expect "$strategy where it can be" memory fine "$strategy"
done
healthy
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cuda fp17"; expect "no strategy" memory problem "fp17"
rm -rf "$dir/bin/nvidia-smi" "$dir/root/sys"
printf 'MemTotal: 33554432 kB\nMemAvailable: 1024 kB\n' >"$dir/root/proc/meminfo"
doctor -- --model "$v6"; expect "no memory" memory problem "no strategy fits"

healthy
sed -i 's/12288, 11000, 8.6/[N\/A], [N\/A], 8.6/' "$dir/bin/nvidia-smi"
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cuda fp16"; expect "unknown GPU memory is not enough memory" memory unused "not known: .* of unknown GiB of free GPU memory"
sed -i 's/GeForce RTX 3060/GB10/' "$dir/bin/nvidia-smi"
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cuda fp16"; expect "a GPU that shares the machine's memory" memory fine '"cuda fp16" fits: .* of 24.0 GiB of free GPU memory'
rm "$dir/root/proc/meminfo"
doctor RWKV_V7_ON=1 -- --model "$v7" --strategy "cpu fp32"; expect "unknown memory is not enough memory" memory unused "not known: .* of unknown GiB"

# --- tools that do not fit each other ------------------------------------------------------------------------------
healthy
doctor RWKV_CUDA_ON=1 RWKV_V7_ON=1 -- --model "$v7"; expect "tools that fit" compiler fine "12.2.0"
for nvcc in 11.8:11 12.2:12 12.4:13 12.8:14; do
	printf '#!/bin/sh\necho "Cuda compilation tools, release %s, V%s.1"\n' "${nvcc%:*}" "${nvcc%:*}" | program nvcc
	answers "python=3.11.2" "torch=2.3.0" "torch_cuda=${nvcc%:*}" "torch_gpu=1" "torch_arch=sm_80 sm_86" "rwkv=0.8.32" "rwkv_7=1"
	sed -i 's/CUDA Version: 12.2/CUDA Version: 12.8/' "$dir/bin/nvidia-smi"
	printf '#!/bin/sh\necho %s.1.0\n' "${nvcc#*:}" | program c++
	doctor RWKV_CUDA_ON=1 RWKV_V7_ON=1 -- --model "$v7"; expect "g++ ${nvcc#*:} for nvcc ${nvcc%:*}" compiler fine "${nvcc#*:}.1.0"
	printf '#!/bin/sh\necho %s.1.0\n' $((${nvcc#*:} + 1)) | program c++
	doctor RWKV_CUDA_ON=1 RWKV_V7_ON=1 -- --model "$v7"; expect "g++ too new for nvcc ${nvcc%:*}" compiler problem "supports g\\+\\+ only up to ${nvcc#*:}"
	doctor RWKV_V7_ON=1 -- --model "$v7"; expect "no kernel, no matter" compiler fine "1.0"
done
healthy
printf '#!/bin/sh\necho "Cuda compilation tools, release 11.8, V11.8.89"\n' | program nvcc
printf '#!/bin/sh\necho 11.2.0\n' | program c++
doctor RWKV_CUDA_ON=1 RWKV_V7_ON=1 -- --model "$v7"; expect "nvcc of another CUDA than torch's" cuda_toolkit problem "nvcc belongs to CUDA 11.8, but torch was built for CUDA 12.1"
healthy
sed -i 's/11000, 8.6/11000, 12.0/' "$dir/bin/nvidia-smi"
doctor RWKV_V7_ON=1 -- --model "$v7"; expect "a GPU newer than torch" torch problem "no kernels for compute capability 12.0"
for arch in "sm_80 sm_90:problem:no kernels" "sm_80 sm_120:fine:2.7" "sm_80 compute_90:fine:2.7" "sm_121:problem:no kernels"; do
	answers "python=3.11.2" "torch=2.7.0" "torch_cuda=12.1" "torch_gpu=1" "torch_arch=${arch%%:*}" "rwkv=0.8.32" "rwkv_7=1"
	state=${arch#*:}
	doctor RWKV_V7_ON=1 -- --model "$v7"; expect "kernels ${arch%%:*}" torch "${state%%:*}" "${state#*:}"
done

# --- damage inside -------------------------------------------------------------------------------------------------
healthy
"$python" - "$v7" "$root/models/tiny-rwkv7.safetensors" "$dir" <<'PY'
import json, struct, sys, zipfile
pth, safe, out = sys.argv[1:]
raw = bytearray(open(pth, "rb").read())
entry = max(zipfile.ZipFile(pth).infolist(), key=lambda e: e.file_size)
at = entry.header_offset + 30 + sum(struct.unpack("<HH", raw[entry.header_offset + 26:entry.header_offset + 30]))
raw[at + 64:at + 128] = bytes(64)
open(out + "/hole.pth", "wb").write(raw)
open(out + "/hole.name", "w").write(entry.filename)
raw = bytearray(open(safe, "rb").read())
n = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + n])
of = head["blocks.3.ffn.value.weight"]
at = 8 + n + of["data_offsets"][0] + 40
nan = {"F32": b"\0\0\xc0\x7f", "F16": b"\0\x7e", "BF16": b"\xc0\x7f"}[of["dtype"]]
raw[at:at + len(nan)] = nan
open(out + "/nan.safetensors", "wb").write(raw)
PY
doctor RWKV_V7_ON=1 -- --model "$dir/hole.pth"; expect "a hole in a storage" model_file problem "storage $(cat "$dir/hole.name") does not match its CRC-32"
doctor RWKV_V7_ON=1 -- --model "$dir/nan.safetensors"; expect "NaN in the weights" model_file problem "tensor blocks.3.ffn.value.weight holds NaN or Inf"
doctor RWKV_V7_ON=1 -- --model "$v7"; expect "no damage" model_file fine "RWKV-7"

# --- disk and conversion ----------------------------------------------------------------------------------------
healthy
doctor RWKV_V7_ON=1 -- --model "$v7"; expect "too small a file to tell" disk unused "too small"
doctor -- --model "$dir/none.pth"
said '"id":"disk","state":"unused"[^}]*cannot be read' "no file at all is not too small"
said '"id":"conversion","state":"unused"[^}]*cannot be read' "nor without a source"
"$python" - "$dir/large.safetensors" <<'PY'
import json, struct, sys
n = 24 << 20
head = json.dumps({"x": {"dtype": "F32", "shape": [n // 4], "data_offsets": [0, n]}}).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + bytes(n))
PY
doctor -- --model "$dir/large.safetensors" --disk-mb-s 100000000
said '"id":"disk","state":"problem".*local SSD' "a disk below the limit"
doctor -- --model "$dir/large.safetensors" --disk-mb-s 0
said '"id":"disk","state":"fine"' "a disk above the limit"
# a checkpoint in several files is as large as all of them, and the largest tells the disk's speed (gpustack/gpustack#1736)
mkdir "$dir/shards"
"$python" - "$root/models/tiny-rwkv7.safetensors" "$dir/shards" <<'PY'
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
head, data = json.loads(raw[8:8 + size]), raw[8 + size:]
head.pop("__metadata__", None)
blocks = {name: entry for name, entry in head.items() if name.startswith("blocks.")}
rest = {name: entry for name, entry in head.items() if name not in blocks}
where = {}
for i, part in enumerate((blocks, rest, {"unused": None})):
    file, new, body = f"model-0000{i + 1}-of-00003.safetensors", {}, b""
    for name, entry in part.items():
        piece = data[slice(*entry["data_offsets"])] if entry else bytes(24 << 20)
        new[name] = {**(entry or {"dtype": "F32", "shape": [6 << 20]}), "data_offsets": [len(body), len(body) + len(piece)]}
        body, where[name] = body + piece, file
    text = json.dumps(new).encode()
    open(f"{sys.argv[2]}/{file}", "wb").write(struct.pack("<Q", len(text)) + text + body)
json.dump({"weight_map": where}, open(sys.argv[2] + "/model.safetensors.index.json", "w"))
PY
for file in model.safetensors.index.json model-00001-of-00003.safetensors; do
	doctor RWKV_V7_ON=1 -- --model "$dir/shards/$file" --disk-mb-s 0
	expect "the size of all shards, by $file" model_file fine "26.9 MiB"
	said '"id":"disk","state":"fine"' "the disk of a shard, by $file"
done
cp "$root/models/tiny-rwkv7.safetensors" "$dir/made.safetensors"
cp "$v7" "$dir/made.pth"
touch -d '2024-01-01' "$dir/made.safetensors"
doctor RWKV_V7_ON=1 -- --model "$dir/made.safetensors"; expect "a stale conversion" conversion problem "made.pth is newer"
touch -d '2023-01-01' "$dir/made.pth"
doctor RWKV_V7_ON=1 -- --model "$dir/made.safetensors"; expect "a fresh conversion" conversion fine "newer than"

# --- for people ------------------------------------------------------------------------------------------------
for lang in en zh; do
	PATH="$dir/bin:/usr/bin:/bin" RWKVMON_DOCTOR_ROOT="$dir/root" RWKV_V7_ON=0 "$rwkvmon" doctor --model "$v7" --lang $lang >"$dir/out" 2>"$dir/err"
	code=$?
	said 'export RWKV_V7_ON=1' "text in $lang"
	[ $code = 1 ] && [ ! -s "$dir/err" ] && pass || fail "exit status and silence in $lang: $code, $(cat "$dir/err")"
done
"$rwkvmon" doctor something >"$dir/out" 2>&1
[ $? = 2 ] && pass || fail "usage: an argument is refused"

finish
