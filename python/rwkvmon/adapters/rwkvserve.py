"""rwkvserve: RWKV7Model, which is RWKV-7 with a state for each row of a batch, and the scheduler of its server, which calls the model's
blocks itself."""
from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from ..options import Description
from ..rows import Found, Given
from ..tensors import Tensor
from ._base import Adapter, last_of, weight_bytes

_PARTS = ("att_x_prev", "att_kv", "ffn_x_prev")  # shift, matrices, shift, as in the package `rwkv`


class Rwkvserve(Adapter):
    """The state is a dictionary for each layer, its tensors (batch, …); a call puts new ones into a new list. Rows of
    forward_batch_dynamic() may be of different lengths."""

    methods = ("forward_with_state", "forward_batch_dynamic")

    def describe(self) -> Description:
        return _described(self.model)

    def device(self) -> str:
        return str(self.model.head.weight.device)

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        tokens = next(iter(said.values()))
        fed = [list(row) for row in (tokens.tolist() if hasattr(tokens, "tolist") else tokens)]
        states: List[Optional[List[Tensor]]] = [*self._cut(said.get("states"))] or [None] * len(fed)
        return [Given(*row) for row in zip(fed, states)] if all(fed) and len(fed) == len(states) else []

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        logits, states = result
        return [Found(last_of(row), after) for row, after in zip(logits, self._cut(states))]

    def _cut(self, states: Any) -> List[List[Tensor]]:
        if not states:
            return []

        def cut() -> List[List[Tensor]]:
            parts = [layer[name].detach() for layer in states for name in _PARTS]
            return [[part[row] for part in parts] for row in range(len(parts[-1]))]
        return self.rows.of(states[-1][_PARTS[-1]], cut)


class RwkvserveScheduler(Adapter):
    """SchedulerCore: the states of its slots are gathered for each call, and known again by their contents, so on the processor only.
    It makes logits after the call, of the rows that need them: these are not read."""

    methods = ("_model_forward_with_state",)

    def describe(self) -> Description:
        return _described(self.model.model)

    def device(self) -> str:
        return str(self.model.model.head.weight.device)

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        if self.device() != "cpu":
            return []
        tokens, *parts = said.values()
        return [Given(*row) for row in zip(tokens.tolist(), _rows(parts))]

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        hidden, parts = result
        return [Found(hidden.new_empty(0), after) for after in _rows(parts)]


def _rows(parts: Sequence[Tensor]) -> List[List[Tensor]]:
    """Of shift, matrices, shift, each (layers, batch, …)."""
    return [[part[layer, row].detach() for layer in range(len(parts[0])) for part in parts] for row in range(parts[0].shape[1])]


def _described(model: Any) -> Description:
    config, head = model.config, model.head.weight
    return Description(
        model_name=type(model).__name__, model_version="7", strategy=f"{head.device} {str(head.dtype).rpartition('.')[2]}",
        runtime_name="rwkvserve", n_layer=int(config.n_layer), n_embd=int(config.n_embd), vocab_size=int(config.vocab_size),
        model_bytes=weight_bytes(model.parameters()))
