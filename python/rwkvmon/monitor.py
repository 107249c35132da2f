"""Watches the forward calls of one model, whoever makes them.

Whose      a call belongs to the conversation that its state comes from. The state is known as the object that a call
           returned last, or by the contents of its last tensor (on the processor; elsewhere that would make the device
           wait), there in another precision too. Conversations that take turns in one model, from whatever threads, are
           told apart: each is a stream, a session of the log. A state from further back is a branch: a stream with the
           length it had there. Conversations with equal prompts return equal states: such a state belongs to the one
           conversation that stopped at it; if none or several did, it begins a branch, and the log says how many
           conversations it may come from (`branch_candidates`).
Sequences  a call with no state, or with a state that no call returned, begins a new sequence. The one before is put
           aside; when it comes back it goes on as a stream of its own, and from then on each new conversation is one.
Batches    a call over several conversations is a row of each; a state that is changed in place is known by its row of the
           batch, and on the processor only while its contents are those that the last call left there.
Bounds     the last 64 conversations are remembered, or those of four batches; of those nobody holds a state of 8, or of one
           batch; and the last 4,096 states. Where max_streams allows no more, the conversation that is silent for longest ends,
           and begins anew should it come back; where all are in a call, calls of others are counted as dropped.
Fork       a child opens a handle of its own, with the same log.
Errors     nothing here ever fails a forward call: trouble is told once on standard error, then calls pass unwatched.
"""
from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import sys
import threading
import time
import weakref
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from . import _native, graphs, seen
from .alarms import Alarms, OnAlarm
from ._native import Step
from .collector import Collector, NoRoom, Stream
from .device import DeviceWatch, clock_for
from .options import Description, Options
from .remembered import STATES_MAX, Place, Remembered, contents
from .rows import Found, Given
from .samples import Samples
from .tensors import CpuViews, Tensor
from .verdict import OnVerdict, Verdict

_CONVERSATIONS_MAX = 64
_UNHELD_MAX = 8  # of these, without a state in anybody's hands: a copy of it may come back
_POLL_SECONDS = 0.05


def token_list(tokens: Any) -> List[int]:
    """Of a list, a tensor, or one token: a number, or a tensor without a dimension, as argmax() gives it."""
    listed = hasattr(tokens, "__len__") and bool(getattr(tokens, "ndim", True))
    return [int(t) for t in tokens] if listed else [int(tokens)]


@dataclass(frozen=True)
class Start:
    """The next call begins a sequence, with this state (None: as the model begins)."""

    declared: Optional[Sequence[Tensor]]


Initial = Callable[[Sequence[Tensor]], Sequence[Tensor]]  # the state that a model begins with, in the shape of this one


def zero(state: Sequence[Tensor]) -> Sequence[Tensor]:
    return [t.new_zeros(t.shape) for t in state]


class Line:
    """The states that one conversation returned, one after the other: whose they are."""

    def __init__(self, of: "Conversation") -> None:
        self.of: Optional[Conversation] = of


