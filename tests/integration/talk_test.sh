#!/bin/sh
# Models and tokenizers that belong together or do not; a conversation that is interrupted.
#     talk_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
fail() { failed=$((failed + 1)); echo "FAILED: $*"; sed 's/^/    /' "$dir/err"; }
expect() { # NAME CODE TEXT-IN-STDERR COMMAND...
	name=$1 code=$2 text=$3
	shift 3
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	if [ $got != "$code" ]; then fail "$name: exit code $got, expected $code"
	elif [ -n "$text" ] && ! grep -qF -- "$text" "$dir/err"; then fail "$name: standard error lacks \"$text\""
	else pass; fi
}

# --- the right tokenizer ---------------------------------------------------------------
bpe=$here/../tokenizer/small-bpe.json
talk="--tokens 20 --seed 1 --log none --quiet"
for vocab in 711 2000 50277 65536; do "$here/make_model.py" $vocab "$dir/$vocab.safetensors" || exit 1; done
# shellcheck disable=SC2086 # words
{
expect "a BPE model" 0 "" "$rwkvmon" run --model "$dir/711.safetensors" --tokenizer "$bpe" --prompt "Whole UTF-8: 状态" $talk
grep -q "状态" "$dir/out" && python3 -c 'import sys; open(sys.argv[1], encoding="utf-8").read()' "$dir/out" &&
	passed=$((passed + 1)) || fail "the text is not whole UTF-8"
expect "bytes for a BPE model" 3 "by --tokenizer" "$rwkvmon" run --model "$dir/2000.safetensors" --prompt x $talk
expect "BPE for a byte model" 3 "leave --tokenizer out" "$rwkvmon" run --tokenizer "$bpe" --prompt x $talk
expect "no tokenizer for a Pile model" 3 "20B_tokenizer.json" "$rwkvmon" run --model "$dir/50277.safetensors" --prompt x $talk
expect "no tokenizer for a World model" 3 "rwkv_vocab_v20230424.txt" "$rwkvmon" run --model "$dir/65536.safetensors" --prompt x $talk
expect "a small tokenizer for a World model" 3 "speaks 711 tokens" "$rwkvmon" run --model "$dir/65536.safetensors" --tokenizer "$bpe" --prompt x $talk
}
python3 - "$dir/20b.json" <<'PY'
import json, sys
json.dump({"pre_tokenizer": {"type": "ByteLevel"}, "model": {"vocab": {"a": 0, "b": 50276}, "merges": []}}, open(sys.argv[1], "w"))
PY
expect "the Pile's size of vocabulary on a World model" 3 "rwkv_vocab_v20230424.txt" "$rwkvmon" run --model "$dir/65536.safetensors" --tokenizer "$dir/20b.json" --prompt a --log none
expect "and on its own" 0 "" "$rwkvmon" run --model "$dir/50277.safetensors" --tokenizer "$dir/20b.json" --prompt a --tokens 3 --log none
expect "a GPU" 3 "python -m rwkvmon" "$rwkvmon" run --strategy "cuda fp16i8" --prompt x --log none

# --- a prompt that is no text ------------------------------------------------------------
printf 'One line.\nAnd \377 here.' >"$dir/latin.txt"
printf 'ELF\0\1\2' >"$dir/program"
printf '\377\376h\0i\0' >"$dir/utf16.txt"
printf '\304\343\272\303' >"$dir/gbk.txt"
expect "a byte of another character set" 3 "latin.txt: is no UTF-8 text: byte ff at position 14 (line 2)" "$rwkvmon" run --prompt-file "$dir/latin.txt" $talk
expect "with what converts it" 3 "iconv -f GB18030 -t UTF-8 $dir/gbk.txt" "$rwkvmon" run --prompt-file "$dir/gbk.txt" $talk
expect "a program" 3 "program: is no UTF-8 text: byte 00 at position 3 (line 1)" "$rwkvmon" run --prompt-file "$dir/program" $talk
expect "is no text" 3 "is it the right file?" "$rwkvmon" chat --prompt-file "$dir/program" --log none
expect "UTF-16" 3 "iconv -f UTF-16 -t UTF-8" "$rwkvmon" run --prompt-file "$dir/utf16.txt" $talk
check "also from standard input" sh -c "'$rwkvmon' run $talk <'$dir/program' 2>&1 | grep -qF 'standard input: is no UTF-8 text'"
check "and nothing was logged" sh -c "! '$rwkvmon' run --prompt-file '$dir/program' --tokens 2 --log '$dir/none.log' 2>/dev/null && ! [ -e '$dir/none.log' ]"
printf 'It was \347\212' >"$dir/cut.txt"
expect "a last character that is cut off" 0 "" "$rwkvmon" run --prompt-file "$dir/cut.txt" $talk
printf '\357\273\277It was a dark and stormy night' >"$dir/mark.txt"
tail -c +4 "$dir/mark.txt" >"$dir/plain.txt"
for kind in mark plain; do "$rwkvmon" run --prompt-file "$dir/$kind.txt" $talk >"$dir/$kind.out" 2>/dev/null </dev/null; done
check "a mark at the start is not read to the model" cmp "$dir/mark.out" "$dir/plain.out"

# --- Ctrl-C stops the answer, not the program ------------------------------------------
mkfifo "$dir/says"
timeout 120 "$rwkvmon" chat --tokens 100000000 --seed 3 --log none <"$dir/says" >"$dir/out" 2>"$dir/err" &
waiter=$!
exec 3>"$dir/says"
echo "+gen It was" >&3
while [ "$(wc -c <"$dir/out")" -lt 100 ]; do kill -0 $waiter 2>/dev/null || break; sleep 0.05; done
chat=$(pgrep -P $waiter)
kill -INT "$chat"
echo "+retry" >&3
while ! grep -q "It was.*It was" "$dir/out" && [ "$(grep -c "It was" "$dir/out")" -lt 2 ]; do kill -0 $waiter 2>/dev/null || break; sleep 0.05; done
kill -INT "$chat"
echo "+history" >&3
echo "+quit" >&3
exec 3>&-
wait $waiter
code=$?
[ $code = 0 ] && passed=$((passed + 1)) || fail "chat after Ctrl-C: exit code $code, expected 0"
grep -q "^1  It was" "$dir/err" && passed=$((passed + 1)) || fail "+history does not show the turn"

finish
