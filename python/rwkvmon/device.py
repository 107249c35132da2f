"""Watching tensors that live on an accelerator: sums on the device, scalars one step later.

Only a dozen scalars leave the device, and no thread waits for it. When measuring costs more than its budget, only every
Nth call is measured (`accuracy.device_sampled_every` in the log).

A call's record is handed over when its scalars have arrived: when the next call begins, or at
the latest within two polls of the model's helper thread. Without CUDA events (any other device, and the
tests, where the processor plays the device) scalars are read when the next call begins.
"""
from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

from . import _native
from ._native import StateSums
from .collector import Stream
from .samples import Taken
from .tensors import Tensor, parts_of, state_bytes

_SUMS = 5  # dot, old², new², change², non-finite
_DRIFT, _DRIFT_SUMS = -1, 3  # in a part's place; dot, first², now²
_LARGEST = -2  # in a part's place; one number, of what is fp16
_DRIFT_TOKENS = 100  # from one sample of the drift to the next, as the library takes them
_WINDOW = 32  # looked-at calls between two judgements of the cost
_PENDING_MAX = 64
_Key = Tuple[str, int]  # device, part


class Events:
    """CUDA's clock: events in the stream of the device that computes the logits, read without waiting."""

    def __init__(self, torch: Any, device: str) -> None:
        self._cuda, self._device = torch.cuda, device

    def mark(self) -> Any:
        return _mark(self._cuda, self._device, timed=True)

    def passed(self, mark: Any) -> bool:
        return bool(mark.query())

    def between_ms(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end))


class WallClock:
    """The caller's clock, used if there are no events or the last layer is computed on the processor."""

    def mark(self) -> float:
        return time.perf_counter()

    def passed(self, mark: float) -> bool:
        return True

    def between_ms(self, start: float, end: float) -> float:
        return (end - start) * 1e3


def _mark(cuda: Any, device: str, timed: bool) -> Any:
    event = cuda.Event(enable_timing=timed)
    with cuda.device(device):
        event.record()
    return event


@dataclass
class Pending:
    """A call whose numbers are on their way."""

    tokens: List[int]
    fresh: bool  # begins a sequence
    phase: int
    bytes: int
    start: Any
    end: Any
    done: Any = None
    scalars: List[Tensor] = field(default_factory=list)  # host copies (CUDA) or device vectors
    apart: List[Tensor] = field(default_factory=list)  # of a state that was compared with its declared one, per device
    taken: Optional[Taken] = None
    token: Optional[Tensor] = None  # in place of tokens that the device alone knows
    arrived: List[Any] = field(default_factory=list)  # CUDA events behind the copies
    layout: List[List[Optional[_Key]]] = field(default_factory=list)  # None: entropy and non-finite logits


class Budget:
    """How often a call is measured, so that measuring stays within its share of the time."""

    def __init__(self, share: float) -> None:
        self.stride = 1
        self.rows = 1  # conversations of the call, each of which has its part of the share
        self._share = share
        self._turn = self._calls = 0
        self._own_ms = self._period_ms = 0.0

    def takes(self) -> bool:
        return self._turn == 0

    def call(self, period_ms: float) -> None:
        self._period_ms += period_ms
        self._turn = (self._turn + 1) % self.stride
        self._calls += self._turn == 0
        if self._share > 0 and self._calls >= _WINDOW:
            self._judge()

    def spent(self, own_ms: float) -> None:
        self._own_ms += own_ms

    def _judge(self) -> None:
        allowed = self._share * self._period_ms / self.rows
        if self._own_ms > allowed and self.stride < 64:
            self.stride *= 2
        elif self._own_ms * 4 < allowed and self.stride > 1:
            self.stride //= 2
        self._calls, self._turn, self._own_ms, self._period_ms = 0, 0, 0.0, 0.0


def clock_for(torch: Any, device: str) -> Any:
    """`device` is where the logits are made."""
    return Events(torch, device) if device.startswith("cuda") else WallClock()


