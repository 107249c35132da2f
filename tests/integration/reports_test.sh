#!/bin/sh
# Files out of public reports, as people had them: each is read, or refused by a sentence that names what it is.
#     reports_test.sh BUILD_DIR
# They lie in $RWKVMON_SHARED/cases/reports; the project's own tests hold small twins of them (refusals_test, field_test).
. "$(dirname "$0")/begin.sh"
reports=${RWKVMON_SHARED:-$root/../shared}/cases/reports
[ -d "$reports" ] || skip "no public reports (set RWKVMON_SHARED)"
reports=$(cd "$reports" && pwd)
cd "$dir" || exit 1
export LANG=C.UTF-8 COLUMNS=200

# says EXIT_CODE TEXT ARGUMENTS...
says() {
	want=$1 text=$2
	shift 2
	timeout 120 "$rwkvmon" "$@" >out 2>err </dev/null
	rc=$?
	if [ $rc -eq "$want" ] && cat out err | grep -qF -- "$text"; then pass; else
		fail "$*: exit code $rc, expected $want and \"$text\""
		cat err out | tail -20
	fi
}
# cause CAUSE FILE
cause() {
	timeout 120 "$rwkvmon" diagnose "$2" -q --format json >out 2>err
	got=$(python3 -c 'import json; print(json.load(open("out"))["cause"])' 2>&1)
	if [ "$got" = "$1" ]; then pass; else fail "$2: $got, expected $1"; fi
}
# records N FILE
records() {
	timeout 120 "$rwkvmon" analyze "$2" -q --format json >out 2>err
	got=$(python3 -c 'import json; print(json.load(open("out"))["input"]["records"])' 2>&1)
	if [ "$got" = "$1" ]; then pass; else fail "$2: $got records, expected $1"; fi
}

cause fp16_overflow "$reports/01-nan-at-once/hot.log"
cause non_finite "$reports/01-nan-at-once/own.log"
cause repetition "$reports/02-loop-longer-than-100-tokens/loop250.log"
cause wrong_input "$reports/03-wrong-tokenizer/world.log"
cause memory_growth "$reports/04-vram-growth/vramgrow.log.zst"
cause memory_growth "$reports/04-vram-growth/vramgrow80.log.zst"
cause slow_start "$reports/05-slow-first-call/warmup.log"
cause slow_start "$reports/05-slow-first-call/warmup2.log"

says 1 "blocks.3.ffn.value.weight" doctor -m "$reports/06-nan-weights/nan.safetensors"
says 0 "NaN or Inf is in the logits" eval -m "$reports/06-nan-weights/nan.safetensors" --tokens 72,101
says 1 "does not match its CRC-32" doctor -m "$reports/07-damaged-inside/hole_inside.pth"
says 3 "does not match its CRC-32" convert "$reports/07-damaged-inside/hole_inside.pth" -o x.safetensors
says 0 "entropy" eval -m "$reports/08-webgpu-st-v6/v6.st" --tokens 1,2,3
says 0 "entropy" eval -m "$reports/09-gguf-q6k-head/wide-Q6_K.gguf" --tokens 1,2,3
says 3 "is RWKV-4 in the form of transformers" eval -m "$reports/10-other-names/hf-rwkv4.safetensors" --tokens 1
says 3 "holds LoRA factors only" eval -m "$reports/10-other-names/lora.safetensors" --tokens 1
says 3 "is the World vocabulary in web-rwkv's JSON" run -m "$reports/11-vocab-json-and-bom/v4w.safetensors" \
	--tokenizer "$reports/11-vocab-json-and-bom/vocab.json" -p x -n 3 --log none
says 0 "3 tokens" run -m "$reports/11-vocab-json-and-bom/v4w.safetensors" \
	--tokenizer "$reports/11-vocab-json-and-bom/vocab_bom.txt" -p x -n 3 --log none

records 401 "$reports/12-utf16-log/utf16le.log"
for wrapped in docker cri compose journald_json; do
	records 59 "$reports/13-wrapped-by-a-container/$wrapped.log"
done
mkdir rotated
i=0
for name in a.log.1 a.log-20260101 a.log.2026-01-01T00:00:00 a.log.2026-01-01_12-30 a.log-20260101-1234567890 a.jsonl.2 a.ndjson b.log; do
	i=$((i + 1))
	sed "s/rwkv-sess-/rwkv-sess-$i/" "$reports/13-wrapped-by-a-container/docker.log" >"rotated/$name" # no file is another's copy
done
timeout 120 "$rwkvmon" analyze rotated -q --format json >files.json 2>err
check "names of rotated logs of every kind" python3 -c '
import json
assert len(json.load(open("files.json"))["input"]["files"]) == 8'

says 3 "is an archive that holds RWKV-x070.pth" eval -m "$reports/28-refusals-that-lead-astray/zip_of_pth.pth" --tokens 1
says 3 "is one part of a GGUF file in several" eval -m "$reports/28-refusals-that-lead-astray/split-00001-of-00003.gguf" --tokens 1
says 3 "is an old ggml file" eval -m "$reports/28-refusals-that-lead-astray/ggjt.bin" --tokens 1
finish
