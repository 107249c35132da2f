"""The states that a model returned, and whose they are: how a copy of one is recognised when it comes back.

A state is known by the contents of its last tensor. One that comes back in another precision has other contents: then all its
values are ones that fp16, or bf16, holds, and some of them, taken from all over the tensor, lie within that precision's
rounding of those that were returned.
"""
from __future__ import annotations

import ctypes
from collections import OrderedDict
from typing import Any, List, NamedTuple, Optional, Tuple

from .tensors import Tensor

STATES_MAX = 4096
_SAMPLES = 32  # values of a state that are kept
_AS_GIVEN_MAX = 64  # states whose bytes wait: torch takes the values of all of them at once, or when a state is looked for
# A whole unit in the last place, since some round and some cut: of the value, and near zero. The coarser comes first: fp16
# holds most values that bf16 holds.
_ROUNDING = {"bfloat16": (2.0 ** -7, 2.0 ** -133), "float16": (2.0 ** -10, 2.0 ** -24)}


class Place(NamedTuple):
    """A state in a conversation: its line, and the tokens that were fed until there."""

    line: Any
    length: int


class _Known:
    """A state: by whom it was returned, the latest last. Several, when conversations began alike."""

    def __init__(self) -> None:
        self.places: List[Place] = []
        self.row = -1  # of its values

    def put(self, place: Place) -> None:
        self.places = [*(p for p in self.places if p.line is not place.line and p.line.of is not None), place]


def bytes_of(tail: Tensor) -> bytes:
    """Those of a tensor in this process's memory. Few calls of torch: each costs microseconds once a model's weights have passed
    through the caches."""
    if not tail.is_contiguous():
        tail = tail.contiguous()
    return ctypes.string_at(tail.data_ptr(), tail.numel() * tail.element_size())


def contents(tail: Tensor) -> int:
    """A number for the contents of a tensor in this process's memory: of equal ones equal."""
    return hash((tail.dtype, bytes_of(tail)))


class Remembered:
    """The last states, STATES_MAX or as many as a caller allows. One thread at a time."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self.clear()

    def clear(self) -> None:
        self._known: "OrderedDict[int, _Known]" = OrderedDict()
        self._values: Optional[Tensor] = None  # (rows, _SAMPLES), a ring
        self._as_given: List[Tuple[int, bytes]] = []  # rows that are still to be filled, and the states for them
        self._numbers: List[int] = []  # whose contents each row is of
        self._next = 0
        self._like: Any = None  # shape and type of the states

    def put(self, tail: Tensor, place: Place, most: int = STATES_MAX) -> int:
        """contents() of the tensor."""
        given = bytes_of(tail)
        number = hash((tail.dtype, given))
        known = self._known.pop(number, None) or _Known()
        known.put(place)
        known.row = self._keep_values(number, tail, given, max(most, STATES_MAX))
        self._known[number] = known
        while len(self._known) > max(most, STATES_MAX):
            self._known.popitem(last=False)
        return number

    def places(self, number: int) -> List[Place]:
        """Whose state it is, by its contents; []: nobody's that goes on."""
        return self._alive(self._known.get(number))

    @staticmethod
    def _alive(known: Optional[_Known]) -> List[Place]:
        return [p for p in known.places if p.line.of is not None] if known else []

    def places_of_another_precision(self, tail: Tensor) -> List[Place]:
        """Whose state it is, rounded; of each conversation the place that is closest, or the latest of equally close ones."""
        rounding = self._rounding(tail)
        if rounding is None or self._values is None:
            return []
        self._take_as_given()
        torch, given = self._torch, self._sample(tail.detach().reshape(1, -1))[0]
        apart = (self._values - given).abs()
        near = apart <= rounding[0] * torch.maximum(self._values.abs(), given.abs()) + rounding[1]
        best: List[Tuple[float, Place]] = []
        for row in near.all(1).nonzero().flatten().tolist():
            known = self._known.get(self._numbers[row]) if row < len(self._numbers) else None
            if known is not None and known.row == row:
                best += [(-float(apart[row].sum()), place) for place in self._alive(known)]
        best.sort(key=lambda found: (found[0], found[1].length))
        return list({id(place.line): place for _, place in best}.values())

    def _rounding(self, tail: Tensor) -> Optional[Tuple[float, float]]:
        """Of the precision it went through; None: of none but that of the states themselves."""
        torch = self._torch
        if self._like is None or tail.shape != self._like[0]:
            return None
        name = str(tail.dtype).rpartition(".")[2]
        if name in _ROUNDING:
            return None if tail.dtype == self._like[1] else _ROUNDING[name]
        for narrow, rounding in _ROUNDING.items():
            if bool(torch.equal(tail, tail.to(getattr(torch, narrow)).to(tail.dtype))):
                return rounding
        return None

    @staticmethod
    def _sample(states: Tensor) -> Tensor:
        """Of (states, values) some values each, from all over it."""
        return states[:, ::max(1, states.shape[1] // _SAMPLES)][:, :_SAMPLES].float()

    def _keep_values(self, number: int, tail: Tensor, given: bytes, rows: int) -> int:
        if self._values is None or self._like != (tail.shape, tail.dtype) or len(self._values) != rows:
            self._like = (tail.shape, tail.dtype)
            self._values = self._torch.full((rows, self._sample(tail.detach().reshape(1, -1)).shape[1]), float("nan"))
            self._as_given, self._numbers, self._next = [], [], 0
        row, self._next = self._next, (self._next + 1) % rows
        self._as_given.append((row, given))
        if len(self._as_given) == _AS_GIVEN_MAX:
            self._take_as_given()
        if row == len(self._numbers):
            self._numbers.append(number)
        self._numbers[row] = number
        return row

    def _take_as_given(self) -> None:
        if self._as_given and self._values is not None:
            rows, given = zip(*self._as_given)
            states = self._torch.frombuffer(bytearray().join(given), dtype=self._like[1]).reshape(len(rows), -1)
            self._values[list(rows)] = self._sample(states)
            self._as_given.clear()
