"""Describes torch tensors in this process's memory for the library, without a copy."""
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


def view_of(tensor: Tensor, part: int = _native.WKV) -> TensorView:
    """Describes a torch tensor on the processor, contiguous fp32, fp16 or bf16, for Stream.end(): logits, or one tensor of a
    state, of the part SHIFT or WKV. The view keeps the tensor alive; nothing is copied."""
    dtype = {"float32": _native.F32, "float16": _native.F16, "bfloat16": _native.BF16}.get(str(tensor.dtype).rpartition(".")[2])
    if dtype is None or tensor.device.type != "cpu" or not tensor.is_contiguous():
        raise _native.RwkvmonError(f"a tensor of {tensor.dtype} on {tensor.device}; expected a contiguous one of float32, float16 or "
                                   "bfloat16 on the processor\nuse .cpu(), .float() and .contiguous(), or give sums and numbers instead")
    view = TensorView(data=tensor.data_ptr(), count=tensor.numel(), dtype=dtype, part=part)
    view.tensor = tensor
    return view


def views_of(tensors: Sequence[Tensor], n_layer: int) -> "ctypes.Array[TensorView]":
    """Describes a state: a list of tensors in the order of the package `rwkv`, three a layer (shift, matrices, shift) or, of
    RWKV-4, five. They must live until the call that is given the views is over."""
    return (TensorView * len(tensors))(*[view_of(t, part) for t, part in zip(tensors, parts_of(len(tensors), n_layer))])


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
        """Describes the logits; of several rows, the last."""
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
