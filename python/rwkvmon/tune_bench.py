"""The process that `rwkvmon tune --python` asks: it opens a model of the package rwkv, and says how long calls take.

    python -m rwkvmon.tune_bench MODEL STRATEGY     answers requests of standard input on standard output (src/cli/tune_wire.h)
    python -m rwkvmon.tune_bench --list MODEL       prints the strategies that are worth trying, the most exact first

What races, and how it is judged, is the program's; here time is only taken.
"""
from __future__ import annotations

import os
import statistics
import struct
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Tuple

_REQUEST, _ANSWER, _END, _BURST = struct.Struct("@6I"), struct.Struct("@ddI8s480s4x"), 0, 1
_WARM_TOKENS = 8
_MODEL_SUFFIX = ".pth"
_DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def _weights(torch: Any, path: str) -> Dict[str, Any]:
    try:
        found: Dict[str, Any] = torch.load(path, map_location="cpu", mmap=True)
    except (RuntimeError, TypeError):  # an older torch, an older file
        found = torch.load(path, map_location="cpu")
    return found


def _layers(weights: Dict[str, Any]) -> int:
    return 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))


def _is_v7(weights: Dict[str, Any]) -> bool:
    return "blocks.0.att.r_k" in weights


def strategies(v7: bool, layers: int, cuda: bool) -> List[str]:
    """The class for RWKV-7 reads a device and a type, and nothing beyond."""
    if v7:
        return ["cpu fp32", "cpu bf16"] + (["cuda fp16", "cuda bf16", "cuda fp32"] if cuda else [])
    half = max(1, layers // 2)
    on_device = ["cuda fp16", "cuda fp16i8", f"cuda fp16 *{half} -> cpu fp32", f"cuda fp16i8 *{half} -> cuda fp16"]
    return ["cpu fp32", "cpu bf16", "cpu fp32i8"] + (on_device if cuda else [])


class _Bench:
    def __init__(self, path: str, strategy: str) -> None:
        import torch

        self._torch = torch
        weights = _weights(torch, path)
        self.dtype = _DTYPES.get(str(weights["emb.weight"].dtype).replace("torch.", ""), "")
        self.vocab = int(weights["emb.weight"].shape[0])
        os.environ.setdefault("RWKV_V7_ON", "1" if _is_v7(weights) else "0")
        os.environ.setdefault("RWKV_JIT_ON", "1")
        os.environ.setdefault("RWKV_CUDA_ON", "0")
        del weights
        from rwkv.model import RWKV

        self._model = RWKV(model=path[:-len(_MODEL_SUFFIX)], strategy=strategy)
        self._text: List[int] = [0]
        self._at = 0
        self._state: Any = None

    def warm(self, text: Tuple[int, ...]) -> None:
        self._text = list(text) or [0]
        for _ in range(_WARM_TOKENS):
            self.predict(self._next(1)[0])

    def _next(self, n: int) -> List[int]:
        tokens = [self._text[(self._at + i) % len(self._text)] for i in range(n)]
        self._at += n
        return tokens

    def _forward(self, tokens: List[int]) -> Any:
        out, self._state = self._model.forward(tokens, self._state)
        if self._torch.cuda.is_available():
            self._torch.cuda.synchronize()
        return out

    def predict(self, token: int) -> bytes:
        return bytes(self._forward([token]).float().cpu().contiguous().numpy().tobytes())

    def burst(self, threads: int, chunk_len: int, calls: int, prefill: bool) -> float:
        """Nanoseconds per token: the median of single tokens, the mean of prompts, as tune_serve.c takes them."""
        self._torch.set_num_threads(threads)
        n = chunk_len if prefill else 1
        took = []
        for _ in range(calls):
            tokens = self._next(n)
            start = time.perf_counter_ns()
            self._forward(tokens)
            took.append((time.perf_counter_ns() - start) / n)
        return statistics.fmean(took) if prefill else statistics.median(took)

    def memory_mb(self) -> float:
        """Resident, and what torch holds on devices."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held = sum(self._torch.cuda.memory_allocated(i) for i in range(self._torch.cuda.device_count()))
        return float((pages * os.sysconf("SC_PAGE_SIZE") + held) / 2 ** 20)


def _answer(to: BinaryIO, ns: float = float("nan"), memory_mb: float = float("nan"), vocab: int = 0, dtype: str = "",
            why: str = "", more: bytes = b"") -> None:
    to.write(_ANSWER.pack(ns, memory_mb, vocab, dtype.encode()[:7], why.encode()[:479]) + more)
    to.flush()


def _ask(of: BinaryIO, n: int) -> bytes:
    """b"" when the asking side is gone."""
    found = of.read(n)
    return found if len(found) == n else b""


def _serve(path: str, strategy: str, requests: BinaryIO, answers: BinaryIO) -> None:
    n, = struct.unpack("@I", _ask(requests, 4))
    text = struct.unpack(f"@{n}I", _ask(requests, 4 * n))
    bench = _Bench(path, strategy)
    if n:
        bench.warm(text)
    _answer(answers, memory_mb=bench.memory_mb(), vocab=bench.vocab, dtype=bench.dtype)
    while request := _ask(requests, _REQUEST.size):
        kind, threads, chunk_len, calls, prefill, token = _REQUEST.unpack(request)
        if kind == _END:
            return
        if kind == _BURST:
            _answer(answers, ns=bench.burst(threads, chunk_len, calls, bool(prefill)))
        else:
            _answer(answers, more=bench.predict(token))


def _said(e: BaseException) -> str:
    return (str(e).strip().splitlines() or [type(e).__name__])[-1]


def _private_pipes() -> Tuple[BinaryIO, BinaryIO]:
    """The two ends, out of reach of what packages print."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    return requests, answers


def main(words: List[str]) -> int:
    if words[:1] == ["--list"]:
        import torch

        path = _with_suffix(words[1])
        weights = _weights(torch, path)
        print("\n".join(strategies(_is_v7(weights), _layers(weights), torch.cuda.is_available())))
        return 0
    requests, answers = _private_pipes()
    try:
        _serve(_with_suffix(words[0]), words[1], requests, answers)
    except BrokenPipeError:
        pass
    except Exception as e:
        _answer(answers, why=_said(e))
    return 0


def _with_suffix(path: str) -> str:
    return path if path.endswith(_MODEL_SUFFIX) else path + _MODEL_SUFFIX


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
