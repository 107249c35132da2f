#!/bin/bash
# What goes wrong is said in Chinese, all of it: no English sentence is left in it, be it a library's or the system's, and
# no ASCII mark touches a Chinese character. In quotes and backquotes stand words of others, and commands.
#     chinese_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
unset LC_ALL LC_MESSAGES
export LANG=zh_CN.UTF-8 http_proxy= HTTP_PROXY= ALL_PROXY= all_proxy=
cp "$root/tests/logs/worked.log" run.log
head -c 3000 /dev/zero | tr '\0' '\377' >noise.bin
: >empty.log
mkdir folder short
head -n 1 run.log >short/one.log
"$here/make_model.py" 300 model.safetensors
python3 - <<'END'
import json, struct
def safetensors(name, tensors):
    head = json.dumps(tensors).encode()
    open(name, "wb").write(struct.pack("<Q", len(head)) + head + bytes(4))
one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
safetensors("lora.safetensors", {"blocks.0.att.key.lora_A": one})
safetensors("llama.safetensors", {"model.layers.0.self_attn.q_proj.weight": one})
safetensors("dtype.safetensors", {"a": one | {"dtype": "I4"}})
open("torn.safetensors", "wb").write(struct.pack("<Q", 9) + b'{"a":[1,}')
open("pickle.pth", "wb").write(b"\x80\x02\x85.")
for name, text in {"tab.yaml": "rules:\n\t- a", "colon.yaml": "a: b: c", "list.yaml": "rules: [1", "quote.yaml": 'a: "b', "alias.yaml": "a: *b",
                   "escape.yaml": 'a: "\\q"', "indent.yaml": "- a\nb: c", "metric.yaml": "rules:\n  - metric: [a]\n", "keys.yaml": "rule: 1\n",
                   "words.yaml": "rules:\n  - metric: token_latancy_ms\n", "directive.yaml": "%FOO\n---\na: b", "settings.yaml": "thread: 2\n",
                   "value.yaml": "threads: many\n", "mapping.yaml": "timestamp: [1]\n", "metrics.yaml": "timestamp: { path: t, format: iso }\n",
                   "tok.json": '{"model": {"type": "WordPiece", "vocab": {}, "merges": []}}', "torn.json": '{"model": ', "vocab.txt": "0 'a' 2\n"}.items():
    open(name, "w").write(text)
END
python3 - "$rwkvmon" <<'END'
import re, shlex, socket, subprocess, sys
busy = socket.create_server(("127.0.0.1", 0))
silent = socket.create_server(("127.0.0.1", 0))
free = silent.getsockname()[1]
silent.close()
COMMANDS = f"""
foo
analyze
analyze nothere.log
analyze folder
analyze --fomat json run.log
analyze --format jsno run.log
analyze --since yesterday run.log
analyze --rules nope run.log
analyze --session zzz run.log
analyze --fail-on nonsense run.log
analyze --fail-on 'token_latency_ms p95 >' run.log
analyze --fail-on 'token_latency_ms p95 > 0.001' run.log
analyze --goal fast run.log
analyze --map mapping.yaml run.log
analyze --map metrics.yaml run.log
analyze --map keys.yaml run.log
analyze -o run.log run.log
analyze noise.bin
analyze empty.log
analyze --merge run.log
analyze --charts run.log run.log
compare run.log
compare run.log run.log --fail-on 'quant_kl_nats p95 > 5%'
forecast
forecast --train short -o x.safetensors
forecast run.log --lstm run.log
watch http://127.0.0.1:{free} --once
serve
serve folder --listen 127.0.0.1:{busy.getsockname()[1]}
serve folder --listen 192.0.2.1:80
serve folder --listen nowhere.invalid:80
proxy
proxy --upstream ftp://x
fleet http://127.0.0.1:{free}
fleet folder --last soon
ship run.log
ship run.log --to http://127.0.0.1:{free} --once --spool spool
rules
rules check nope.yaml
rules replay metric.yaml run.log
log
log check noise.bin
log repair run.log
tune --max-kl x
convert
convert model.safetensors -o x.safetensors --to int4
convert run.log -o x.safetensors
export foo
run --model lora.safetensors --prompt x
run --model llama.safetensors --prompt x
run --model dtype.safetensors --prompt x
run --model torn.safetensors --prompt x
run --model pickle.pth --prompt x
run --model noise.bin --prompt x
run --model model.safetensors --tokenizer noise.bin --prompt x
run --model model.safetensors --tokenizer tok.json --prompt x
run --model model.safetensors --tokenizer torn.json --prompt x
run --model model.safetensors --tokenizer vocab.txt --prompt x
run --strategy 'cuda fp16' --prompt x
run --strategy 'cpu int' --prompt x
run --state run.log --prompt x
run --prompt-file noise.bin
run --prompt-file folder
run -n many --prompt x
run -t hot --prompt x
run --log none/x.log --prompt x
run --on foo=bar --prompt x
run --alarm-to foo+bar --prompt x
run --alarm-to slack+ftp://x --prompt x
run --alarm-to command+nosuchprogram --prompt x
run --alarm-to file+none/x --prompt x
run --settings settings.yaml --prompt x
run --settings value.yaml --prompt x
run --threads 0 --prompt x
run extra
eval --tokens 1,999999
eval --tokens a,b
""".strip().splitlines() + [f"rules check {name}.yaml" for name in "tab colon list quote alias escape indent metric keys words directive".split()]
# Alarms that nobody takes: what was missed, and why.
COMMANDS += [f"run --prompt x --tokens 40 --log x.log --rules alarm.yaml --alarm-to webhook+http://127.0.0.1:{free}/",
             "run --prompt x --tokens 40 --log y.log --rules alarm.yaml --alarm-to command+/bin/false"]
open("alarm.yaml", "w").write("rules:\n  - alarm: high_latency\n    metric: token_latency_ms\n    above: 0\n    severity: critical\n")
HAN = r"[\u4e00-\u9fff]"
passed = failed = 0
for line in COMMANDS:
    done = subprocess.run([sys.argv[1], *shlex.split(line)], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=100)
    said = done.stderr + (done.stdout if line.startswith(("rules check", "log check")) else "")
    bare = re.sub(r"\b[0-9a-f]{2}\b|`[^`]*`|“[^”]*”|\{[^}]*\}|rwkvmon [a-z][^\n（）]*", "", said, flags=re.M)
    for what, wrong in (("says nothing in Chinese", not re.search(HAN, said)), ("fails not", not done.returncode and "alarm.yaml" not in line),
                        ("English", re.search(r"(?:\b[A-Za-z]{2,}'?[a-z]* ){2}[a-z]{2,}", bare)),
                        ("an ASCII mark", re.search(HAN + r"(?: ?[,;:!?(]|[)\"])|[,;:!?)\"] ?" + HAN, bare))):
        if wrong:
            failed += 1
            print("FAILED: %s: %s: %s" % (line, what, said))
        else:
            passed += 1
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
END
[ $? = 0 ] && pass || fail "see above"
finish
