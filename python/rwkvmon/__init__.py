"""rwkvmon: see what an RWKV model is doing, from Python.

    from rwkvmon import LoggingRWKV                    # drop-in for rwkv.model.RWKV
    model = LoggingRWKV(model="RWKV-x070", strategy="cpu fp32")
    out, state = model.forward(tokens, state)          # watched; same results

    rwkvmon.watch(model)                               # a model of transformers, flash-linear-attention, Albatross, …
    python -m rwkvmon script.py                        # the same for a script, without a change to it

    from rwkvmon import RWKVLogAnalyzer
    RWKVLogAnalyzer("run.log").generate_performance_report("report.html")

LoggingRWKV needs torch and rwkv, RWKVLogAnalyzer.df needs pandas; everything else needs only the standard library. """
from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from ._native import (BF16, DECODE, F16, F32, FINISH_ABORT, FINISH_ERROR, FINISH_LENGTH, FINISH_STOP, PHASE_UNKNOWN, PREFILL, SHIFT, WKV,
                      RwkvmonError, StateSums, TensorView, version)
from . import settings
from .analyzer import RWKVLogAnalyzer, analyze_state_evolution
from .collector import Collector, Stream, views
from .metrics import start_http_server, update_prometheus_metrics
from .options import Description, Options, Sampler
from .tensors import view_of, views_of
from .verdict import Verdict

if TYPE_CHECKING:
    from .adapters import watch
    from .monitor import Monitor

    class LoggingRWKV:
        """rwkv.model.RWKV whose forward calls are watched; see rwkvmon.model."""

        monitor: Monitor

        def __init__(self, model: str, strategy: str, *args: Any, monitor: Options | None = None, **kwargs: Any) -> None: ...

        def forward(self, tokens: Any, state: Any, *args: Any, **kwargs: Any) -> Any: ...

        def forward_with_logging(self, tokens: Any, state: Any, **kwargs: Any) -> Any: ...


def __getattr__(name: str) -> Any:
    """Creates LoggingRWKV on first access, because only it needs torch and rwkv."""
    if name == "LoggingRWKV":
        from .model import logging_class

        return logging_class()
    if name == "watch":
        from .adapters import watch as found

        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__: List[str] = [
    "BF16", "Collector", "DECODE", "Description", "F16", "F32", "FINISH_ABORT", "FINISH_ERROR", "FINISH_LENGTH", "FINISH_STOP", "Options",
    "PHASE_UNKNOWN", "PREFILL", "RWKVLogAnalyzer", "RwkvmonError", "SHIFT", "Sampler", "StateSums", "Stream", "TensorView", "Verdict",
    "WKV", "analyze_state_evolution", "settings", "start_http_server", "update_prometheus_metrics", "version", "view_of", "views", "views_of", "watch",
]
