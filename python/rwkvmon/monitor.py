"""Watches the forward calls of one model, whoever makes them.

Streams    a handle of the library watches one stream of calls. Calls that follow each other share one, from
           whatever threads they come; only calls that run at the same time open more, which write to the same log.
Sequences  a call with no state, or with a state that no call returned, begins a new sequence. A copy of a
           returned state goes on with it.
Fork       a child opens handles of its own, with the same log.
Errors     nothing here ever fails a forward call: trouble is told once on standard error, then calls pass unwatched.
"""
from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from dataclasses import replace
from typing import Any, Callable, List, Optional, Sequence, Tuple

from . import _native
from .collector import Collector
from .device import DeviceWatch, clock_for
from .options import Description, Options
from .tensors import CpuViews, Tensor

_STREAMS_MAX = 64  # calls at the same time; more pass unwatched
_POLL_SECONDS = 0.05


def _token_list(tokens: Any) -> List[int]:
    return [int(t) for t in tokens] if hasattr(tokens, "__len__") else [int(tokens)]


class Stream:
    """One handle, and the state that its last call returned."""

    def __init__(self, torch: Any, collector: Collector, n_layer: int, options: Options, force_device: bool) -> None:
        self._torch, self._collector, self._n_layer = torch, collector, n_layer
        self._options, self._force_device = options, force_device
        self._views = CpuViews(torch)
        self.device: Optional[DeviceWatch] = None
        self.tail: Optional[Tensor] = None  # the last tensor of the state returned last
        self.busy = False
        self.fresh = True

    def continues(self, state: Sequence[Tensor]) -> bool:
        return self.tail is not None and state[-1] is self.tail

    def continues_copy(self, state: Sequence[Tensor]) -> bool:
        tail, given = self.tail, state[-1]
        return (tail is not None and tail.shape == given.shape and tail.dtype == given.dtype
                and tail.device == given.device and bool(self._torch.equal(tail, given)))

    def _on_device(self, state: Optional[Sequence[Tensor]]) -> bool:
        """Where the last call's tensors were; the first call of a model tells by what it returns."""
        return self.device is not None or self._force_device or (
            state is not None and any(t.device.type != "cpu" for t in state))

    def _device(self, device: str) -> DeviceWatch:
        if self.device is None:
            self.device = DeviceWatch(self._torch, self._collector, self._n_layer, clock_for(self._torch, device),
                                      self._options.budget_pct)
        return self.device

    def begin(self, state: Optional[Sequence[Tensor]], device: str) -> None:
        if device != "cpu" or self._on_device(state):
            self._device(device).before(state, self.fresh)
            return
        if self.fresh:
            self._collector.new_sequence()
        self._collector.begin()

    def end(self, tokens: List[int], logits: Tensor, state: Sequence[Tensor]) -> None:
        phase = _native.PREFILL if len(tokens) > 1 or self.fresh else _native.DECODE
        if self.device is not None:
            self.device.after(tokens, logits, state, self.fresh, phase)
        else:
            self._collector.end(tokens, phase=phase, logits=self._views.logits(logits),
                                state=self._views.state(state, self._n_layer))
        self.tail, self.fresh = state[-1], False

    def deliver(self, wait: bool = False) -> None:
        if self.device is not None:
            self.device.deliver(wait)

    def close(self) -> None:
        self.deliver(wait=True)
        self._collector.close()

    @property
    def collector(self) -> Collector:
        return self._collector


