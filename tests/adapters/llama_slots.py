"""Six requests at once to the server inside xllamacpp, which has four slots; then each of them alone.
    llama_slots.py MODEL.gguf      prints what they say; exit code 1: not the same at once as alone"""
import concurrent.futures
import sys

import xllamacpp

PROMPTS = ["It was the best of times", "Call me Ishmael. Some", "Happy families are all alike", "In the beginning", "Once upon a time", "abc def"]

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_parallel, params.n_ctx, params.cpuparams.n_threads, params.port = 4, 4096, 1, 0
server = xllamacpp.Server(params)


def say(i):
    said = server.handle_completions({"prompt": PROMPTS[i], "max_tokens": 25 + 5 * i, "temperature": 1.0, "seed": i + 1, "cache_prompt": False})
    return said["choices"][0]["text"]


with concurrent.futures.ThreadPoolExecutor(6) as pool:
    at_once = list(pool.map(say, range(6)))
print(at_once)
sys.exit(at_once != list(map(say, range(6))))
