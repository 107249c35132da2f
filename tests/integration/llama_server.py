#!/usr/bin/env python3
"""A real llama-server with and without the adapter: two conversations in turns, then four at once; and behind the proxy.

    llama_server.py BUILD_DIR LLAMA_SERVER MODEL.gguf

Its replies are the same, its log has six conversations whatever slots it has, and `watch` reads its /metrics. Behind the proxy
64 clients at once get the replies that they get directly; one that leaves frees its slot; a server that dies breaks off its answer.
"""
import concurrent.futures, http.client, json, subprocess
from servers import *

BUILD, SERVER, MODEL = sys.argv[1:4]
FIRST = ("Once upon a time ", " And then "), ("The king said to the queen ", " But she said ")
TURNS, REPLY = 3, 40
CLIENTS, ANSWER = 64, 12


def ask(url, prompt, seed):
    body = json.dumps({"prompt": prompt, "n_predict": REPLY, "temperature": 0.8, "seed": seed, "cache_prompt": True}).encode()
    request = urllib.request.Request(url + "/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["content"]


def serve(slots, env=None):
    """(process, port, its standard error) of a server that answers."""
    port = free_port()
    told = open(f"{scratch()}/stderr", "w+")
    process = start([SERVER, "-m", MODEL, "-np", str(slots), "--port", str(port), "-c", "8192", "-t", "1", "--metrics"], env=env,
                    stdout=subprocess.DEVNULL, stderr=told)

    def is_up():
        try:
            return fetch(f"http://127.0.0.1:{port}/health")[0] == 200
        except OSError:
            return False
    await_true("llama-server", is_up)
    return process, port, told


def talk(slots, log=None):
    """What the server says, with the adapter when there is a log."""
    env = dict(os.environ, RWKVMON_LOG=log or "none", RWKVMON_OVERHEAD_BUDGET_PCT="-1", RWKVMON_ALARMS_TO_STDERR="0")
    if log:
        env["LD_PRELOAD"] = os.path.abspath(BUILD + "/adapters/librwkvmon_llama.so")
    process, port, told = serve(slots, env)
    url = f"http://127.0.0.1:{port}"
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


def streamed(port, prompt, tokens):
    """An answer of which the status has come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", "/v1/completions", json.dumps({
        "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True,
        "stream_options": {"include_usage": True}}), {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def text_of(port, client):
    """What that client reads; every eighth reads byte by byte."""
    connection, answer = streamed(port, f"Chapter {client}. It was ", ANSWER)
    body = b"".join(iter(lambda: answer.read(1), b"")) if client % 8 == 0 else answer.read()
    connection.close()
    events = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
    check(answer.status == 200 and events and events[-1] == b"[DONE]", "an answer's end", answer.status, body[-300:])
    return "".join(choice.get("text", "") for event in events[:-1] for choice in json.loads(event)["choices"])


def ends(log):
    """The last record of each request, in the order in which they ended."""
    return [r for r in map(json.loads, open(log)) if "request_duration_ms" in r.get("performance", {})]


def behind_the_proxy():
    server, upstream, _ = serve(4)
    log = f"{scratch()}/proxy.log"
    proxy = start([BUILD + "/rwkvmon", "proxy", "--upstream", f"http://127.0.0.1:{upstream}", "--bind", "127.0.0.1:0", "--log", log,
                   "--lang", "en"], stderr=subprocess.PIPE, text=True)
    said = lines_of(proxy.stderr)
    await_true("the proxy", lambda: any(line.startswith("log: ") for line in said))
    port = int("".join(said).split("127.0.0.1:")[1].split()[0])
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        direct, proxied = (list(pool.map(lambda client: text_of(at, client), range(CLIENTS))) for at in (upstream, port))
    check(direct == proxied, "replies differ behind the proxy")
    await_true("all requests in the log", lambda: len(ends(log)) == CLIENTS)
    check({r["finish_reason"] for r in ends(log)} == {"length"}, "how requests ended", ends(log)[0])
    decoded = {}
    for r in map(json.loads, open(log)):
        if r["event_type"] == "inference_step" and r["phase"] == "decode":
            key = r["session_id"], r["sequence"]
            decoded[key] = decoded.get(key, 0) + r["token_count"]
    check(len(decoded) == CLIENTS and set(decoded.values()) == {ANSWER}, "tokens of each request", decoded)

    connection, answer = streamed(port, "Once upon a time ", 1000000)
    check(answer.read(100), "a long answer begins")
    answer.close()
    connection.close()
    await_true("a client that left in the log", lambda: ends(log)[-1]["finish_reason"] == "abort")
    await_true("its slot is free", lambda: not any(slot["is_processing"] for slot in json.loads(
        fetch(f"http://127.0.0.1:{upstream}/slots")[2])))

    connection, answer = streamed(port, "Once upon a time ", 1000000)
    check(answer.read(100), "another long answer begins")
    server.kill()
    try:
        while answer.read(4096):
            pass
        check(False, "an answer of a server that died looks complete")
    except http.client.IncompleteRead:
        pass
    await_true("a server that died in the log", lambda: ends(log)[-1]["finish_reason"] == "error")
    connection, answer = streamed(port, "Once upon a time ", 1)
    check(answer.status == 502 and "connect" in json.loads(answer.read())["error"]["message"], "a dead server", answer.status)
    print(f"llama-server behind the proxy: {CLIENTS} clients at once, a client that leaves, a server that dies")


for n in 1, 4:
    run(n)
behind_the_proxy()
