"""Accuracy numbers that are taken now and then, of one token in so many: how long the state remembers (`decay_half_life_tokens`),
and how far the logits lie from those of a better precision (`quant_kl_nats`, `quant_top1_agree`)."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import re
import sys
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .tensors import Tensor

DECAY_EVERY = 100  # tokens, as the built-in runtime takes it
_DECAY = ("decay_half_life_p5", "decay_half_life_tokens", "decay_half_life_p95")
_PERCENTILES = (5, 50, 95)
_QUANT = ("quant_kl_nats", "quant_top1_agree")


class Taken(NamedTuple):
    """Names of metrics, and their values where the logits are."""

    names: List[str]
    values: Tensor

    def numbers(self) -> List[Tuple[str, float]]:
        """The numbers, once they have arrived; values that are not finite are unknown."""
        return [(name, value) for name, value in zip(self.names, self.values.tolist()) if math.isfinite(value)]


class Decay:
    """The decay of every channel, between 0 and 1. In RWKV-4 and 5 it is given by the weights. In RWKV-6 and 7 it
    depends on the token, and is computed from the token-shift vectors before and after a call of one token, which are
    the time mixing's input."""

    def __init__(self, torch: Any, weights: Dict[str, Any], version: str, n_layer: int) -> None:
        self._torch, self._weights, self._n_layer = torch, weights, n_layer
        self._of_layer = {"6": self._of_v6, "7": self._of_v7}.get(version[:1])
        self._fixed: Any = None if self._of_layer else self._of_weights(version)

    def _of_weights(self, version: str) -> Tensor:
        rows = [self._weights[f"blocks.{i}.att.time_decay"].float().flatten().cpu() for i in range(self._n_layer)]
        if version == "4":  # the package keeps its logarithm
            return self._torch.cat(rows).exp()
        channels = self._weights["blocks.0.att.ln_x.weight"].numel()  # RWKV-5.0 and 5.1 have one for all channels of a head
        return self._torch.cat([row.repeat_interleave(channels // row.numel()) for row in rows])

    def _of_v6(self, att: str, x: Tensor, before: Tensor) -> Tensor:
        w, torch = self._weights, self._torch
        rest = before - x
        mixed = torch.tanh((x + rest * w[att + "time_maa_x"]) @ w[att + "time_maa_w1"]).view(5, -1)[0] @ w[att + "time_maa_w2"][0]
        x = x + rest * (w[att + "time_maa_w"] + mixed)
        raw = w[att + "time_decay"].flatten() + (torch.tanh(x @ w[att + "time_decay_w1"]) @ w[att + "time_decay_w2"]).float()
        return torch.exp(-torch.exp(raw))

    def _of_v7(self, att: str, x: Tensor, before: Tensor) -> Tensor:
        w, torch = self._weights, self._torch
        raw = torch.tanh((x + (before - x) * w[att + "x_w"]) @ w[att + "w1"]) @ w[att + "w2"]
        return torch.exp(-math.exp(-0.5) * torch.sigmoid((w[att + "w0"] + raw).float()))

    def half_lives(self, old: Optional[Sequence[Tensor]], new: Sequence[Tensor], device: Any) -> Tensor:
        """Three percentiles, in tokens; NaN where the values are not finite."""
        torch = self._torch
        if self._of_layer is None:
            decay = self._fixed.to(device)
        else:
            step = len(new) // self._n_layer
            layers = [(new[i], torch.zeros_like(new[i]) if old is None else old[i]) for i in range(0, len(new), step)]
            decay = torch.cat([self._of_layer(f"blocks.{i}.att.", x, before).to(device) for i, (x, before) in enumerate(layers)])
        n = decay.numel()
        picked = torch.stack([torch.kthvalue(decay, (n - 1) * pct // 100 + 1).values for pct in _PERCENTILES])
        return -math.log(2) / torch.log(picked)


class Shadow:
    """The same weights in a better precision, at best full. It lives in a copy of the package's module: RWKV-7's class keeps
    its device and its type in the module's globals."""

    def __init__(self, torch: Any, module: Any, path: str, strategy: str) -> None:
        self._torch = torch
        self._lock = threading.Lock()
        spec = importlib.util.spec_from_file_location("rwkvmon_shadow_of_rwkv_model", module.__file__)
        assert spec is not None and spec.loader is not None
        own = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        with contextlib.redirect_stdout(io.StringIO()):  # the package says what it loads; once is enough
            spec.loader.exec_module(own)
            self._model: Any = own.RWKV(path, strategy)
        self._like = self._model.forward([0], None)[1]

    def logits(self, token: int, state: Optional[Sequence[Tensor]]) -> Tensor:
        """After one token, from the watched model's own state."""
        own = None if state is None else [t.to(device=like.device, dtype=like.dtype) for t, like in zip(state, self._like)]
        with self._lock:
            found: Tensor = self._model.forward([token], own)[0]
        return found

    def compare(self, full: Tensor, logits: Tensor) -> Tensor:
        """KL(full || logits) in nats, and whether both have the same most likely token."""
        torch = self._torch
        ours, theirs = torch.log_softmax(logits.float(), -1), torch.log_softmax(full.to(logits.device).float(), -1)
        kl = (theirs.exp() * (theirs - ours)).sum().clamp(min=0)
        return torch.stack([kl, (ours.argmax() == theirs.argmax()).float()])


def full_precision(strategy: str) -> str:
    """The same devices in fp32: the default strategy of a shadow model."""
    return re.sub(r"\b(fp16|fp32|bf16)(i8|i4|i3)?\b", "fp32", strategy)


class Samples:
    """Samples of one stream. Only calls of one token are measured; a sample that falls due in a prompt is taken at the
    next such call."""

    def __init__(self, torch: Any, decay: Optional[Decay] = None, shadow: Optional[Shadow] = None, shadow_every: int = 0) -> None:
        self._torch, self._decay, self._shadow = torch, decay, shadow
        self._every = {"decay": DECAY_EVERY if decay else 0, "shadow": shadow_every if shadow else 0}
        self._left = dict(self._every)
        self._due = {"decay": False, "shadow": False}
        self._old: Optional[List[Tensor]] = None
        self._full: Optional[Tensor] = None

    def before(self, tokens: List[int], state: Optional[Sequence[Tensor]]) -> None:
        """Keeps the old tensors, because the package puts new ones into the caller's list. What a call that failed left is forgotten."""
        self._old = self._full = None
        for name, every in self._every.items():
            self._left[name] -= len(tokens)
            self._due[name] = bool(every) and len(tokens) == 1 and self._left[name] <= 0
            if self._due[name]:
                self._left[name] = every
        if self._due["decay"]:
            self._old = list(state) if state else None
        if self._due["shadow"] and self._shadow:
            self._full = self._shadow.logits(tokens[0], state or None)

    def after(self, logits: Tensor, state: Sequence[Tensor]) -> Optional[Taken]:
        """None when nothing was due."""
        if not self._due["decay"] and self._full is None:
            self._old = None
            return None
        names: List[str] = []
        values: List[Tensor] = []
        with self._torch.no_grad():
            if self._due["decay"] and self._decay:
                names += _DECAY
                values.append(self._decay.half_lives(self._old, state, logits.device))
            if self._full is not None and self._shadow:
                names += _QUANT
                values.append(self._shadow.compare(self._full, logits))
            self._old = self._full = None
            return Taken(names, self._torch.cat(values)) if names else None