class Conversation:
    """One stream, and the state that its last call returned."""

    def __init__(self, torch: Any, stream: Stream, n_layer: int, options: Options, force_device: bool,
                 samples: Samples, initial: Initial) -> None:
        self._torch, self._collector, self._n_layer = torch, stream, n_layer
        self._options, self._force_device = options, force_device
        self._samples, self._initial = samples, initial
        self._began = 0.0
        self._token: Optional[Tensor] = None  # of the replay at hand, where the device is
        self._views = CpuViews(torch)
        self.device: Optional[DeviceWatch] = None
        self.tail: Optional[Tensor] = None  # the last tensor of the state returned last
        self.contents: Optional[int] = None  # of the tail, when it was returned; on the processor
        self.line = Line(self)
        self.length = 0  # tokens of the sequence
        self.busy = False
        self.fresh = True
        self.start: Optional[Start] = None  # what the caller says of the sequence that begins

    def continues(self, state: Sequence[Tensor]) -> bool:
        return self.tail is not None and state[-1] is self.tail

    def continues_copy(self, state: Sequence[Tensor]) -> bool:
        tail, given = self.tail, state[-1]
        return (tail is not None and tail.shape == given.shape and tail.dtype == given.dtype
                and tail.device == given.device and bool(self._torch.equal(tail, given)))

    def is_held(self) -> bool:
        """Has anybody else its state? Of copies nothing is known."""
        return self.busy or (self.tail is not None and sys.getrefcount(self.tail) > 2)

    def put_aside(self, other: "Conversation") -> None:
        """`other`, whose stream is a branch of this one's, has what was said so far; this one is for another conversation."""
        other.tail, other.length, other.line, other.fresh = self.tail, self.length, self.line, False
        other.contents = self.contents
        other.line.of = other
        self.line, self.tail, self.length = Line(self), None, 0

    def leave_state(self) -> None:
        """The sequence that it had does not go on."""
        self.line.of = None
        self.line, self.tail, self.length = Line(self), None, 0

    @property
    def is_on_processor(self) -> bool:
        return not self._on_device(None)

    def _on_device(self, state: Optional[Sequence[Tensor]]) -> bool:
        """Where the last call's tensors were; the first call of a model tells by what it returns."""
        return self.device is not None or self._force_device or (
            state is not None and any(t.device.type != "cpu" for t in state))

    def _device(self, device: str) -> DeviceWatch:
        if self.device is None:
            self.device = DeviceWatch(self._torch, self._collector, self._n_layer, clock_for(self._torch, device),
                                      self._options.overhead_budget_pct)
        return self.device

    def begin(self, tokens: List[int], state: Optional[Sequence[Tensor]], device: str, rows: int = 1) -> None:
        """`rows` is how many conversations the call is for: together they have one budget."""
        self._samples.before(tokens, state)
        declared = self._declared(state)
        if device != "cpu" or self._on_device(None if state and self.continues(state) else state):
            self._device(device).before(state, self.fresh, declared, rows)
            return
        if self.fresh:
            self._new_sequence(state, declared)
        self._collector.begin()
        self._began = time.perf_counter()

    def _declared(self, state: Optional[Sequence[Tensor]]) -> Optional[Sequence[Tensor]]:
        """What the state ought to be, when somebody said so. Without a state the model makes its first one itself."""
        start, self.start = self.start, None
        if start is None or state is None:
            return None
        return self._initial(state) if start.declared is None else start.declared

    def _new_sequence(self, state: Optional[Sequence[Tensor]], declared: Optional[Sequence[Tensor]]) -> None:
        if state is None or declared is None:
            self._collector.new_sequence()
            return
        given, ought = CpuViews(self._torch), CpuViews(self._torch)
        self._collector.new_sequence_from(given.state(state, self._n_layer), ought.state(declared, self._n_layer))

    def _phase(self, tokens: List[int]) -> int:
        return _native.PREFILL if len(tokens) > 1 or self.fresh else _native.DECODE

    def step(self, tokens: List[int], found: Found, ms: float) -> Optional[Step]:
        """What end() says, of a row of a batch; None on a device, whose numbers are still on their way."""
        step = None
        if self.device is not None:
            self.device.after(tokens, found.logits, found.state, self.fresh, self._phase(tokens),
                              lambda: self._samples.after(_last_row(found.logits), found.state) if found.state else None)
        else:
            here = self._are_here(found.logits, found.state)
            taken = self._samples.after(_last_row(found.logits), found.state) if found.state and here else None
            step = self._collector.step(
                tokens, phase=self._phase(tokens), logits=self._views.logits(found.logits) if here else None,
                state=self._views.state(found.state, self._n_layer) if found.state and here else None,
                numbers=[("chunk_process_time_ms", ms), ("token_latency_ms", ms / len(tokens)), *(taken.numbers() if taken else [])])
        self._went_on(len(tokens), found.state)
        return step

    def spent_since(self, start_ns: int) -> None:
        """What was done for monitoring counts against the budget; that of numbers which a device makes is kept there."""
        if self.device is None:
            self._collector.spent_since(start_ns)

    def _are_here(self, logits: Tensor, state: Sequence[Tensor]) -> bool:
        """Do they lie in this process's memory? What a sequence's first call returns may be the first that shows where its model is:
        later ones are given a state. They are looked at there."""
        if not self.fresh or all(t.device.type == "cpu" for t in (logits, *state)):
            return True
        self._device(str(logits.device))
        return False

    def _went_on(self, n_tokens: int, state: Sequence[Tensor]) -> None:
        self.length = n_tokens if self.fresh else self.length + n_tokens
        self.tail, self.fresh = state[-1] if state else None, False

    def end(self, tokens: List[int], logits: Tensor, state: Sequence[Tensor]) -> None:
        phase = self._phase(tokens)
        if self.device is not None:
            self.device.after(tokens, logits, state, self.fresh, phase, lambda: self._samples.after(_last_row(logits), state))
        elif self._are_here(logits, state):
            self._collector.end(tokens, phase=phase, logits=self._views.logits(logits),
                                state=self._views.state(state, self._n_layer), numbers=self._sampled(len(tokens), logits, state))
        else:
            self._collector.end(tokens, phase=phase)
        self._went_on(len(tokens), state)

    def _sampled(self, n_tokens: int, logits: Tensor, state: Sequence[Tensor]) -> List[Tuple[str, float]]:
        """What was due of this call, and its time without the taking."""
        ms = (time.perf_counter() - self._began) * 1e3
        taken = self._samples.after(_last_row(logits), state)
        return [("chunk_process_time_ms", ms), ("token_latency_ms", ms / n_tokens), *taken.numbers()] if taken else []

    def begin_replay(self, token: Tensor, state: Sequence[Tensor], device: str) -> None:
        self._token = token
        self._device(device).before(state, self.fresh)

    def end_replay(self, logits: Tensor, state: Sequence[Tensor]) -> None:
        if self.device is not None:
            self.device.after([0], logits, state, self.fresh, self._phase([0]), token=self._token)
        self._went_on(1, state)

    def deliver(self, wait: bool = False) -> None:
        if self.device is not None:
            self.device.deliver(wait)

    def verdict(self) -> Verdict:
        """After the last call, for whose numbers it waits where a device makes them."""
        self.deliver(wait=True)
        return self.stream.verdict

    def go_back(self, n_tokens: int, state: Sequence[Tensor]) -> None:
        """It goes on from this state, that before the last n tokens."""
        self.deliver(wait=True)
        self.stream.went_back(n_tokens)
        if self.device is not None:
            self.device.go_back(n_tokens)
        self.tail = state[-1]
        self.length -= n_tokens

    @property
    def stream(self) -> Stream:
        return self._collector


