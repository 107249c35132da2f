"""The rows of one forward call over several conversations, as adapters describe them to the monitor."""
from __future__ import annotations

import weakref
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .tensors import Tensor


class Given(NamedTuple):
    """A row before the call: the tokens that are fed, and the state, in the order of the package `rwkv`; None: it begins."""

    tokens: List[int]
    state: Optional[List[Tensor]]


class Found(NamedTuple):
    """The row after it: raw logits, of which the last row counts, and the state; [] when the runtime returns none."""

    logits: Tensor
    state: List[Tensor]


class Rows:
    """Cuts batches into rows. A batch that comes back gives the same views as before, by which its conversations are known;
    views do not keep the batch alive."""

    def __init__(self) -> None:
        self._known: Dict[int, Tuple[Any, List[List[Tensor]]]] = {}

    def of(self, owner: Tensor, cut: Callable[[], List[List[Tensor]]]) -> List[List[Tensor]]:
        """`owner` is a tensor of the batch, which lives as long as it does; `cut` makes detached views."""
        known = self._known.get(id(owner))
        if known and known[0]() is owner:
            return known[1]
        rows, table, key = cut(), self._known, id(owner)
        table[key] = (weakref.ref(owner, lambda _: table.pop(key, None)), rows)
        return rows
