"""Two conversations through llama-cpp-python, of which the first is saved and goes on at the end.
    llama_python.py MODEL.gguf      prints what they say"""
import itertools
import sys

from llama_cpp import Llama

model = Llama(model_path=sys.argv[1], n_ctx=512, n_threads=1, verbose=False, seed=1)


def say(tokens, most, reset=True):
    return list(itertools.islice(model.generate(tokens, temp=0.0, reset=reset), most))


first = say(list(b"It was the best of times"), 20)
saved = model.save_state()
second = say(list(b"Call me Ishmael. Some"), 20)
model.load_state(saved)
print(first, second, say(first[-1:], 10, reset=False))
