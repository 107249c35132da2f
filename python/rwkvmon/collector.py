"""One handle of the library: begin, end, close. What a runtime other than `rwkv` would use.

    with Collector(Options(log="run.log"), Description(model_name="RWKV-7 0.1B")) as mon:
        mon.begin()
        logits, state = forward(tokens)
        mon.end(tokens, logits=view_of(logits), state=[...])

A program with many conversations has a stream for each, in one log:

        chat = mon.stream(request_id="req-17")
        chat.begin()
        logits, state = forward(tokens)
        chat.end(tokens, logits=view_of(logits))
        mon.end_batch([a.step(x, logits=...), b.step(y, logits=...)])    # of one forward call over both
        chat.close()

Several threads may use a handle and its streams: calls wait for each other. Buffers are read during the call and never kept.
"""
from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from ctypes import byref, c_uint32
from functools import lru_cache
from types import TracebackType
from typing import Dict, List, Optional, Sequence, Tuple, Type, cast

from . import _native, seen
from ._native import Config, Number, RwkvmonError, StateSums, Step, StreamConfig, TensorView, Totals
from .options import Description, Options
from .verdict import Verdict, verdict_of


def _bytes(text: Optional[str]) -> Optional[bytes]:
    return None if text is None else text.encode()


def config_of(options: Options, what: Description) -> Config:
    """Both as the library takes them; rwkvmon_config_free frees what it copied. A value that it refuses is an RwkvmonError."""
    config = Config(
        struct_size=ctypes.sizeof(Config), model_name=_bytes(what.model_name), model_version=_bytes(what.model_version),
        strategy=_bytes(what.strategy), runtime_name=_bytes(what.runtime_name),
        runtime_version=_bytes(what.runtime_version), runtime_flags=_bytes(what.runtime_flags),
        chunk_len=what.chunk_len, n_layer=what.n_layer, n_embd=what.n_embd,
        vocab_size=what.vocab_size, model_bytes=what.model_bytes, load_time_ms=what.load_time_ms)
    if what.sampler:
        config.has_sampler = 1
        for name in ("temperature", "top_p", "alpha_frequency", "alpha_presence", "penalty_decay", "top_k", "seed"):
            setattr(config, name, getattr(what.sampler, name))
    library = _native.lib()
    why = ctypes.create_string_buffer(_native.ERROR_BYTES)
    for name, text in options.texts():
        if library.rwkvmon_config_set(byref(config), name.encode(), text.encode(), why):
            library.rwkvmon_config_free(byref(config))
            raise RwkvmonError(why.value.decode(errors="replace"))
    return config


def check(options: Options) -> None:
    """Raises an RwkvmonError that names the setting whose value cannot be."""
    _native.lib().rwkvmon_config_free(byref(config_of(options, Description())))


class NoRoom(RwkvmonError):
    """A stream cannot be opened: as many are open as max_streams allows, or memory is out. The calls of `stream` are counted as
    dropped."""

    def __init__(self, why: str, stream: "Stream") -> None:
        super().__init__(why)
        self.stream = stream
        stream.is_refused = True