class Monitor:
    """`describe` is asked once, when the first call tells that the model is in use.

    device says "cpu", or where the logits are made when any layer is elsewhere, and is asked in every call, since models are moved after
    they were made; force_device lets the processor play an accelerator."""

    def __init__(self, torch: Any, options: Options, describe: Callable[[], Description], device: Callable[[], str] = lambda: "cpu",
                 force_device: bool = False, on_alarm: Optional[OnAlarm] = None,
                 samples: Optional[Callable[[], Samples]] = None, initial: Initial = zero,
                 on_verdict: Optional[OnVerdict] = None, groups: int = 0) -> None:
        self._groups = groups  # how often the parts of a state repeat in its list of tensors; 0: once a layer
        self._rows_max = 0  # of one call
        self._inside = threading.local()
        self._on_verdict, self._verdict_failed = on_verdict, False
        self._on_alarm, self._alarms = on_alarm, None  # type: Optional[OnAlarm], Optional[Alarms]
        self._start: Optional[Start] = None
        self._samples = samples or (lambda: Samples(torch))
        self._initial = initial
        self.session_id = options.session_id or _new_id()
        self._torch, self._describe, self._force_device = torch, describe, force_device
        self._where, self._device = device, "cpu"
        self._options = replace(options, log=options.log_path())
        self._what: Optional[Description] = None
        self._lock = threading.Lock()
        self._collector: Optional[Collector] = None
        self._conversations: List[Conversation] = []  # the one used last comes first
        self._states = Remembered(torch)
        self.ended_early, self._no_room_told = 0, False  # conversations, for others beyond max_streams
        self._displaced: List[Tensor] = []  # last tensors of states on a device, of sequences that another followed
        self._take_turns = False  # conversations do: each new one is a stream
        self._pid = os.getpid()
        self._off = False
        self._poll: Optional[threading.Event] = None
        self.log_path = self._options.log
        seen.note(seen.MODEL)
        self._find_device()
        atexit.register(_close_if_alive, weakref.ref(self))

    def watch(self, forward: Callable[..., Any], tokens: Any, state: Any, args: Tuple[Any, ...], kwargs: Any) -> Any:
        """forward(tokens, state, *args, **kwargs) and what it returned, looked at before anybody can change it."""
        start = time.perf_counter_ns()
        found, fault = self._asked(lambda: self._take_with(tokens, state))
        if found is None:
            result = forward(tokens, state, *args, **kwargs)
            self._stop(fault)
            return result
        talk, fed = found
        self._inside.call = True
        try:
            self._guarded(talk.begin, fed, state, self._device)
            talk.spent_since(start)
            result = forward(tokens, state, *args, **kwargs)
            start = time.perf_counter_ns()
            if fed:
                self._guarded(self._end, talk, fed, result[0], result[1])
                talk.spent_since(start)  # without the caller's own on_verdict
                self._tell_verdict(talk)
            return result
        except BaseException:
            talk.tail = None  # whatever state comes next does not follow from the one before
            raise
        finally:
            self._inside.call = False
            self._give(talk)

    def watch_rows(self, call: Callable[[], Any], given: Callable[[], List[Given]], found: Callable[[Any], List[Found]]) -> Any:
        """call() and what it returned, where it feeds several conversations: given() says of each row what goes in, found(result)
        what came out. Where given() is empty the call is none of ours."""
        start = time.perf_counter_ns()
        taken, fault = self._asked(lambda: self._take_rows(given()))
        if not taken:
            result = call()
            self._stop(fault)
            return result
        rows, talks = taken
        self._inside.call = True
        try:
            self._guarded(self._begin_rows, talks, rows)
            talks[0].spent_since(start)
            began = time.perf_counter_ns()
            result = call()
            start = time.perf_counter_ns()
            ms = (start - began) / 1e6
            self._guarded(lambda: self._end_rows(talks, rows, found(result), ms))
            talks[0].spent_since(start)
            for talk in talks:
                self._tell_verdict(talk)
            return result
        except BaseException:
            for talk in talks:
                talk.tail = None
            raise
        finally:
            self._inside.call = False
            for talk in talks:
                self._give(talk)

    def watch_replay(self, replay: Callable[[], Any], token: Callable[[], Tensor], state: Sequence[Tensor], logits: Tensor,
                     after: Sequence[Tensor]) -> Any:
        """replay() of a CUDA graph, which reads `state` and writes `logits` and `after`: a call of the latest conversation."""
        talk = None if self._is_not_ours() else self._guarded(self._take_latest, state)
        if talk is None:
            return replay()
        self._inside.call = True
        try:
            self._guarded(lambda: talk.begin_replay(token(), state, self._device))
            result = replay()
            self._guarded(talk.end_replay, logits, after)
            self._tell_verdict(talk)
            return result
        finally:
            self._inside.call = False
            self._give(talk)

    def _take_latest(self, state: Sequence[Tensor]) -> Conversation:
        with self._lock:
            talk = next((c for c in self._conversations if not c.busy and c.tail is not None), None)
            if talk is not None:
                talk.busy, talk.fresh = True, False
                return talk
        return self._take(None)

    def watch_replays_of(self, token_of: Callable[[Tensor], Tensor], embedding: Tensor, state: List[Tensor], logits: Tensor,
                         after: List[Tensor]) -> None:
        """Of the graph that is being recorded, by a call that was given the embedding and returned the rest."""
        self._guarded(graphs.watch_replays, lambda replay: self.watch_replay(replay, lambda: token_of(embedding), state, logits, after))

    def _find_device(self) -> None:
        try:
            device = self._where()
        except Exception:  # of a head that was replaced by another kind: where it was
            return
        if device.startswith("cuda") and device != self._device:
            graphs.install(self._torch)
        self._device = device

    def records_a_graph(self) -> bool:
        self._find_device()
        return self._device.startswith("cuda") and bool(self._torch.cuda.is_current_stream_capturing())

    def _is_not_ours(self) -> bool:
        """Is this a call that a watched call makes, or one that only records a CUDA graph? Nothing may wait in that one."""
        return getattr(self._inside, "call", False) or self.records_a_graph()

    def _asked(self, what: Callable[[], Any]) -> Tuple[Any, Optional[Exception]]:
        """Of a call that is ours: what it is given, or why that cannot be told: then it is the caller's fault if the model refuses
        it, too."""
        if self._off or self._is_not_ours():
            return None, None
        try:
            return what(), None
        except Exception as e:
            return None, e

    def _stop(self, fault: Optional[Exception]) -> None:
        """A fault of ours must not become one of the caller's."""
        if fault is not None and not self._off:
            self._off = True
            print(f"rwkvmon: monitoring stopped, the model goes on: {str(fault) or type(fault).__name__}", file=sys.stderr)

    def _take_with(self, tokens: Any, state: Optional[Sequence[Tensor]]) -> Tuple[Conversation, List[int]]:
        fed = token_list(tokens)  # first: what cannot be read takes no conversation
        return self._take(state), fed

    def _take_rows(self, rows: List[Given]) -> Optional[Tuple[List[Given], List[Conversation]]]:
        if not rows:
            return None
        self._rows_max = max(self._rows_max, len(rows))
        self._take_turns |= len(rows) > 1
        talks: List[Conversation] = []
        try:
            for row in rows:
                talks.append(self._take(row.state, in_place=True))
        except Exception:
            for talk in talks:
                self._give(talk)
            raise
        with self._lock:
            self._forget()
        return rows, talks

    def _begin_rows(self, talks: List[Conversation], rows: List[Given]) -> None:
        for talk, row in zip(talks, rows):
            talk.begin(row.tokens, row.state, self._device, len(rows))

    def _end_rows(self, talks: List[Conversation], rows: List[Given], found: List[Found], ms: float) -> None:
        steps = [talk.step(row.tokens, after, ms) for talk, row, after in zip(talks, rows, found)]
        said = [step for step in steps if step is not None]
        if said:
            self._the_collector().end_batch(said)
        for talk, after in zip(talks, found):
            self._remember(talk, after.state)

    def _end(self, talk: Conversation, tokens: List[int], logits: Tensor, state: Sequence[Tensor]) -> None:
        talk.end(tokens, logits, state)
        self._remember(talk, state)

    def _remember(self, talk: Conversation, state: Sequence[Tensor]) -> None:
        if state and talk.is_on_processor:
            with self._lock:
                talk.contents = self._states.put(state[-1], Place(talk.line, talk.length), max(STATES_MAX, 64 * self._rows_max))

    def _tell_verdict(self, talk: Conversation) -> None:
        said = self._guarded(lambda: talk.stream.verdict) if self._on_verdict else None
        if not said:
            return
        try:
            self._on_verdict(said)  # type: ignore[misc]  # it is there, or nothing was said
        except Exception as e:  # the caller's fault must not end the forward call; it is said once
            if not self._verdict_failed:
                print(f"rwkvmon: on_verdict failed: {type(e).__name__}: {e}", file=sys.stderr)
            self._verdict_failed = True

    @property
    def verdict(self) -> Verdict:
        """Of the conversation that was used last; of numbers made on a device, after the last call whose numbers have arrived."""
        with self._lock:
            return self._conversations[0].stream.verdict if self._conversations else Verdict()

    def verdict_of(self, state: Sequence[Tensor]) -> Verdict:
        """Of the conversation whose last call returned this state, whoever used the model since, and after that call: numbers that a
        device makes are waited for. Of another state nothing is known."""
        with self._holding(state) as talk:
            said = self._guarded(talk.verdict) if talk else None
        return Verdict() if said is None else said

    @contextlib.contextmanager
    def _holding(self, state: Sequence[Tensor]) -> Iterator[Optional[Conversation]]:
        """The conversation whose last call returned this state, for nobody else meanwhile."""
        with self._lock:
            talk = next((c for c in self._conversations if not c.busy and c.continues(state)), None)
            if talk is not None:
                talk.busy = True
        try:
            yield talk
        finally:
            if talk is not None:
                self._give(talk)

    @contextlib.contextmanager
    def unwatched(self) -> Iterator[None]:
        """with monitor.unwatched(): what this thread calls inside is the model's own, and not in the log."""
        before, self._inside.call = getattr(self._inside, "call", False), True
        try:
            yield
        finally:
            self._inside.call = before

    def went_back(self, n_tokens: int, left: Sequence[Tensor], state: Sequence[Tensor], verdict: Verdict, attempt: int) -> None:
        """The conversation whose last call returned the state `left` goes on from `state`, that before the last n tokens; the log says
        so."""
        with self._holding(left) as talk:
            if talk is not None:
                self._guarded(self._go_back, talk, n_tokens, state, verdict, attempt)

    @staticmethod
    def _go_back(talk: Conversation, n_tokens: int, state: Sequence[Tensor], verdict: Verdict, attempt: int) -> None:
        length = verdict.go_back_tokens + (verdict.first_bad_token or 1) - 1
        talk.go_back(n_tokens, state)
        talk.stream.acted("rewind", "non_finite" if "non_finite" in verdict.fires else "mode_collapse", ", ".join(verdict.fires),
                          verdict.first_bad_token or 0, attempt, changes=[("sequence_length", length, length - n_tokens)])

    def _guarded(self, step: Callable[..., Any], *args: Any) -> Any:
        if self._off:
            return None
        try:
            return step(*args)
        except Exception as e:
            self._stop(e)
            return None

    def _take(self, state: Optional[Sequence[Tensor]], in_place: bool = False) -> Conversation:
        if os.getpid() != self._pid:
            self._after_fork()
        with self._lock:
            known = self._recognise(state, in_place) if state and not self._start else None
            talk = known or self._begin()
            talk.fresh = known is None
            talk.start, self._start = self._start, None
            talk.busy = True
            if talk in self._conversations:
                self._conversations.remove(talk)
            self._conversations.insert(0, talk)
            if not in_place:
                self._forget()
            return talk

    def _recognise(self, state: Sequence[Tensor], in_place: bool) -> Optional[Conversation]:
        """Whose state it is: as an object, else by its contents. None: no call returned it."""
        found = next((c for c in self._conversations if c.continues(state)), None)
        number = None
        if (in_place or found is None) and state[-1].device.type == "cpu" and not self._force_device:
            number = contents(state[-1])
        if found is not None and in_place and number is not None and number != found.contents:
            found.tail, found = None, None  # a slot that was given to another
        back, candidates = 0, 1
        if found is None and number is not None:
            places = self._states.places(number) or self._states.places_of_another_precision(state[-1])
            places = [p for p in places if p.line.of.length == p.length] or places  # others went on from there
            found, back = self._conversation_at(places, in_place)
            candidates = 1 if in_place else len(places)
        elif found is None:
            found = self._recognise_on_device(state)
        if found is None:
            return None
        self._take_turns |= found not in self._conversations[:1]
        try:
            return self._branch(found, back, candidates) if found.busy or back or candidates > 1 else found
        except NoRoom:  # but for the one that it would be a branch of
            return None

    @staticmethod
    def _conversation_at(places: List[Place], in_place: bool) -> Tuple[Optional[Conversation], int]:
        """Whose place it is, and how many tokens ago. Of several the latest; rows of a batch stay in their order: the first that
        is still there and not yet taken for another row."""
        if not places:
            return None, 0
        free = [p for p in places if not p.line.of.busy and p.line.of.length == p.length] if in_place else []
        place = (free or places[-1:])[0]
        found: Conversation = place.line.of
        return found, found.length - place.length

    def _recognise_on_device(self, state: Sequence[Tensor]) -> Optional[Conversation]:
        """A copy of the state returned last; or an object that was, before another sequence followed."""
        latest = next((c for c in self._conversations if not c.busy), None)
        if latest and latest.continues_copy(state):
            return latest
        if not any(state[-1] is tail for tail in self._displaced):
            return None
        self._take_turns = True
        return self._open_stream()

    def _begin(self) -> Conversation:
        """A conversation for a new sequence."""
        latest = next((c for c in self._conversations if not c.busy), None)
        if not self._conversations:
            return self._open(self._the_collector())
        if self._take_turns or latest is None:
            return self._open_stream()
        if latest.tail is not None and latest.is_on_processor:
            self._put_aside(latest)
        elif latest.tail is not None:
            self._displaced = [*self._displaced[1 - _UNHELD_MAX:], latest.tail]
        return latest

    def _put_aside(self, latest: Conversation) -> None:
        try:
            aside = self._open(self._with_room(latest.stream.branch, latest))
        except NoRoom:
            latest.leave_state()
            return
        latest.put_aside(aside)
        self._conversations.insert(1, aside)

    def _open_stream(self) -> Conversation:
        try:
            return self._open(self._with_room(self._the_collector().stream))
        except NoRoom as full:
            return self._open(full.stream)

    def _with_room(self, opened: Callable[[], Stream], but: Optional[Conversation] = None) -> Stream:
        """A new stream, for which the conversation that is silent for longest ends where it must; but this one stays."""
        while True:
            try:
                return opened()
            except NoRoom as full:
                self._tell_no_room(full)
                silent = [c for c in self._conversations if not c.busy and c is not but and c.stream is not self._collector]
                if not silent:
                    raise
                self.ended_early += 1
                self._end_conversation(silent[-1])

    def _tell_no_room(self, full: NoRoom) -> None:
        if not self._no_room_told:
            print(f"rwkvmon: {str(full).splitlines()[0]}: a further conversation ends the one that is silent for longest, or is not "
                  "in the log while all others are in a call", file=sys.stderr)
        self._no_room_told = True

    def _end_conversation(self, talk: Conversation) -> None:
        self._conversations.remove(talk)
        talk.line.of = None
        talk.deliver(wait=True)
        talk.stream.close()

    def _branch(self, parent: Conversation, back: int, candidates: int = 1) -> Conversation:
        talk = self._open(self._with_room(partial(parent.stream.branch, candidates=candidates), parent))
        talk.length = parent.length - back
        if back > 0:
            talk.stream.went_back(back)
        return talk

    def _forget(self) -> None:
        """The oldest, beyond what is remembered. Of the handle's own only the state is: its stream ends with the log."""
        held = unheld = 0
        unheld_max = max(_UNHELD_MAX, self._rows_max)
        held_max = max(_CONVERSATIONS_MAX, 4 * self._rows_max) - unheld_max
        for talk in list(self._conversations):
            held, unheld = held + talk.is_held(), unheld + (not talk.is_held())
            if held <= held_max and unheld <= unheld_max or talk.busy or talk.stream is self._collector:
                continue
            self._end_conversation(talk)

    def _give(self, talk: Conversation) -> None:
        with self._lock:
            talk.busy = False
            if talk.stream.is_refused and talk in self._conversations:  # its next call may have room
                self._guarded(self._end_conversation, talk)

    def _the_collector(self) -> Collector:
        if self._what is None:
            self._what = self._describe()
        if self._collector is None:
            self._collector = Collector(self._stream_options(), self._what)
        if self._poll is None and (self._device != "cpu" or self._force_device):
            self._poll = threading.Event()
            threading.Thread(target=_deliver_now_and_then, args=(weakref.ref(self), self._poll), daemon=True,
                             name="rwkvmon-deliver").start()
        return self._collector

    def _open(self, stream: Stream) -> Conversation:
        assert self._what is not None  # there is a stream
        return Conversation(self._torch, stream, self._groups or self._what.n_layer, self._options, self._force_device, self._samples(),
                            self._initial)

    def _stream_options(self) -> Options:
        """The handle's own session is the one that `session_id` names; those of other streams are random."""
        options = self._options
        if not options.session_id:
            options = replace(options, session_id=self.session_id)
        if self._on_alarm is not None:
            self._alarms = self._alarms or Alarms(self._on_alarm)
            given = (options.alarm_to,) if isinstance(options.alarm_to, str) else tuple(options.alarm_to)
            options = replace(options, alarm_to=(*given, self._alarms.receiver))
        return options

    def new_sequence(self, declared: Optional[Sequence[Tensor]] = None) -> None:
        """The next call begins a new sequence. Its state ought to be the declared one, by default the one that the model
        begins with: what it is given is compared, where it lies, and a difference raises `state_leak`."""
        self._start = Start(declared)

    def reconfigure(self, **changes: Any) -> None:
        """Other settings, before the first call or after close()."""
        if self._collector is not None:
            raise _native.RwkvmonError("the log is open: settings change before the first call, or after monitor.close()")
        self._options = replace(self._options, **changes)
        self.log_path = self._options.log
        self.session_id = self._options.session_id or self.session_id

    def deliver_idle(self) -> None:
        """Hands over what arrived after the last call of a pause."""
        with self._lock:
            for talk in self._conversations:
                if not talk.busy:
                    self._guarded(talk.deliver)

    def _after_fork(self) -> None:
        """In a child: the parent's handles are the parent's; its threads do not exist here."""
        self._pid, self._lock, self._conversations, self._poll = os.getpid(), threading.Lock(), [], None
        self._collector, self._displaced = None, []
        self._states.clear()
        self.session_id, self._alarms = _new_id(), None
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
            talks, self._conversations = self._conversations, []
            collector, self._collector = self._collector, None
            self._states.clear()
            self._displaced.clear()
            if self._poll is not None:
                self._poll.set()
                self._poll = None
        for talk in talks:
            self._guarded(talk.deliver, True)
        if collector is not None:
            collector.close()
        if self._alarms is not None:
            self._alarms.close()
            self._alarms = None
        if self.ended_early:
            print(f"rwkvmon: {self.ended_early} conversations were ended early, because max-streams allows no more", file=sys.stderr)
        self.ended_early = 0

    @property
    def collectors(self) -> List[Collector]:
        with self._lock:
            return [self._collector] if self._collector else []


def _last_row(logits: Tensor) -> Tensor:
    return logits if logits.dim() == 1 else logits[-1]


def _new_id() -> str:
    return "rwkv-sess-" + secrets.token_hex(6)


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
