"""CUDA graphs: what was recorded of a call of forward_one_alt() is a call of the model whenever it is replayed.

A replay runs no Python of the model, so the graph's own replay() is watched. It reads and writes the tensors that the
recorded call was given and returned, and goes on from the conversation of the model's latest call: the documented loop
copies that call's state into the graph, and then what the graph returned. Which token an embedding is of is looked up on
the device, by a few of its columns, and arrives with the other numbers.
"""
from __future__ import annotations

import threading
import weakref
from typing import Any, Callable

from .tensors import Tensor

_COLUMNS = 16  # of an embedding, which tell tokens apart
_recording = threading.local()  # .graph: the one that is being recorded


def install(torch: Any) -> None:
    """From now on it is known which graph is being recorded."""
    kind = torch.cuda.CUDAGraph
    plain = getattr(kind, "capture_begin", None)
    if plain is None or hasattr(plain, "rwkvmon_watches"):
        return

    def capture_begin(graph: Any, *args: Any, **kwargs: Any) -> Any:
        _recording.graph = weakref.ref(graph)
        return plain(graph, *args, **kwargs)

    capture_begin.rwkvmon_watches = True  # type: ignore[attr-defined]
    kind.capture_begin = capture_begin


def token_of(torch: Any, table: Tensor, embedding: Tensor) -> Tensor:
    """Whose row of the table it is, on its device; -1: nobody's. Nothing waits for it."""
    same = (table[:, :_COLUMNS] == embedding.reshape(-1)[:_COLUMNS]).all(1)
    return torch.where(same.any(), same.float().argmax(), torch.full((), -1, device=same.device))


def watch_replays(watch: Callable[[Callable[[], Any]], Any]) -> None:
    """Each replay of the graph that is being recorded is handed to `watch`, which makes it."""
    graph = getattr(_recording, "graph", lambda: None)()
    if graph is None or "replay" in vars(graph):
        return
    plain, alive = type(graph).replay, weakref.ref(graph)
    graph.replay = lambda: watch(lambda: plain(alive()))