class Stream:
    """One conversation, a session of the log: made by Collector.stream() or branch(). The Collector is its own first one. A closed
    stream refuses every call with an RwkvmonError: its memory may be another stream's by then."""

    def __init__(self, owner: "Optional[Collector]", stream: Optional[int]) -> None:
        self._owner: "Collector" = owner if owner is not None else cast("Collector", self)
        self._pointer = ctypes.c_void_p(stream)
        self._tokens = (c_uint32 * 256)()
        self._began_ns = 0
        self._spent_ns = 0
        self._closed = False
        self.is_refused = False  # it is a NoRoom's

    @property
    def _stream(self) -> ctypes.c_void_p:
        """As the library knows it; its only way there. With the lock held, so that nobody closes it meanwhile."""
        if self._closed:
            raise RwkvmonError("the stream is closed\nopen another one, with Collector.stream() or branch()")
        return self._pointer

    @property
    def _handle(self) -> ctypes.c_void_p:
        return self._owner.handle

    @property
    def _lib(self) -> ctypes.CDLL:
        return _native.lib()

    @property
    def _lock(self) -> threading.RLock:
        return self._owner.lock

    def begin(self, state: Optional["ctypes.Array[TensorView]"] = None) -> None:
        """Call this before a forward call. With the state that the call is given, in the order of end()'s, a state other than the
        one that the last call left is reported (`state_jump`), and the call is compared with what it was given."""
        with self._lock:
            stream = self._stream
            if state is not None:
                self._lib.rwkvmon_begin_from(self._handle, stream, state, len(state))
        self._began_ns = time.monotonic_ns()

    def step(self, tokens: Sequence[int], *, phase: int = _native.PHASE_UNKNOWN, logits: Optional[TensorView] = None,
             state: Optional["ctypes.Array[TensorView]"] = None, sums: Sequence[StateSums] = (), state_bytes: int = 0,
             numbers: Sequence[Tuple[str, float]] = ()) -> Step:
        """What end() says of the call, for Collector.end_batch(); good until the stream's next one."""
        n = len(tokens)
        if n > len(self._tokens):
            self._tokens = (c_uint32 * n)()
        self._tokens[:n] = list(tokens)
        step = Step(struct_size=ctypes.sizeof(Step), tokens=self._tokens, n_tokens=n, phase=phase, state_bytes=state_bytes,
                    stream=self._stream, began_ns=self._began_ns, spent_ns=max(0, self._spent_ns))
        step.of, self._began_ns, self._spent_ns = self, 0, 0
        if logits is not None:
            step.logits, step.n_logits, step.logits_dtype = logits.data, logits.count, logits.dtype
        if state is not None:
            step.state, step.n_state = state, len(state)
        if sums:
            step.sums, step.n_sums = (StateSums * len(sums))(*sums), len(sums)
        if numbers:
            step.numbers = (Number * len(numbers))(*[Number(_metric(name), value) for name, value in numbers])
            step.n_numbers = len(numbers)
        return step

    def end(self, tokens: Sequence[int], *, phase: int = _native.PHASE_UNKNOWN, logits: Optional[TensorView] = None,
            state: Optional["ctypes.Array[TensorView]"] = None, sums: Sequence[StateSums] = (), state_bytes: int = 0,
            numbers: Sequence[Tuple[str, float]] = ()) -> None:
        """Call this after a forward call: logits and state in this process's memory, or sums and numbers for tensors
        elsewhere."""
        step = self.step(tokens, phase=phase, logits=logits, state=state, sums=sums, state_bytes=state_bytes, numbers=numbers)
        with self._lock:
            step.stream = self._stream  # nobody has closed it since
            start = time.perf_counter_ns()
            self._lib.rwkvmon_end(self._handle, byref(step))
            self._spent_ns = start - time.perf_counter_ns()  # the library counts it, and spent_since() does again

    def spent_since(self, start_ns: int) -> None:
        """Since then, by time.perf_counter_ns(), the caller was at monitoring: the next end() counts it against the budget."""
        self._spent_ns += time.perf_counter_ns() - start_ns

    def new_sequence(self) -> None:
        """The next call begins a new sequence: its state starts afresh."""
        with self._lock:
            self._lib.rwkvmon_stream_new_sequence(self._handle, self._stream, None)

    def new_sequence_from(self, state: "ctypes.Array[TensorView]", declared: "Optional[ctypes.Array[TensorView]]") -> None:
        """The same, and the first record says how far the state it is given lies from the declared one (None: all zero)."""
        start = _native.Start(struct_size=ctypes.sizeof(_native.Start), state=state, n_state=len(state))
        if declared is not None:
            start.declared, start.n_declared = declared, len(declared)
        with self._lock:
            self._lib.rwkvmon_stream_new_sequence(self._handle, self._stream, byref(start))

    def wants_state(self, n_tokens: int) -> bool:
        """Would the next end(), with so many tokens, read a state that is given beside sums?"""
        with self._lock:
            return bool(self._lib.rwkvmon_stream_wants_state(self._handle, self._stream, n_tokens))

    @property
    def verdict(self) -> Verdict:
        """The verdict after the last end()."""
        said = _native.VerdictStruct(struct_size=ctypes.sizeof(_native.VerdictStruct))
        with self._lock:
            self._lib.rwkvmon_stream_verdict(self._handle, self._stream, byref(said))
        return verdict_of(said)

    def went_back(self, n_tokens: int) -> None:
        """Reports that the state was rewound to before the last n tokens; the next call continues from there."""
        with self._lock:
            self._lib.rwkvmon_stream_went_back(self._handle, self._stream, n_tokens)

    def acted(self, action: str, alarm_type: str, reason: str = "", first_bad_token: int = 0, attempt: int = 0,
              tokens_saved: int = 0, changes: Sequence[Tuple[str, float, float]] = ()) -> None:
        """A line of the log that says what was done about an alarm; of each change its name, before and after."""
        rows = (_native.Change * len(changes))(*[_native.Change(key.encode(), before, after) for key, before, after in changes])
        with self._lock:
            said = _native.Action(ctypes.sizeof(_native.Action), action.encode(), alarm_type.encode(), reason.encode() or None,
                                  first_bad_token, attempt, tokens_saved, rows, len(changes), self._stream)
            failed = self._lib.rwkvmon_acted(self._handle, byref(said))
        if failed:
            raise RwkvmonError(f"no such action or change: {action}, {[key for key, _, _ in changes]}")

    def set_number(self, path: str, value: float) -> None:
        """A field of your own in every later step of all streams; NaN removes it."""
        self._owner.set_own(path, value)

    def branch(self, request_id: Optional[str] = None, label: Optional[str] = None, session_id: Optional[str] = None,
               candidates: int = 1) -> "Stream":
        """A stream that goes on where this one is: with its length, its repetitions, and what its next call is compared with.
        It may be that of other conversations too: of so many `candidates`, which the log then says."""
        return self._owner.open_stream(self, request_id, label, session_id, candidates)

    def close(self) -> Optional[Totals]:
        """Its `session_end` follows its last record; one that had no call leaves nothing in the log."""
        with self._lock:
            if not self._closed:
                self._lib.rwkvmon_stream_close(self._handle, self._pointer)
            self._closed = True
        return None


