"""A conversation with an RWKV model through the package rwkv, as ChatRWKV's demo holds it.

    python examples/chat.py MODEL [--tokens N]          MODEL as rwkv.model.RWKV wants it
    python -m rwkvmon examples/chat.py MODEL            the same, watched

It knows nothing of rwkvmon. Byte-level models (a vocabulary of 256) need no tokenizer file.
"""
import argparse
import os
import tempfile

os.environ.setdefault("RWKV_JIT_ON", "1")
os.environ.setdefault("RWKV_CUDA_ON", "0")

from rwkv.model import RWKV
from rwkv.rwkv_tokenizer import TRIE_TOKENIZER
from rwkv.utils import PIPELINE

CHUNK_LEN = 256
GEN_TEMP = 1.0
GEN_TOP_P = 0.3
GEN_alpha_presence = 0.5
GEN_alpha_frequency = 0.5
GEN_penalty_decay = 0.996
TURNS = ["User: Good evening, captain. What do you see?\n\nBot:", "User: And what does the old man say of it?\n\nBot:",
         "User: Tell me how it ends.\n\nBot:"]


def byte_tokenizer():
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as f:
        f.writelines(f"{i} {bytes([i])!r} 1\n" for i in range(256))
    try:
        return TRIE_TOKENIZER(f.name)
    finally:
        os.remove(f.name)


class Chat:
    def __init__(self, model, pipeline):
        self.model, self.pipeline, self.state = model, pipeline, None

    def read(self, text):
        tokens = self.pipeline.encode(text.replace("\r\n", "\n"))
        while tokens:
            logits, self.state = self.model.forward(tokens[:CHUNK_LEN], self.state)
            tokens = tokens[CHUNK_LEN:]
        return logits

    def answer(self, text, most):
        logits, seen, said = self.read(text), {}, []
        for _ in range(most):
            for token, count in seen.items():
                logits[token] -= GEN_alpha_presence + count * GEN_alpha_frequency
            logits[0] -= 1e10  # no end of text
            token = self.pipeline.sample_logits(logits, temperature=GEN_TEMP, top_p=GEN_TOP_P)
            logits, self.state = self.model.forward([token], self.state)
            for other in seen:
                seen[other] *= GEN_penalty_decay
            seen[token] = 1 + seen.get(token, 0)
            said.append(token)
        return self.pipeline.decode(said)


def main():
    global GEN_alpha_presence, GEN_alpha_frequency
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--strategy", default="cpu fp32")
    p.add_argument("--tokens", type=int, default=300, help="tokens of all answers together")
    args = p.parse_args()

    model = RWKV(model=args.model, strategy=args.strategy)
    pipeline = PIPELINE(model, "rwkv_vocab_v20230424")
    vocabulary = (model.w if hasattr(model, "w") else model.z)["emb.weight"].shape[0]
    if vocabulary == 256:
        pipeline.tokenizer = byte_tokenizer()
        GEN_alpha_presence = GEN_alpha_frequency = 0.0  # healthy text repeats single bytes all the time
    chat = Chat(model, pipeline)
    for i, turn in enumerate(TURNS):
        each = args.tokens // len(TURNS) + (i < args.tokens % len(TURNS))
        print(turn, chat.answer(turn, each), sep="", end="\n\n", flush=True)


if __name__ == "__main__":
    main()
