#!/usr/bin/env python3
"""Writes small-bpe.json and cases.json anew: a byte-level BPE in the manner of 20B_tokenizer.json, trained on
the project's own documents, and what HuggingFace's `tokenizers` makes of texts that are easy to get wrong.

    pip install tokenizers && tests/tokenizer/make_bpe.py [--check]

With --check nothing is written: the cases must be what the package makes of small-bpe.json today.
The project's tests read the two files and need no package."""

import json
import pathlib
import random
import sys
import unicodedata

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
LETTERS = "aZé中한дकไ\u0301\u1100\u1161\u212b\u1e9b\u0323🐦👨‍👩‍👧ªʰ"
NUMBERS = "07٣Ⅷ½²一〇"
SPACES = " \t\n\r\v\f\u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
OTHERS = "!.,'\"-_(){}<>|$€+^`\u200b\ufeff\u0000\u001f\u00ad№"


def train():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                  special_tokens=["<|endoftext|>", "<|padding|>"], show_progress=False)
    t.train([str(ROOT / name) for name in ("README.md", "README.zh.md", "CONTRIBUTING.md", "ARCHITECTURE.md")], trainer)
    t.add_tokens([AddedToken(" " * n, normalized=True) for n in range(12, 1, -1)])
    return t


def texts():
    yield from ["", " ", "  ", "\n", "a", " a", "  a", "   a  ", "a\n\n b", "a \n b", "don't we'll I'd you're they've I'm it's",
                "DON'T 'S '' 's", "x'y'll", "<|endoftext|>", "a<|endoftext|> b<|padding|>", "<|endoftext", "<|<|endoftext|>",
                "e\u0301 vs é", "\u1100\u1161\u11a8 한", "A\u030a\u0323", "\u0301", " \u0301a", "12 345٣Ⅷ½ a1b2", "a" * 300,
                " " * 11, " " * 30 + "x", "tab\t\tx", "\u3000\u3000中文 token", "🐦‍⬛ birds", "\x00\x01\x1f", "\ufeffbom",
                "The monitor watches the state of the model.", "监控运行中的模型:状态、速度与显存。", "fn(x) { return x->y[0] != NULL; }"]
    source = random.Random(7)
    for _ in range(250):
        pools = source.choice([[LETTERS], [SPACES, LETTERS], [LETTERS, NUMBERS, SPACES, OTHERS], [" ", LETTERS, "'stdlmrev"]])
        yield "".join(source.choice(source.choice(pools)) for _ in range(source.randint(1, 40)))


def cases(t):
    return [{"text": text, "ids": t.encode(text).ids} for text in texts()]


def check():
    t = Tokenizer.from_file(str(HERE / "small-bpe.json"))
    wrong = [c["text"] for c in json.loads((HERE / "cases.json").read_text()) if t.encode(c["text"]).ids != c["ids"]]
    print(f"tokenizers: {len(wrong)} cases differ {wrong[:3] if wrong else ''}")
    return len(wrong) > 0


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    t = train()
    t.save(str(HERE / "small-bpe.json"), pretty=False)
    rows = ",\n".join(json.dumps(case) for case in cases(t))
    (HERE / "cases.json").write_text("[\n" + rows + "\n]\n")
    print(f"{t.get_vocab_size()} tokens, Unicode {unicodedata.unidata_version} in Python")


if __name__ == "__main__":
    sys.exit(main())
