"""What every adapter has: it reads a runtime's call as rows, a conversation each. It wraps methods of one model, not of its class."""
from __future__ import annotations

import functools
import inspect
import types
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..monitor import Monitor
from ..options import Description
from ..rows import Found, Given, Rows
from ..samples import Decay
from ..tensors import Tensor


class Adapter:
    """Of one model. `methods` are those that feed tokens; of nested calls the outermost counts."""

    methods: Tuple[str, ...] = ("forward",)

    def __init__(self, model: Any) -> None:
        self.model = model
        self.rows = Rows()

    def describe(self) -> Description:
        raise NotImplementedError

    def device(self) -> str:
        """Where the logits are made."""
        raise NotImplementedError

    def groups(self) -> int:
        """How often the parts of a state repeat in a row's list of tensors; 0: once a layer."""
        return 0

    def decay(self, torch: Any) -> Optional[Decay]:
        return None

    def given(self, method: str, said: Dict[str, Any]) -> List[Given]:
        """The rows that go in; [] when the tokens of this call cannot be known. `said`: the arguments by name."""
        raise NotImplementedError

    def found(self, method: str, said: Dict[str, Any], result: Any) -> List[Found]:
        """The same rows after it."""
        raise NotImplementedError

    def token_of(self, embedding: Tensor) -> Tensor:
        """Whose embedding it is, told on its device; only of models that are fed embeddings."""
        raise NotImplementedError


class WatchedMethod:
    """A method of a watched model. A copy of the model (deepcopy, pickle) gets the plain method."""

    def __init__(self, adapter: Adapter, name: str, monitor: Monitor, plain: Optional[Callable[..., Any]] = None) -> None:
        """`plain` is the method as it was, where it is no attribute of the model."""
        self._adapter, self._name, self.monitor = adapter, name, monitor
        self._plain: Callable[..., Any] = plain or getattr(adapter.model, name)
        self._signature = _signature(self._plain)
        functools.update_wrapper(self, self._plain, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._name == "forward_one_alt" and self.monitor.records_a_graph():
            return self._record(args, kwargs)
        said: Dict[str, Any] = {}
        return self.monitor.watch_rows(lambda: self._plain(*args, **kwargs), lambda: self._given(said, args, kwargs),
                                        lambda result: self._adapter.found(self._name, said, result))

    def _record(self, args: Sequence[Any], kwargs: Dict[str, Any]) -> Any:
        """The call that a CUDA graph is recorded of, after which its replays are watched."""
        result, said = self._plain(*args, **kwargs), self._signature.bind(*args, **kwargs).arguments
        embedding, state = said.values()
        self.monitor.watch_replays_of(self._adapter.token_of, embedding, list(state), *result)
        return result

    def _given(self, said: Dict[str, Any], args: Sequence[Any], kwargs: Dict[str, Any]) -> List[Given]:
        try:
            said.update(self._signature.bind(*args, **kwargs).arguments)
        except TypeError:  # the method will say so itself
            return []
        return self._adapter.given(self._name, said)

    def __deepcopy__(self, memo: Dict[int, Any]) -> Any:
        return _plain_method(memo.get(id(self._adapter.model), self._adapter.model), self._name)

    def __reduce__(self) -> Any:
        return _plain_method, (self._adapter.model, self._name)


def _plain_method(model: Any, name: str) -> Any:
    return types.MethodType(getattr(type(model), name), model)


def _signature(method: Callable[..., Any]) -> inspect.Signature:
    """TorchScript's methods have theirs in a schema."""
    schema = getattr(method, "schema", None)
    if schema is None:
        return inspect.signature(method)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(said.name, kind, default=said.default_value if said.has_default_value() else
                                                inspect.Parameter.empty) for said in schema.arguments[1:]])


def weight_bytes(tensors: Any) -> int:
    return sum(t.numel() * t.element_size() for t in tensors if hasattr(t, "element_size"))


def last_of(logits: Tensor) -> Tensor:
    """Of a row's logits, (tokens, vocabulary) or (vocabulary), those after its last token."""
    return (logits if logits.dim() == 1 else logits[-1]).detach()
