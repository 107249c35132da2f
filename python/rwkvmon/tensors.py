"""Torch tensors in this process's memory, described for the library without a copy."""
from __future__ import annotations

import ctypes
from typing import Any, Dict, List, Optional, Sequence

from . import _native
from ._native import TensorView
from .collector import views

Tensor = Any  # torch.Tensor: torch is the caller's, and not needed to read logs

# The package's list: 5 tensors a layer in RWKV-4 (shift, aa, bb, pp, shift), 3 later (shift, matrices, shift).
_PARTS = {5: (_native.SHIFT, _native.WKV, _native.WKV, _native.WKV, _native.SHIFT),
          3: (_native.SHIFT, _native.WKV, _native.SHIFT)}


def parts_of(n_tensors: int, n_layer: int) -> List[int]:
    """Which part of the state each tensor of the list is."""
    per_layer = _PARTS.get(n_tensors // n_layer if n_layer else 0)
    return list(per_layer) * n_layer if per_layer else [_native.WKV] * n_tensors


def state_bytes(state: Sequence[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in state)


class CpuViews:
    """Views of one stream's tensors; the ctypes memory is kept from call to call."""

    def __init__(self, torch: Any) -> None:
        self._dtypes: Dict[Any, int] = {torch.float32: _native.F32, torch.float16: _native.F16, torch.bfloat16: _native.BF16}
        self._float = torch.float32
        self._state: Optional["ctypes.Array[TensorView]"] = None
        self._logits = TensorView()
        self._alive: List[Tensor] = []  # copies of what was not contiguous, until the next call

    def _point(self, view: TensorView, tensor: Tensor) -> None:
        dtype = self._dtypes.get(tensor.dtype)
        if dtype is None:
            tensor, dtype = tensor.to(self._float), _native.F32
            self._alive.append(tensor)
        if not tensor.is_contiguous():
            tensor = tensor.contiguous()
            self._alive.append(tensor)
        view.data = tensor.data_ptr()
        view.count = tensor.numel()
        view.dtype = dtype

    def logits(self, tensor: Tensor) -> TensorView:
        """The last row, when there are several."""
        self._alive.clear()
        self._point(self._logits, tensor if tensor.dim() == 1 else tensor[-1])
        return self._logits

    def state(self, tensors: Sequence[Tensor], n_layer: int) -> "ctypes.Array[TensorView]":
        if self._state is None or len(self._state) != len(tensors):
            self._state = views(len(tensors))
            for view, part in zip(self._state, parts_of(len(tensors), n_layer)):
                view.part = part
        for view, tensor in zip(self._state, tensors):
            self._point(view, tensor)
        return self._state
