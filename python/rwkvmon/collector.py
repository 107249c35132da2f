"""One handle of the library: begin, end, close. What a runtime other than `rwkv` would use.

    with Collector(Options(log="run.log"), Description(model_name="RWKV-7 0.1B")) as mon:
        mon.begin()
        logits, state = forward(tokens)
        mon.end(tokens, logits=view_of(logits), state=[...])

A handle is used by one thread at a time. Buffers are read during the call and never kept.
"""
from __future__ import annotations

import ctypes
import sys
from ctypes import byref, c_uint32
from types import TracebackType
from typing import Dict, List, Optional, Sequence, Tuple, Type

from . import _native
from ._native import Config, Number, RwkvmonError, StateSums, Step, TensorView, Totals
from .options import Description, Options


def _bytes(text: Optional[str]) -> Optional[bytes]:
    return None if text is None else text.encode()


def _config(options: Options, what: Description) -> Config:
    if options.fsync not in _native.SYNCS:
        raise RwkvmonError(f'fsync: found "{options.fsync}", expected {", ".join(_native.SYNCS)}')
    config = Config(
        struct_size=ctypes.sizeof(Config), log_path=_bytes(options.log), rules=_bytes(options.rules),
        session_id=_bytes(options.session_id), instance=_bytes(options.instance), lang=_bytes(options.lang),
        log_tokens=options.log_tokens, alarms_to_stderr=options.alarms,
        model_name=_bytes(options.model_name or what.model_name), model_version=_bytes(what.model_version),
        strategy=_bytes(options.strategy or what.strategy), runtime_name=_bytes(what.runtime_name),
        runtime_version=_bytes(what.runtime_version), runtime_flags=_bytes(what.runtime_flags),
        chunk_len=options.chunk_len or what.chunk_len, n_layer=what.n_layer, n_embd=what.n_embd,
        vocab_size=what.vocab_size, model_bytes=what.model_bytes, load_time_ms=what.load_time_ms,
        log_sync=_native.SYNCS[options.fsync], log_rotate_bytes=options.rotate_bytes,
        log_rotate_seconds=options.rotate_seconds, log_keep=options.keep, log_state_norms=options.state_norms,
        overhead_budget_pct=options.budget_pct, alarm_file=_bytes(options.alarm_file), webhook_url=_bytes(options.webhook_url),
        webhook_template=_bytes(options.webhook_template), alertmanager_url=_bytes(options.alertmanager_url),
        listen=_bytes(options.listen), listen_token=_bytes(options.listen_token),
        metrics_textfile=_bytes(options.metrics_textfile))
    if options.alarm_command:
        words = [*(word.encode() for word in options.alarm_command), None]
        config.alarm_command = (ctypes.c_char_p * len(words))(*words)
    if what.sampler:
        config.has_sampler = 1
        for name in ("temperature", "top_p", "alpha_frequency", "alpha_presence", "penalty_decay", "top_k", "seed"):
            setattr(config, name, getattr(what.sampler, name))
    return config


class Collector:
    """A handle. `totals` is set by close()."""

    def __init__(self, options: Options = Options(), what: Description = Description()) -> None:
        self._lib = _native.lib()
        self._handle = ctypes.c_void_p()
        self._tokens = (c_uint32 * 256)()
        self._metrics: Dict[str, int] = {}
        self.totals: Optional[Totals] = None
        why = ctypes.create_string_buffer(_native.ERROR_BYTES)
        if self._lib.rwkvmon_open(byref(self._handle), byref(_config(options, what)), why):
            raise RwkvmonError(why.value.decode(errors="replace"))

    @property
    def url(self) -> str:
        """Where /metrics is; "" when nothing listens."""
        said: bytes = self._lib.rwkvmon_url(self._handle)
        return said.decode()

    def begin(self) -> None:
        """The forward call begins."""
        self._lib.rwkvmon_begin(self._handle)

    def end(self, tokens: Sequence[int], *, phase: int = _native.PHASE_UNKNOWN, logits: Optional[TensorView] = None,
            state: Optional["ctypes.Array[TensorView]"] = None, sums: Sequence[StateSums] = (), state_bytes: int = 0,
            numbers: Sequence[Tuple[str, float]] = ()) -> None:
        """It ended: logits and state as memory of this process, or sums and numbers for what lies elsewhere."""
        n = len(tokens)
        if n > len(self._tokens):
            self._tokens = (c_uint32 * n)()
        self._tokens[:n] = list(tokens)
        step = Step(struct_size=ctypes.sizeof(Step), tokens=self._tokens, n_tokens=n, phase=phase, state_bytes=state_bytes)
        if logits is not None:
            step.logits, step.n_logits, step.logits_dtype = logits.data, logits.count, logits.dtype
        if state is not None:
            step.state, step.n_state = state, len(state)
        if sums:
            step.sums, step.n_sums = (StateSums * len(sums))(*sums), len(sums)
        if numbers:
            step.numbers = (Number * len(numbers))(*[Number(self._metric(name), value) for name, value in numbers])
            step.n_numbers = len(numbers)
        self._lib.rwkvmon_end(self._handle, byref(step))

    def _metric(self, name: str) -> int:
        if name not in self._metrics:
            self._metrics[name] = self._lib.rwkvmon_metric(name.encode())
        return self._metrics[name]

    def new_sequence(self) -> None:
        """The next call begins a new sequence: its state starts afresh."""
        self._lib.rwkvmon_new_sequence(self._handle)

    def set_number(self, path: str, value: float) -> None:
        """A field of your own in every later step; NaN removes it."""
        why = ctypes.create_string_buffer(_native.ERROR_BYTES)
        if self._lib.rwkvmon_set_number(self._handle, path.encode(), value, why):
            raise RwkvmonError(why.value.decode(errors="replace"))

    def close(self) -> Optional[Totals]:
        """Drains, writes `session_end`, frees. Trouble with the log is told on standard error, once."""
        if not self._handle:
            return self.totals
        totals = Totals(struct_size=ctypes.sizeof(Totals))
        handle, self._handle = self._handle, ctypes.c_void_p()
        if self._lib.rwkvmon_close(handle, byref(totals)):
            print(f"rwkvmon: {totals.trouble.decode(errors='replace')}", file=sys.stderr)
        if totals.undelivered:
            print(f"rwkvmon: {totals.undelivered} alarms were not delivered: {totals.undelivered_why.decode(errors='replace')}",
                  file=sys.stderr)
        self.totals = totals
        return totals

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 where: Optional[TracebackType]) -> None:
        self.close()


def views(n: int) -> "ctypes.Array[TensorView]":
    """Room for the descriptions of n tensors."""
    return (TensorView * n)()


__all__: List[str] = ["Collector", "StateSums", "TensorView", "views"]
