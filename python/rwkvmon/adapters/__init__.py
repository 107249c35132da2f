"""Models of other runtimes, watched: rwkvmon.watch(model), or `python -m rwkvmon script.py`, which watches them as they are made.

    class, in a module                                  what is read of a call
    RWKV of the package rwkv (rwkv.model, rwkv_pip)     tokens, logits, state: forward, forward_one, forward_seq, forward_one_alt
    RwkvForCausalLM of transformers                     input_ids, logits, state: forward, so generate() too
    RWKV6ForCausalLM, RWKV7ForCausalLM of fla, rwkv7-hf input_ids, attention_mask, logits, past_key_values: likewise
    RWKV7Model of rwkvserve                             tokens, logits, states: forward_with_state, forward_batch_dynamic
    SchedulerCore of rwkvserve, in its server           tokens, states of its slots: _model_forward_with_state
    RWKV_x070 of Albatross and rwkv_lightning           tokens, logits, state: forward, forward_batch, forward_seq_batch, …

Each row of a batch is a conversation, a session of the log. Results are the model's own, bit for bit.
"""
from __future__ import annotations

import functools
import importlib
import re
import sys
from dataclasses import replace
from typing import Any, List, NamedTuple, Optional, Pattern

from .. import model as model_module
from .._native import RwkvmonError
from ..alarms import OnAlarm
from ..monitor import Monitor
from ..options import Options
from ..samples import Samples
from ..verdict import OnVerdict
from ._base import Adapter, WatchedMethod


class Runtime(NamedTuple):
    modules: Pattern[str]  # where the class is defined
    model: str  # the class
    adapter: str  # module and class, in this package


RUNTIMES: List[Runtime] = [
    Runtime(re.compile(r"(rwkv|rwkv_pip|rwkv_pip\.beta)\.model$"), "RWKV|RWKV_x070", "rwkv_package.RwkvPackage"),
    Runtime(re.compile(r"transformers\.models\.rwkv\.modeling_rwkv$"), "RwkvForCausalLM", "transformers_rwkv.TransformersRwkv"),
    Runtime(re.compile(r"(rwkv)?fla\.models\.rwkv[67]\.modeling_rwkv[67]$|(rwkv7_hf|transformers_modules\..*)\.modeling_rwkv7$"),
            "RWKV6ForCausalLM|RWKV7ForCausalLM", "fla_rwkv.FlaRwkv"),
    Runtime(re.compile(r"rwkvserve\.models\.rwkv7\.model$"), "RWKV7Model", "rwkvserve.Rwkvserve"),
    Runtime(re.compile(r"rwkvserve\.inference\.scheduler_core$"), "SchedulerCore", "rwkvserve.RwkvserveScheduler"),
    Runtime(re.compile(r"(.*\.)?rwkv7\w*$"), "RWKV_x070", "x070.X070"),
]


def adapter_of(model: Any) -> Optional[Adapter]:
    """By the class of the model or one that it derives from; None: nobody knows it."""
    for kind in type(model).__mro__:
        for runtime in RUNTIMES:
            if runtime.modules.match(kind.__module__) and re.fullmatch(runtime.model, kind.__name__):
                return _make(runtime, model)
    return _make(RUNTIMES[-1], model) if any(kind.__name__ == RUNTIMES[-1].model for kind in type(model).__mro__) else None


def _make(runtime: Runtime, model: Any) -> Adapter:
    module, name = runtime.adapter.split(".")
    made: Adapter = getattr(importlib.import_module(f"{__name__}.{module}"), name)(model)
    return made


def watch(model: Any, monitor: Optional[Options] = None, on_alarm: Optional[OnAlarm] = None,
          on_verdict: Optional[OnVerdict] = None) -> Monitor:
    """Watches the forward calls of a model from now on, with the options, and says who watches: `.close()` ends the log early,
    `.log_path` is its file, `.verdict` that of the last call. A model that is watched already stays as it is."""
    known = _watcher_of(model)
    if known is not None:
        return known
    adapter = adapter_of(model)
    if adapter is None:
        raise RwkvmonError(f"{type(model).__module__}.{type(model).__name__} is no model that rwkvmon knows; expected "
                           + ", ".join(runtime.model.replace("|", " or ") for runtime in RUNTIMES)
                           + "; for others there is rwkvmon.Collector")
    made = _monitor(adapter, monitor or model_module.default_options, on_alarm, on_verdict)
    for name in adapter.methods:
        if hasattr(model, name):
            vars(model)[name] = WatchedMethod(adapter, name, made)
    return made


def _watcher_of(model: Any) -> Optional[Monitor]:
    """Of a model that is watched: a LoggingRWKV has its monitor, others have methods that know it."""
    known = [vars(model).get("monitor"), *(method.monitor for method in vars(model).values() if isinstance(method, WatchedMethod))]
    return next((monitor for monitor in known if isinstance(monitor, Monitor)), None)


def _monitor(adapter: Adapter, options: Options, on_alarm: Optional[OnAlarm], on_verdict: Optional[OnVerdict]) -> Monitor:
    torch = sys.modules["torch"]  # the model is made of it
    return Monitor(torch, replace(options, shadow=0), adapter.describe, adapter.device, on_alarm=on_alarm,
                   samples=lambda: Samples(torch, adapter.decay(torch)), on_verdict=on_verdict, groups=adapter.groups())


def watch_new(module: Any) -> None:
    """Each model that a class of this module makes from now on is watched."""
    for runtime in RUNTIMES[1:]:
        for name in runtime.model.split("|") if runtime.modules.match(module.__name__) else ():
            kind = getattr(module, name, None)
            if isinstance(kind, type) and not hasattr(vars(kind).get("__init__"), "rwkvmon_watches"):
                _watch_new_of(kind)


def _watch_new_of(kind: Any) -> None:
    plain = kind.__init__

    @functools.wraps(plain)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        watch(self)

    init.rwkvmon_watches = True  # type: ignore[attr-defined]
    kind.__init__ = init


__all__ = ["RUNTIMES", "adapter_of", "watch", "watch_new"]
