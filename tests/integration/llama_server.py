#!/usr/bin/env python3
"""A real llama-server with and without the adapter: two conversations in turns, then four at once.

    llama_server.py BUILD_DIR LLAMA_SERVER MODEL.gguf

Its replies are the same, its log has six conversations whatever slots it has, and `watch` reads its /metrics.
"""
import concurrent.futures, json, subprocess
from servers import *

BUILD, SERVER, MODEL = sys.argv[1:4]
FIRST = ("Once upon a time ", " And then "), ("The king said to the queen ", " But she said ")
TURNS, REPLY = 3, 40


def ask(url, prompt, seed):
    body = json.dumps({"prompt": prompt, "n_predict": REPLY, "temperature": 0.8, "seed": seed, "cache_prompt": True}).encode()
    request = urllib.request.Request(url + "/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["content"]


def talk(slots, log=None):
    """What the server says, with the adapter when there is a log."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = dict(os.environ, RWKVMON_LOG=log or "none", RWKVMON_OVERHEAD_BUDGET_PCT="-1", RWKVMON_ALARMS_TO_STDERR="0")
    if log:
        env["LD_PRELOAD"] = os.path.abspath(BUILD + "/adapters/librwkvmon_llama.so")
    told = open(f"{scratch()}/stderr", "w+")
    process = start([SERVER, "-m", MODEL, "-np", str(slots), "--port", str(port), "-c", "8192", "-t", "1", "--metrics"], env=env,
                    stdout=subprocess.DEVNULL, stderr=told)

    def is_up():
        try:
            return fetch(url + "/health")[0] == 200
        except OSError:
            return False
    await_true("llama-server", is_up)
    texts = [prompt for prompt, _ in FIRST]
    for turn in range(TURNS):
        texts = [text + ask(url, text, turn + 1) + follow for text, (_, follow) in zip(texts, FIRST)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda i: ask(url, f"Chapter {i}. It was ", i), range(1, 5)))
    board = json.loads(subprocess.run([BUILD + "/rwkvmon", "watch", "--once", "--json", "--interval", "0.1", url], check=True,
                                      capture_output=True, text=True).stdout)
    tokens = REPLY * (TURNS * len(FIRST) + 4)
    check(board["tokens"] > tokens and 0 < board["metrics"]["token_latency_ms"]["p50"] < 1000, board)
    process.send_signal(signal.SIGINT)
    check(process.wait(PATIENCE) == 0, "llama-server ended with", process.returncode, told.seek(0) or told.read()[-2000:])
    return texts + said


def conversations(log):
    sessions = {}
    for line in open(log):
        r = json.loads(line)
        if r["event_type"] == "inference_step":
            sessions.setdefault(r["session_id"], []).append(r)
    return list(sessions.values())


def run(slots):
    log = f"{scratch()}/server.log"
    check(talk(slots) == talk(slots, log), "replies differ under the adapter")
    told = conversations(log)
    check(len(told) == len(FIRST) + 4, "conversations:", [len(c) for c in told])
    for i, steps in enumerate(told):
        turns = TURNS if i < len(FIRST) else 1
        check(steps[-1]["sequence_length"] == sum(s["token_count"] for s in steps), "a conversation's length", steps[-1])
        check(sum(s["phase"] == "decode" for s in steps) == turns * (REPLY - 1), "decoded", i, len(steps))
        check({s["sequence"] for s in steps} == {0}, "sequences", i)
    sizes = {s.get("batch_size", 1) for steps in told[len(FIRST):] for s in steps}
    check((max(sizes) > 1) == (slots > 1), "batches", sizes)
    print(f"llama-server -np {slots}: {sum(map(len, told))} records of {len(told)} conversations, at most {max(sizes)} in a call")


for n in 1, 4:
    run(n)