class Monitor:
    """`describe` is asked once, when the first call tells that the model is in use.

    device is "cpu", or where the logits are made when any layer is elsewhere; force_device lets the processor play an accelerator."""

    def __init__(self, torch: Any, options: Options, describe: Callable[[], Description], device: str = "cpu",
                 force_device: bool = False) -> None:
        self._torch, self._describe, self._device, self._force_device = torch, describe, device, force_device
        self._options = replace(options, log=options.log_path())
        self._what: Optional[Description] = None
        self._lock = threading.Lock()
        self._streams: List[Stream] = []  # the one used last comes first
        self._pid = os.getpid()
        self._off = False
        self._poll: Optional[threading.Event] = None
        self.log_path = self._options.log
        atexit.register(_close_if_alive, weakref.ref(self))

    def watch(self, forward: Callable[..., Any], tokens: Any, state: Any, args: Tuple[Any, ...], kwargs: Any) -> Any:
        """forward(tokens, state, *args, **kwargs) and what it returned, looked at before anybody can change it."""
        stream = self._guarded(self._take, state)
        if stream is None:
            return forward(tokens, state, *args, **kwargs)
        fed = self._guarded(_token_list, tokens)
        try:
            self._guarded(stream.begin, state, self._device)
            result = forward(tokens, state, *args, **kwargs)
            if fed:
                self._guarded(stream.end, fed, result[0], result[1])
            return result
        except BaseException:
            stream.tail = None  # whatever state comes next does not follow from the one before
            raise
        finally:
            self._give(stream)

    def _guarded(self, step: Callable[..., Any], *args: Any) -> Any:
        if self._off:
            return None
        try:
            return step(*args)
        except Exception as e:  # a fault of ours must not become one of the caller's
            self._off = True
            print(f"rwkvmon: monitoring stopped, the model goes on: {e}", file=sys.stderr)
            return None

    def _take(self, state: Optional[Sequence[Tensor]]) -> Optional[Stream]:
        if os.getpid() != self._pid:
            self._after_fork()
        with self._lock:
            free = [s for s in self._streams if not s.busy]
            going_on = [] if not state else ([s for s in free if s.continues(state)]
                                             or [s for s in free if s.continues_copy(state)])
            if not free and len(self._streams) >= _STREAMS_MAX:
                return None
            stream = (going_on or free or [self._open()])[0]
            stream.fresh = not going_on
            stream.busy = True
            if stream in self._streams:
                self._streams.remove(stream)
            self._streams.insert(0, stream)
            return stream

    def _give(self, stream: Stream) -> None:
        with self._lock:
            stream.busy = False

    def _open(self) -> Stream:
        if self._what is None:
            self._what = self._describe()
        stream = Stream(self._torch, Collector(self._options, self._what), self._what.n_layer, self._options,
                        self._force_device)
        if self._poll is None and (self._device != "cpu" or self._force_device):
            self._poll = threading.Event()
            threading.Thread(target=_deliver_now_and_then, args=(weakref.ref(self), self._poll), daemon=True,
                             name="rwkvmon-deliver").start()
        return stream

    def deliver_idle(self) -> None:
        """Hands over what arrived after the last call of a pause."""
        with self._lock:
            for stream in self._streams:
                if not stream.busy:
                    self._guarded(stream.deliver)

    def _after_fork(self) -> None:
        """In a child: the parent's handles are the parent's; its threads do not exist here."""
        self._pid, self._lock, self._streams, self._poll = os.getpid(), threading.Lock(), [], None
        self._options = replace(self._options, listen=None, metrics_textfile=None)  # the parent's address, the parent's file
        if "multiprocessing.util" in sys.modules:  # multiprocessing leaves without atexit
            sys.modules["multiprocessing.util"].Finalize(self, Monitor.close, args=(self,), exitpriority=0)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Ends the log. Calls after it are watched again, by new handles."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            streams, self._streams = self._streams, []
            if self._poll is not None:
                self._poll.set()
                self._poll = None
        for stream in streams:
            self._guarded(stream.deliver, True)
            stream.collector.close()

    @property
    def collectors(self) -> List[Collector]:
        with self._lock:
            return [s.collector for s in self._streams]


def _close_if_alive(monitor: "weakref.ref[Monitor]") -> None:
    alive = monitor()
    if alive is not None:
        alive.close()


def _deliver_now_and_then(monitor: "weakref.ref[Monitor]", stop: threading.Event) -> None:
    while not stop.wait(_POLL_SECONDS):
        alive = monitor()
        if alive is None:
            return
        alive.deliver_idle()
        del alive