class DeviceWatch:
    """The calls of one stream. Used by one thread at a time; the stream's owner ensures this."""

    def __init__(self, torch: Any, stream: Stream, n_layer: int, clock: Any, budget_pct: float) -> None:
        self._torch, self._collector, self._n_layer, self._clock = torch, stream, n_layer, clock
        self.budget = Budget((budget_pct or 1.0) / 100)
        self._old: Optional[Dict[_Key, Tensor]] = None
        self._first: Dict[_Key, Tensor] = {}  # after the sequence's first call
        self._fed, self._due = 0, False  # tokens of the sequence; a sample of the drift is due
        self._pending: Deque[Pending] = deque()
        self._start: Any = None
        self._started_at = 0.0
        self._apart: List[Tensor] = []

    def before(self, state: Optional[Sequence[Tensor]], fresh: bool, declared: Optional[Sequence[Tensor]] = None,
               rows: int = 1) -> None:
        """The call begins, for so many conversations. A sequence's first call has nothing to be compared with, but its declared state when there is one."""
        self.deliver()
        self.budget.rows = rows
        self._apart = [] if state is None or declared is None else self._apart_from(state, declared)
        now = time.perf_counter()
        if self._started_at and now - self._started_at < 1:  # a longer pause is a waiting user
            self.budget.call((now - self._started_at) * 1e3)
        self._started_at = now
        if fresh or state is None:
            self._old = None
        elif self._old is None and self.budget.takes():
            self._old = self._flat(state)
            self.budget.spent((time.perf_counter() - now) * 1e3)
        if not self._pending:
            self._collector.begin()
        self._start = self._clock.mark()

    def after(self, tokens: List[int], logits: Tensor, state: Sequence[Tensor], fresh: bool, phase: int,
              samples: Callable[[], Optional[Taken]] = lambda: None, token: Optional[Tensor] = None) -> None:
        """Called after the call was queued. Logits and state are measured after it, and before anything that the caller
        queues next. `token`, on the device, stands for a token that nobody else knows; negative: nobody does."""
        pending = Pending(tokens, fresh, phase, state_bytes(state), self._start, self._clock.mark())
        if token is not None:
            pending.token = self._send(token, pending)
        taken = samples()
        if taken:
            pending.taken = Taken(taken.names, self._send(taken.values, pending))
        pending.apart = [self._send(sums, pending) for sums in self._apart]
        now = time.perf_counter()
        self._due = not fresh and (self._due or self._fed // _DRIFT_TOKENS != (self._fed + len(tokens)) // _DRIFT_TOKENS)
        self._fed = len(tokens) if fresh else self._fed + len(tokens)
        if self.budget.takes():
            self._look(pending, logits if logits.dim() == 1 else logits[-1], state)
        else:
            self._old = None
            if fresh:  # there is no second chance to keep it
                with self._torch.no_grad():
                    self._first = self._flat(state)
        pending.done = self._clock.mark()
        self.budget.spent((time.perf_counter() - now) * 1e3)
        if len(self._pending) == _PENDING_MAX:
            self.deliver(wait=True)
        self._pending.append(pending)

    def go_back(self, n_tokens: int) -> None:
        """The next call goes on from before the last n tokens: it does not follow from the last one."""
        self._old, self._fed = None, max(0, self._fed - n_tokens)

    def deliver(self, wait: bool = False) -> None:
        """Delivers every call whose numbers have arrived; with `wait`, every call."""
        while self._pending and (wait or self._is_here(self._pending[0])):
            self._hand_over(self._pending.popleft())

    def _is_here(self, p: Pending) -> bool:
        return bool(self._clock.passed(p.done)) and all(event.query() for event in p.arrived)

    def _flat(self, state: Sequence[Tensor]) -> Dict[_Key, Tensor]:
        """A copy of each part of the state on each device, as float32."""
        groups: Dict[_Key, List[Tensor]] = {}
        for tensor, part in zip(state, parts_of(len(state), self._n_layer)):
            groups.setdefault((str(tensor.device), part), []).append(tensor.reshape(-1))
        return {key: self._torch.cat(group).float() for key, group in groups.items()}

    def _state_scalars(self, old: Optional[Tensor], new: Tensor) -> List[Tensor]:
        dot, zero = self._torch.dot, new.new_zeros(())
        bad = (~self._torch.isfinite(new)).sum().float()
        if old is None or old.shape != new.shape:
            return [zero, zero, dot(new, new), zero, bad]
        change = new - old
        return [dot(old, new), dot(old, old), dot(new, new), dot(change, change), bad]

    def _drift_scalars(self, new: Dict[_Key, Tensor]) -> Dict[str, List[Tensor]]:
        """Against the sequence's first state, per device; nothing when it cannot be compared with."""
        dot = self._torch.dot
        found: Dict[str, List[Tensor]] = {}
        if {k: t.shape for k, t in new.items()} != {k: t.shape for k, t in self._first.items()}:
            return found
        for key, now in new.items():
            first = self._first[key]
            sums = [dot(first, now), dot(first, first), dot(now, now)]
            found[key[0]] = [a + b for a, b in zip(found[key[0]], sums)] if key[0] in found else sums
        return found

    def _apart_from(self, state: Sequence[Tensor], declared: Sequence[Tensor]) -> List[Tensor]:
        """Per device: the square of the distance, of the one's norm and of the other's. Another shape is another state."""
        torch = self._torch
        if [t.shape for t in state] != [t.shape for t in declared]:
            return [torch.tensor([1.0, 1.0, 0.0])]
        sums: Dict[str, Tensor] = {}
        with torch.no_grad():
            for given, ought in zip(state, declared):
                wide = torch.float32 if given.device.type == "mps" else torch.float64  # RWKV-4 begins with -1e30
                a, b = given.to(wide), ought.to(device=given.device, dtype=wide)
                found = torch.stack([((a - b) ** 2).sum(), (a * a).sum(), (b * b).sum()])
                key = str(given.device)
                sums[key] = sums[key] + found if key in sums else found
        return list(sums.values())

    def _logits_scalars(self, logits: Tensor) -> List[Tensor]:
        x = logits.float()
        entropy = self._torch.special.entr(self._torch.softmax(x, dim=-1)).sum()
        return [entropy, (~self._torch.isfinite(x)).sum().float()]

    def _largest(self, logits: Tensor, state: Sequence[Tensor], new: Dict[_Key, Tensor]) -> Dict[str, Tensor]:
        """The largest absolute value per device, of logits and of parts of the state that are fp16."""
        half, norm = self._torch.float16, self._torch.linalg.vector_norm
        other = {(str(t.device), part) for t, part in zip(state, parts_of(len(state), self._n_layer)) if t.dtype != half}
        found: Dict[str, List[Tensor]] = {}
        for key, flat in new.items():
            if key not in other:
                found.setdefault(key[0], []).append(norm(flat, math.inf))
        if logits.dtype == half:
            found.setdefault(str(logits.device), []).append(norm(logits.float(), math.inf))
        return {device: self._torch.stack(sizes).max() for device, sizes in found.items()}

    def _look(self, pending: Pending, logits: Tensor, state: Sequence[Tensor]) -> None:
        with self._torch.no_grad():
            new = self._flat(state)
            found: Dict[str, Tuple[List[Optional[_Key]], List[Tensor]]] = {}
            layout, scalars = found.setdefault(str(logits.device), ([], []))
            layout.append(None)
            scalars += self._logits_scalars(logits)
            for key, flat in new.items():
                layout, scalars = found.setdefault(key[0], ([], []))
                layout.append(key)
                scalars += self._state_scalars((self._old or {}).get(key), flat)
            if pending.fresh:
                self._first = new
            for device, sums in (self._drift_scalars(new) if self._due else {}).items():
                layout, scalars = found[device]
                layout.append((device, _DRIFT))
                scalars += sums
            self._due = False
            for device, largest in self._largest(logits, state, new).items():
                layout, scalars = found[device]
                layout.append((device, _LARGEST))
                scalars.append(largest)
            for layout, scalars in found.values():
                pending.layout.append(layout)
                pending.scalars.append(self._send(self._torch.stack(scalars), pending))
        self._old = new if self.budget.stride == 1 else None

    def _send(self, vector: Tensor, pending: Pending) -> Tensor:
        """Where the numbers will be, once what `pending.arrived` holds has passed."""
        if vector.device.type == "cuda":
            host = self._torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True)
            host.copy_(vector, non_blocking=True)
            pending.arrived.append(_mark(self._torch.cuda, str(vector.device), timed=False))
            vector = host
        return vector

    def _hand_over(self, p: Pending) -> None:
        for event in [*p.arrived, p.done]:
            if hasattr(event, "synchronize"):  # at once, unless the log is being closed
                event.synchronize()
        if p.fresh:
            self._collector.new_sequence()
        if p.token is not None:
            p.tokens = [int(p.token)]
            if p.tokens[0] < 0:
                return
        ms = self._clock.between_ms(p.start, p.end)
        numbers = [("chunk_process_time_ms", ms), ("token_latency_ms", ms / len(p.tokens))]
        sums: List[StateSums] = []
        drift, largest = [0.0] * _DRIFT_SUMS, 0.0
        if p.scalars and isinstance(self._clock, Events):
            self.budget.spent(self._clock.between_ms(p.end, p.done))
        for layout, scalars in zip(p.layout, p.scalars):
            values = scalars.tolist()
            for key in layout:
                if key is None:
                    (entropy, bad), values = values[:2], values[2:]
                    numbers.append(("nonfinite_logits", bad) if bad else ("logits_entropy", entropy))
                elif key[1] == _DRIFT:
                    drift, values = [a + b for a, b in zip(drift, values)], values[_DRIFT_SUMS:]
                elif key[1] == _LARGEST:
                    largest, values = max(largest, values[0]), values[1:]
                else:
                    (dot, old, new, change, bad), values = values[:_SUMS], values[_SUMS:]
                    sums.append(StateSums(key[1], dot, old, new, change, int(bad)))
        norms = math.sqrt(drift[1]) * math.sqrt(drift[2])
        if norms > 0 and math.isfinite(norms):
            numbers.append(("state_drift", 1 - max(-1.0, min(1.0, drift[0] / norms))))
        if 0 < largest < math.inf:
            numbers.append(("fp16_largest", largest))
        if p.apart:
            numbers.append(("state_leak", _leak([sum(column) for column in zip(*[v.tolist() for v in p.apart])])))
        if p.taken:
            numbers += p.taken.numbers()
        self._collector.set_number("accuracy.device_sampled_every",
                                   self.budget.stride if self.budget.stride > 1 else float("nan"))  # this stream's
        self._collector.end(p.tokens, phase=p.phase, sums=sums, state_bytes=p.bytes, numbers=numbers)


def _leak(sums: Sequence[float]) -> float:
    """As the library says it of tensors in memory."""
    apart, given, ought = sums
    if not math.isfinite(apart):
        return 1.0
    return math.sqrt(apart / max(given, ought)) if apart else 0.0


__all__ = ["Budget", "DeviceWatch", "Events", "WallClock", "clock_for"]
