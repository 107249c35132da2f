"""RWKV_x070 as Albatross and rwkv_lightning write it: RWKV-7 with one state for a whole batch."""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..options import Description
from ..rows import Found, Given
from ..tensors import Tensor
from ._base import Adapter, last_of, weight_bytes


class X070(Adapter):
    """The state is [(layers, 2, batch, C), (layers, batch, heads, N, N), …], changed in place, or a list of three tensors a
    layer, (batch, …), that a call replaces; of a single conversation without `batch`. Weights are the dictionary `z`.
    Calls that are given embeddings for tokens, or pages of a pool for states, pass unseen."""

    methods = ("forward", "forward_batch", "forward_batch_same_length", "forward_seq_batch", "forward_seq_batch_chunk",
               "forward_one_batch", "forward_seq", "forward_one")

    def describe(self) -> Description:
        model, weights = self.model, self.model.z
        name = str(getattr(model.args, "MODEL_NAME", type(model).__name__)).rpartition("/")[2]
        head = weights["head.weight"]
        return Description(
            model_name=name[:-4] if name.endswith(".pth") else name, model_version="7",
            strategy=f"{head.device} {str(head.dtype).rpartition('.')[2]}", runtime_name=type(model).__module__.partition(".")[0],
            n_layer=int(model.n_layer), n_embd=int(model.n_embd), vocab_size=max(head.shape),
            model_bytes=weight_bytes(weights.values()))

    def device(self) -> str:
        return str(self.model.z["head.weight"].device)

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        tokens, state = next(iter(said.values()), None), said.get("state")
        batch = _batch(state, int(self.model.n_layer))
        fed = _tokens(tokens, batch)
        if not fed or (state is not None and len(fed) != (batch or 1)):
            return []
        states: List[Optional[List[Tensor]]] = [*self._cut(state)] if state is not None else [None] * len(fed)
        return [Given(*row) for row in zip(fed, states)]

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        logits, state = result if isinstance(result, tuple) else (result, said["state"])
        states = self._cut(state)
        if not _batch(state, int(self.model.n_layer)):
            return [Found(last_of(logits), states[0])]
        return [Found(last_of(row), after) for row, after in zip(logits, states)]

    def _cut(self, state: List[Tensor]) -> List[List[Tensor]]:
        n_layer = int(self.model.n_layer)
        batch = _batch(state, n_layer)

        def cut() -> List[List[Tensor]]:
            parts = [part.detach() for part in state]
            if len(state) == 3 * n_layer and parts[0].dim() < 3:
                return [[part[row] for part in parts] for row in range(batch)] if batch else [parts]
            shift, wkv = (part if batch else part.unsqueeze(-2 if at == 0 else 1) for at, part in enumerate(parts[:2]))
            return [[t for i in range(n_layer) for t in (shift[i, 0, row], wkv[i, row], shift[i, 1, row])]
                    for row in range(batch or 1)]
        return self.rows.of(state[-1] if len(state) == 3 * n_layer and state[0].dim() < 3 else state[1], cut)


def _batch(state: Optional[List[Tensor]], n_layer: int) -> int:
    """How many conversations the state is of; 0: of one, without that dimension, or unknown."""
    if not state:
        return 0
    if state[0].dim() == 4:  # (layers, 2, batch, C)
        return int(state[0].shape[2])
    return int(state[0].shape[0]) if state[0].dim() == 2 and len(state) == 3 * n_layer else 0


def _tokens(tokens: Any, batch: int) -> List[List[int]]:
    """A list of tokens for each conversation; [] when embeddings were given."""
    if hasattr(tokens, "tolist"):
        if tokens.is_floating_point():
            return []
        tokens = tokens.tolist()
    if isinstance(tokens, int):
        return [[tokens]]
    if not tokens:
        return []
    if isinstance(tokens[0], int):
        return [[t] for t in tokens] if batch else [list(tokens)]
    return [list(row) for row in tokens] if all(tokens) else []
