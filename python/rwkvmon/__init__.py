"""rwkvmon: see what an RWKV model is doing, from Python.

    from rwkvmon import LoggingRWKV                    # drop-in for rwkv.model.RWKV
    model = LoggingRWKV(model="RWKV-x070", strategy="cpu fp32")
    out, state = model.forward(tokens, state)          # watched; the same as ever

    python -m rwkvmon script.py                        # the same for a script that stays as it is

    from rwkvmon import RWKVLogAnalyzer
    RWKVLogAnalyzer("run.log").generate_performance_report("report.html")

LoggingRWKV needs torch and rwkv, RWKVLogAnalyzer.df needs pandas; nothing else needs anything.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from ._native import RwkvmonError, version
from .analyzer import RWKVLogAnalyzer, analyze_state_evolution
from .collector import Collector
from .metrics import start_http_server, update_prometheus_metrics
from .options import Description, Options, Sampler

if TYPE_CHECKING:
    from .monitor import Monitor

    class LoggingRWKV:
        """rwkv.model.RWKV whose forward calls are watched; see rwkvmon.model."""

        monitor: Monitor

        def __init__(self, model: str, strategy: str, *args: Any, monitor: Options | None = None, **kwargs: Any) -> None: ...

        def forward(self, tokens: Any, state: Any, *args: Any, **kwargs: Any) -> Any: ...

        def forward_with_logging(self, tokens: Any, state: Any, **kwargs: Any) -> Any: ...


def __getattr__(name: str) -> Any:
    """LoggingRWKV is made when it is asked for: only then are torch and rwkv needed."""
    if name == "LoggingRWKV":
        from .model import logging_class

        return logging_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__: List[str] = [
    "Collector", "Description", "Options", "RWKVLogAnalyzer", "RwkvmonError", "Sampler",
    "analyze_state_evolution", "start_http_server", "update_prometheus_metrics", "version",
]
