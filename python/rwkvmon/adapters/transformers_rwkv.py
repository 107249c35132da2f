"""RwkvForCausalLM of transformers (RWKV-4): forward() and whatever calls it, generate() too."""
from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional

from ..options import Description
from ..rows import Found, Given
from ..samples import Decay
from ..tensors import Tensor
from ._base import Adapter, last_of, weight_bytes


class TransformersRwkv(Adapter):
    """`state` is [ffn shift, att shift, aa, bb, pp], each (batch, hidden, layers), changed in place. The mask is not read by
    the model: padding is fed like any token, and counted."""

    def describe(self) -> Description:
        return described(self.model, "4", "transformers")

    def device(self) -> str:
        return str(self.model.head.weight.device)

    def groups(self) -> int:
        return 1  # all layers of a part are one tensor

    def decay(self, torch: Any) -> Optional[Decay]:
        with torch.no_grad():
            rows = {f"blocks.{i}.att.time_decay": -block.attention.time_decay.float().exp()
                    for i, block in enumerate(self.model.rwkv.blocks)}
            return Decay(torch, rows, "4", len(rows))

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        ids, state = said.get("input_ids"), said.get("state")
        if ids is None or self.model.training:
            return []
        tokens = ids.tolist()
        states: List[Optional[List[Tensor]]] = [*self._cut(state)] if state else [None] * len(tokens)
        return [Given(*row) for row in zip(tokens, states)]

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        logits, state = logits_of(result, said), getattr(result, "state", None)
        if state is None and type(result) is tuple:
            state = next((part for part in result if isinstance(part, list)), None)
        states = self._cut(state) if state else [[] for _ in logits]
        return [Found(last_of(row), after) for row, after in zip(logits, states)]

    def _cut(self, state: List[Tensor]) -> List[List[Tensor]]:
        def cut() -> List[List[Tensor]]:
            ffn, att, aa, bb, pp = (part.detach() for part in state)
            return [[part[row] for part in (att, aa, bb, pp, ffn)] for row in range(len(ffn))]
        return self.rows.of(state[0], cut)


def described(model: Any, version: str, runtime: str) -> Description:
    """What a model of transformers' kind says of itself."""
    config, first = model.config, next(model.parameters())
    module = sys.modules.get(runtime)
    return Description(
        model_name=(getattr(config, "_name_or_path", "") or type(model).__name__).rstrip("/").rpartition("/")[2],
        model_version=version, strategy=f"{first.device} {str(first.dtype).rpartition('.')[2]}", runtime_name=runtime,
        runtime_version=getattr(module, "__version__", None), n_layer=config.num_hidden_layers, n_embd=config.hidden_size,
        vocab_size=config.vocab_size, model_bytes=weight_bytes(model.parameters()))


def logits_of(result: Any, said: Dict[str, Any]) -> Tensor:
    """(batch, tokens, vocabulary), of an output object or of the tuple that return_dict=False gives."""
    logits = getattr(result, "logits", None)
    return logits if logits is not None else result[0 if said.get("labels") is None else 1]
