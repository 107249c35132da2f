"""A model of the package `rwkv` that was made without LoggingRWKV. RWKV-4 to 7, a conversation in each call."""
from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional

from .. import graphs
from .. import model as package
from ..options import Description
from ..rows import Found, Given
from ..samples import Decay
from ..tensors import Tensor
from ._base import Adapter, last_of

_PRECISIONS = {"torch.float32": "fp32", "torch.float16": "fp16", "torch.bfloat16": "bf16"}


class RwkvPackage(Adapter):
    """The state is a list of tensors, three a layer or, in RWKV-4, five; a call puts new ones into it. forward_one_alt() is
    given an embedding: which token it is of is looked up in the weights."""

    @property
    def methods(self) -> Any:  # type: ignore[override]  # RWKV-4 to 6 have only the first
        return [name for name in package.METHODS if hasattr(self.model, name)]

    def describe(self) -> Description:
        torch = sys.modules["torch"]
        dtype = str(package.weights_of(self.model)["emb.weight"].dtype)
        strategy = f"{self.device()} {_PRECISIONS.get(dtype, dtype)}"
        return package.with_callers(package.describe(torch, self.model, strategy, 0.0))

    def device(self) -> str:
        return package.device_of(self.model, sys.modules[type(self.model).__module__])

    def decay(self, torch: Any) -> Optional[Decay]:
        return Decay(torch, package.weights_of(self.model), package.version_of(self.model), int(self.model.args.n_layer))

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        return package.given_of(self.model, method, said)

    def token_of(self, embedding: Tensor) -> Tensor:
        return graphs.token_of(sys.modules["torch"], package.weights_of(self.model)["emb.weight"], embedding)

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        return [Found(last_of(result[0]), result[1])]
