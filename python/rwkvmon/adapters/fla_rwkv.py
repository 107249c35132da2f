"""RWKV6ForCausalLM and RWKV7ForCausalLM of flash-linear-attention, and RWKV7ForCausalLM of rwkv7-hf, which is pure torch:
forward() and whatever calls it, generate() too."""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..options import Description
from ..rows import Found, Given
from ..tensors import Tensor
from ._base import Adapter, last_of
from .transformers_rwkv import described, logits_of

# Of a layer: shift, matrices, shift, as in the package `rwkv`; by flash-linear-attention's names, and by rwkv7-hf's.
_PARTS = (("conv_state", "recurrent_state", "ffn_state"), ("attention_shift", "recurrent_state", "ffn_shift"))

_PAST = ("cache", "past_key_values")  # the newer name first: transformers 5.24 warns of the other one when it is read


class FlaRwkv(Adapter):
    """`past_key_values` (`cache`) holds a dictionary for each layer, its tensors (batch, …); a call puts new ones into it. Tokens that the
    mask hides are not counted; layers of ordinary attention are left out of the state."""

    def describe(self) -> Description:
        runtime = type(self.model).__module__.partition(".")[0]
        return described(self.model, "".join(c for c in str(self.model.config.model_type) if c.isdigit())[:1], runtime)

    def device(self) -> str:
        return str(self.model.lm_head.weight.device)

    def groups(self) -> int:
        attention = getattr(self.model.config, "attn", None) or {}
        return int(self.model.config.num_hidden_layers) - len(attention.get("layers", ()))

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        ids, past = said.get("input_ids"), said.get("past_key_values", said.get("cache"))
        if ids is None or self.model.training or said.get("cu_seqlens", said.get("kwargs", {}).get("cu_seqlens")) is not None:
            return []
        tokens = ids.tolist()
        states: List[Optional[List[Tensor]]] = [*self._cut(past)] or [None] * len(tokens)
        return [Given(self._fed(said, i, row), state) for i, (row, state) in enumerate(zip(tokens, states))]

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        logits = logits_of(result, said)
        past = next((past for past in (getattr(result, name, None) for name in _PAST) if past is not None), None)
        if past is None and type(result) is tuple:
            past = next((part for part in result[1:] if part is not None and not hasattr(part, "dim")), None)
        states = self._cut(past) or [[] for _ in logits]
        length = said["input_ids"].shape[1]
        return [Found(last_of(row[:self._end(said, i)] if len(row) == length else row), state)
                for i, (row, state) in enumerate(zip(logits, states))]

    def _mask(self, said: Dict[str, Any], row: int) -> Optional[List[int]]:
        mask = said.get("attention_mask")
        return None if mask is None else list(mask[row, -said["input_ids"].shape[1]:].tolist())

    def _fed(self, said: Dict[str, Any], row: int, tokens: List[int]) -> List[int]:
        mask = self._mask(said, row)
        return [t for t, shown in zip(tokens, mask) if shown] or tokens[-1:] if mask else tokens

    def _end(self, said: Dict[str, Any], row: int) -> Optional[int]:
        """After the last token that the mask shows."""
        mask = self._mask(said, row)
        return max((i + 1 for i, shown in enumerate(mask) if shown), default=None) if mask else None

    def _cut(self, past: Any) -> List[List[Tensor]]:
        layers = [] if past is None else [past[i] for i in range(len(past))]
        layers = [layer for layer in layers if layer and layer.get("recurrent_state") is not None]
        if not layers:
            return []
        names = next(names for names in _PARTS if names[-1] in layers[-1])

        def cut() -> List[List[Tensor]]:
            parts = [layer[name].detach() for layer in layers for name in names]
            return [[part[row] for part in parts] for row in range(len(parts[-1]))]
        return self.rows.of(layers[-1][names[-1]], cut)