@lru_cache(maxsize=None)
def _metric(name: str) -> int:
    return int(_native.lib().rwkvmon_metric(name.encode()))


class Collector(Stream):
    """A handle. `totals` is set by close()."""

    def __init__(self, options: Options = Options(), what: Description = Description()) -> None:
        super().__init__(None, None)
        self.handle, self.lock = ctypes.c_void_p(), threading.RLock()
        self._own: Dict[str, float] = {}  # fields of one's own, as they are now
        self.totals: Optional[Totals] = None
        why = ctypes.create_string_buffer(_native.ERROR_BYTES)
        config = config_of(options, what)
        failed = self._lib.rwkvmon_open(byref(self.handle), byref(config), why)
        self._lib.rwkvmon_config_free(byref(config))
        if failed:
            raise RwkvmonError(why.value.decode(errors="replace"))
        seen.note(seen.CALL)

    @property
    def url(self) -> str:
        """Address of /metrics; "" if the handle does not listen."""
        with self.lock:
            said: bytes = self._lib.rwkvmon_url(self.handle)
        return said.decode()

    def stream(self, request_id: Optional[str] = None, label: Optional[str] = None, session_id: Optional[str] = None) -> Stream:
        """A conversation of its own. Beyond `max_streams` a NoRoom."""
        return self.open_stream(None, request_id, label, session_id)

    def open_stream(self, branch_of: Optional[Stream], request_id: Optional[str], label: Optional[str],
                    session_id: Optional[str], candidates: int = 1) -> Stream:
        config = StreamConfig(ctypes.sizeof(StreamConfig), _bytes(session_id), _bytes(request_id), _bytes(label), None, candidates)
        out, why = ctypes.c_void_p(), ctypes.create_string_buffer(_native.ERROR_BYTES)
        with self.lock:
            if branch_of is None:
                failed = self._lib.rwkvmon_stream_open(byref(out), self.handle, byref(config), why)
            else:
                failed = self._lib.rwkvmon_stream_branch(byref(out), self.handle, branch_of._stream, byref(config), why)
        if failed:
            raise NoRoom(why.value.decode(errors="replace"), Stream(self, out.value))
        return Stream(self, out.value)

    def end_batch(self, steps: Sequence[Step]) -> None:
        """One forward call over several streams ended; Stream.step() makes what there is to say of each."""
        with self.lock:
            for step in steps:
                step.stream = step.of._stream  # nobody has closed it since
            batch = (Step * len(steps))(*steps)
            start = time.perf_counter_ns()
            self._lib.rwkvmon_end_batch(self.handle, batch, len(steps))
            if steps:
                steps[0].of._spent_ns += start - time.perf_counter_ns()  # as end() does

    def finished(self, why: int) -> None:
        """A request's answer is complete: _native.FINISH_STOP, FINISH_LENGTH, FINISH_ABORT or FINISH_ERROR."""
        with self.lock:
            self._lib.rwkvmon_finished(self.handle, why)

    def set_own(self, path: str, value: float) -> None:
        if self._own.get(path, math.nan) == value or (math.isnan(value) and path not in self._own):
            return
        why = ctypes.create_string_buffer(_native.ERROR_BYTES)
        with self.lock:
            failed = self._lib.rwkvmon_set_number(self.handle, path.encode(), value, why)
        if failed:
            raise RwkvmonError(why.value.decode(errors="replace"))
        self._own[path] = value
        if math.isnan(value):
            del self._own[path]

    def set_text(self, path: str, text: Optional[str]) -> None:
        """A field of your own in every later step of all streams; None removes it."""
        why = ctypes.create_string_buffer(_native.ERROR_BYTES)
        with self.lock:
            if self._lib.rwkvmon_set_text(self.handle, path.encode(), _bytes(text), why):
                raise RwkvmonError(why.value.decode(errors="replace"))

    def reload_rules(self) -> None:
        """Reads the rule file again; what is wrong with it is an RwkvmonError, and the old rules stay."""
        why = ctypes.create_string_buffer(_native.ERROR_BYTES)
        with self.lock:
            failed = self._lib.rwkvmon_reload_rules(self.handle, why)
        if failed:
            raise RwkvmonError(why.value.decode(errors="replace"))

    def so_far(self) -> Totals:
        """How it is doing, of all streams."""
        totals = Totals(struct_size=ctypes.sizeof(Totals))
        with self.lock:
            self._lib.rwkvmon_so_far(self.handle, byref(totals))
        return totals

    def close(self) -> Optional[Totals]:
        """Writes what is pending and `session_end`, and frees the handle. Problems with the log are reported on
        standard error, once."""
        if not self.handle:
            return self.totals
        totals = Totals(struct_size=ctypes.sizeof(Totals))
        with self.lock:
            handle, self.handle = self.handle, ctypes.c_void_p()
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


__all__: List[str] = ["Collector", "NoRoom", "StateSums", "Stream", "TensorView", "views"]
