#!/bin/sh
# --on: a loop is stopped or taken back, the same seed acts the same way, a clean run does not change, and what a pipe has
# seen is never taken back; the log says each act and analyze counts them.
#     actions_test.sh BUILD_DIR
set -u
rwkvmon=$1/rwkvmon
model=$(cd "$(dirname "$0")/../.." && pwd)/models/tiny-rwkv7.safetensors
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
python3 - "$rwkvmon" "$model" <<'PY'
import json, os, re, struct, subprocess, sys, zlib

rwkvmon = sys.argv[1]


def run(*args, code=0, command="run", quiet=True, **how):
    done = subprocess.run([rwkvmon, command, *["--quiet"] * quiet, *args], capture_output=True, **how)
    assert done.returncode == code, (args, done.returncode, done.stderr.decode())
    return done


def answer(*args):
    return json.loads(run("--json", *args).stdout)


LOOPS = ("--seed", "3", "--temperature", "0", "--tokens", "900", "--prompt", "The door opened and")
REWIND = ("--on", "mode_collapse=rewind", "--on", "non_finite=stop")

plain = answer(*LOOPS, "--log", "none")["text"]
ends_in_loop = lambda text: len(zlib.compress(text[-300:].encode())) < 80
assert ends_in_loop(plain), "the case has no loop to begin with"

# rewound: no loop at the end, as long as asked for, and again the same
rewound = answer(*LOOPS, *REWIND, "--log", "acts.log")
assert not ends_in_loop(rewound["text"]), rewound["text"][-300:]
assert rewound["rewinds"] > 0 and rewound["tokens"] - rewound["tokens_taken_back"] == 900, rewound
assert answer(*LOOPS, *REWIND, "--log", "none")["text"] == rewound["text"], "another text from the same seed"
assert rewound["text"][:100] == plain[:100], "what came before the loop changed"

# the log: one line per act, sequences become shorter, analyze counts
acts = [e for e in map(json.loads, open("acts.log")) if e["event_type"] == "action"]
back = [e for e in acts if e["action"] == "rewind"]
assert len(back) == rewound["rewinds"], acts
for i, e in enumerate(back):
    before, after = e["before"], e["after"]
    assert e["alarm_type"] == "mode_collapse" and e["reason"] and e["attempt"] == i + 1, e
    assert after["sequence_length"] == e["sequence_length"] < before["sequence_length"], e
    assert before["temperature"] == 0 and after["temperature"] >= 1, e
assert 0 < rewound["rewind_bytes"] <= 64 << 20, rewound
assert 0 < rewound["tokens_fed_again"] <= 64 * rewound["rewinds"], rewound

# the way back to the given settings: by steps, bolder again while the text repeats itself, and not into the next loop
steps = [e for e in acts if e["action"] == "set_sampling"]
eased = [e["after"]["temperature"] for e in steps]
assert eased and all(0 <= t <= 1 and t * 8 == round(t * 8) for t in eased), eased
for i, e in enumerate(steps):
    assert abs(e["after"]["temperature"] - e["before"]["temperature"]) == 0.125 or i + 1 == len(steps), e
assert eased[-1] == 0, "an answer leaves other settings than those that were given"
many = [answer("--seed", str(n), "--temperature", "0", "--tokens", "2000", "--prompt", "My sister wrote a letter to", *REWIND,
               "--log", "none") for n in range(3)]
assert 3 <= sum(a["rewinds"] for a in many) <= 5, [a["rewinds"] for a in many]  # 4 each when the settings came back at once
assert not any(ends_in_loop(a["text"]) for a in many)
numbers = [json.loads(line)["record"] for line in open("acts.log")]
assert numbers == list(range(len(numbers))), "lines are not numbered one by one"
live = json.loads(run("acts.log", "--format", "json", command="analyze").stdout)["live"]["actions"]
assert live["rewind"] == len(back) and live["total"] == len(acts), live
assert live["tokens_taken_back"] == rewound["tokens_taken_back"], live
for form in ("text", "html", "markdown"):
    said = " ".join(run("acts.log", "--format", form, command="analyze").stdout.decode().split())
    assert "went back" in said and "Tokens taken back" in said, form

# a pipe: what has been written at any time is the beginning of what is written in the end
pipe = subprocess.Popen([rwkvmon, "run", "--quiet", "--log", "none", *LOOPS, *REWIND, "--hold-back", "300"],
                        stdout=subprocess.PIPE)
assert pipe.stdout.read().decode() == "The door opened and" + rewound["text"] + "\n", "a pipe got another text"
assert pipe.wait() == 0

# a terminal: what is taken back is told there, and what remains is shown again on a line of its own; one that shows no
# messages shows no text that is taken back either
def on_terminal(*args, stderr=None):
    ours, theirs = os.openpty()
    child = subprocess.Popen([rwkvmon, "run", "--log", "none", *LOOPS, *REWIND, *args], stdout=theirs,
                             stderr=stderr or theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 65536):
            shown += more
    except OSError:  # the terminal's other end is closed
        pass
    assert child.wait() == 0, shown
    return shown.decode().replace("\r\n", "\n")


said = on_terminal()
assert "[REWIND]" in said and "\n… " in said and "tokens taken back" in said.split("\n… ", 1)[1], said
assert "\n… " in on_terminal("--quiet"), "text was taken back silently"
assert on_terminal(stderr=subprocess.DEVNULL) == "The door opened and" + rewound["text"] + "\n"

# stopped, warned
stopped = answer(*LOOPS, "--on", "mode_collapse=stop", "--log", "stop.log")
assert stopped["stopped_by"] == "mode_collapse" and plain.startswith(stopped["text"]) and stopped["tokens"] < 900, stopped
last = [e for e in map(json.loads, open("stop.log")) if e["event_type"] == "action"]
assert [e["action"] for e in last] == ["stop"] and last[0]["tokens_saved"] == 900 - stopped["tokens"], last
warned = run(*LOOPS, "--on", "mode_collapse=warn", "--log", "warn.log")
assert warned.stdout.decode() == "The door opened and" + plain + "\n", "a warning changed the text"
assert "warn" in [json.loads(line).get("action") for line in open("warn.log") if '"action"' in line]

# clean runs do not change
for seed in "1", "2":
    clean = ("--seed", seed, "--tokens", "1500", "--log", "none")
    a, b = answer(*clean), answer(*clean, *REWIND, "--adapt-sampling")
    assert a["text"] == b["text"] and b["rewinds"] == 0, "a clean run changed"

# sampling follows the repetition, the same way from the same seed, and each step is in the log
adapted = answer(*LOOPS, "--adapt-sampling", "--log", "adapt.log")
assert adapted["text"] == answer(*LOOPS, "--adapt-sampling", "--log", "none")["text"] != plain
assert not ends_in_loop(adapted["text"]), adapted["text"][-300:]
steps = [e for e in map(json.loads, open("adapt.log")) if e["event_type"] == "action"]
assert steps and all(e["action"] == "set_sampling" and 0 <= e["after"]["temperature"] <= 1.2 for e in steps), steps

# chat: an answer that loops is taken back there too
said = run("--seed", "3", "--temperature", "0", "--top-p", "0", "--tokens", "600", "--log", "chat.log", *REWIND,
           command="chat", quiet=False, input=b"+gen The door opened and\n")
told = re.search(r"going back: ([0-9.]+) MiB for kept states; ([0-9]+) rewind", said.stderr.decode())
assert told and float(told[1]) > 0 and int(told[2]) > 0, said.stderr
said = said.stdout.decode()
assert "rewind" in [json.loads(line).get("action") for line in open("chat.log") if '"action"' in line]
assert not ends_in_loop(said.rstrip()), said[-300:]

# a token whose embedding is not finite poisons the state: back to before it, and another one is drawn
source = open(sys.argv[2], "rb").read()
header_bytes = struct.unpack("<Q", source[:8])[0]
header = json.loads(source[8:8 + header_bytes])
emb = header["emb.weight"]
width, size = emb["shape"][1], {"F32": 4, "F16": 2, "BF16": 2}[emb["dtype"]]
at = 8 + header_bytes + emb["data_offsets"][0] + ord("k") * width * size
nan = {"F32": b"\0\0\xc0\x7f", "F16": b"\0\x7e", "BF16": b"\xc0\x7f"}[emb["dtype"]]
open("poisoned.safetensors", "wb").write(source[:at] + nan * width + source[at + width * size:])
poisoned = ("--model", "poisoned.safetensors", "--seed", "5", "--tokens", "400", "--prompt", "The door opened and")
stopped = answer(*poisoned, "--on", "non_finite=stop", "--log", "none")
assert stopped["stopped_by"] == "non_finite" and stopped["text"].endswith("k") and stopped["tokens"] < 400, stopped
back = answer(*poisoned, "--on", "non_finite=rewind", "--log", "nan.log")
assert back["rewinds"] > 0 and "k" not in back["text"] and len(back["text"]) > len(stopped["text"]), back
acts = [e for e in map(json.loads, open("nan.log")) if e["event_type"] == "action" and e["action"] == "rewind"]
assert all(e["alarm_type"] == "non_finite" and e["before"]["sequence_length"] == e["after"]["sequence_length"] + 1 for e in acts[:1]), acts

# refusals
for args, words in (
        (("--on", "high_latency=stop"), "expected mode_collapse=ACT or non_finite=ACT"),
        (("--on", "mode_collapse=jump"), "expected stop, rewind or warn"),
        (("--on", "mode_collapse=stop", "--on", "mode_collapse=warn"), "given twice"),
        (("--on", "mode_collapse=stop", "--hold-back", "9"), "no effect"),
        (("--on", "mode_collapse=rewind", "--hold-back", "0"), "give --hold-back 1 or more"),
        (("--on", "mode_collapse=stop", "--unwatched"), "no effect"), (("--adapt-sampling", "--unwatched"), "no effect"),
        (("--on", "mode_collapse=rewind", "--rewind-memory", "0"), "give --rewind-memory 1")):
    assert words in run("--tokens", "1", "--log", "none", *args, code=2).stderr.decode(), args
print("actions: all as they should be")
PY
