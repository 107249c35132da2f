"""LoggingRWKV: rwkv.model.RWKV of whatever version the package offers, watched.

The package defines RWKV when it is imported: a class for RWKV-4 to 6, or, with RWKV_V7_ON=1, another one for RWKV-7.
`logging_class` makes a subclass of the one that is defined.
"""
from __future__ import annotations

import inspect
import json
import os
import platform
import sys
import time
from dataclasses import replace
from functools import partial
from importlib import metadata
from types import FrameType
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ._imports import import_package
from .alarms import OnAlarm
from .article import ArticleEntries
from .monitor import Monitor, token_list
from .options import Description, Options, Sampler
from .rows import Given
from .samples import Decay, Samples, Shadow, full_precision
from .settings import RunSettings
from .tensors import Tensor
from .verdict import OnVerdict

METHODS = ("forward", "forward_one", "forward_seq", "forward_one_alt")  # of the RWKV-7 class; the other has the first
_FLAGS = ("RWKV_V7_ON", "RWKV_JIT_ON", "RWKV_CUDA_ON", "RWKV_RESCALE_LAYER", "RWKV_DE_VERSION")
_CHUNK_LEN = 256  # the package's default, when the caller shows no other
_FRAMES = 12  # how far up the callers are asked

default_options = Options()  # of models made without `monitor=`; set by `python -m rwkvmon`
default_settings = RunSettings()  # how models are run, whatever their makers say; set by `python -m rwkvmon --settings`


def weights_of(model: Any) -> Dict[str, Any]:
    """The dictionary of tensors: `z` in the RWKV-7 class, `w` in the other."""
    found = getattr(model, "z", None)
    return found if isinstance(found, dict) else getattr(model, "w", {})


def version_of(model: Any) -> str:
    """The version as the log writes it: "4", "5.0", "5.1", "5.2", "6", "7", "7a". Packages that know RWKV-4 alone do not say it."""
    weights = weights_of(model)
    if "blocks.0.att.r_k" in weights:
        return "7a" if "blocks.0.ffn.s_emb.weight" in weights and os.environ.get("RWKV_DE_VERSION") == "1" else "7"
    number = getattr(model, "version", 4)
    return f"{number:.1f}" if 5 <= number < 6 else f"{number:.0f}"


def _flags(torch: Any) -> str:
    switches = [f"{name}={os.environ[name]}" for name in _FLAGS if name in os.environ]
    return " ".join([*switches, f"torch={torch.__version__}", f"python={platform.python_version()}"])


def _package_version() -> Optional[str]:
    try:
        return metadata.version("rwkv")
    except metadata.PackageNotFoundError:
        return None


def _of_pipeline(args: Any) -> Tuple[Optional[int], Optional[Sampler]]:
    """Sampling settings from rwkv.utils.PIPELINE_ARGS."""
    if not all(hasattr(args, name) for name in ("temperature", "top_p", "alpha_decay", "chunk_len")):
        return None, None
    return int(args.chunk_len), Sampler(args.temperature, args.top_p, int(args.top_k), args.alpha_frequency,
                                        args.alpha_presence, args.alpha_decay)


def _of_script(names: Dict[str, Any]) -> Tuple[Optional[int], Optional[Sampler]]:
    """Sampling settings from the global names of ChatRWKV's demos."""
    chunk_len = names.get("CHUNK_LEN")
    try:
        sampler = Sampler(float(names["GEN_TEMP"]), float(names["GEN_TOP_P"]), 0, float(names["GEN_alpha_frequency"]),
                          float(names["GEN_alpha_presence"]), float(names.get("GEN_penalty_decay", 1.0)))
    except (KeyError, TypeError, ValueError):
        return chunk_len if isinstance(chunk_len, int) else None, None
    return chunk_len if isinstance(chunk_len, int) else None, sampler


def _of_runner(caller: Any) -> Tuple[Optional[int], Optional[Sampler]]:
    """Sampling settings from RWKV-Runner's object around the model."""
    chunk_len = getattr(caller, "CHUNK_LEN", None)
    return chunk_len if isinstance(chunk_len, int) else None, None


def given_of(model: Any, method: str, said: Dict[str, Any]) -> List[Given]:
    """What a call of one of METHODS feeds; [] where the token of an embedding cannot be known."""
    tokens, state = next(iter(said.values()), None), said.get("state")
    if method == "forward_one_alt":
        tokens = _token_of(weights_of(model)["emb.weight"], tokens)
    fed = [] if tokens is None else token_list(tokens)
    return [Given(fed, list(state) if state else None)] if fed else []


def _token_of(table: Tensor, embedding: Tensor) -> Optional[int]:
    """Whose embedding it is. On a device nobody waits for the answer, so there is none."""
    if table.device.type != "cpu" or embedding.shape != table.shape[1:]:
        return None
    same = (table[:, 0] == embedding[0]).nonzero().flatten()
    return next((int(row) for row in same if bool((table[row] == embedding).all())), None)


def _ask_callers() -> Tuple[int, Optional[Sampler]]:
    """Finds chunk length and sampling settings, which the model does not know, in its callers. Once per model."""
    frame: Optional[FrameType] = sys._getframe(1)
    chunk_len: Optional[int] = None
    sampler: Optional[Sampler] = None
    for _ in range(_FRAMES):
        if frame is None:
            break
        for said in (_of_pipeline(frame.f_locals.get("args")), _of_script(frame.f_globals), _of_runner(frame.f_locals.get("self"))):
            chunk_len, sampler = chunk_len or said[0], sampler or said[1]
        frame = frame.f_back
    return chunk_len or _CHUNK_LEN, sampler


def describe(torch: Any, model: Any, strategy: str, load_ms: float) -> Description:
    args = model.args
    weights = weights_of(model)
    chunk_len, sampler = _ask_callers()
    name = os.path.basename(str(args.MODEL_NAME))
    emb = weights.get("emb.weight")
    return Description(
        model_name=name[:-4] if name.endswith(".pth") else name, model_version=version_of(model),
        strategy=getattr(args, "strategy_string", strategy), runtime_name="rwkv", runtime_version=_package_version(),
        runtime_flags=_flags(torch), chunk_len=chunk_len, n_layer=int(args.n_layer), n_embd=int(args.n_embd),
        vocab_size=int(getattr(args, "vocab_size", 0 if emb is None else emb.shape[0])),
        model_bytes=sum(t.numel() * t.element_size() for t in weights.values() if hasattr(t, "element_size")),
        load_time_ms=load_ms, sampler=sampler)


def device_of(model: Any, module: Any) -> str:
    """The device that computes the logits; "cpu" only if every layer is on it."""
    layers = getattr(model, "strategy", None)
    devices = [str(layer.device) for layer in layers] if layers else [str(getattr(module, "DEVICE", "cpu"))]
    elsewhere = [d for d in devices if d != "cpu"]
    if not elsewhere:
        return "cpu"
    return devices[-1] if devices[-1] != "cpu" else "mixed"


def _initial(model: Any, state: Sequence[Tensor]) -> Sequence[Tensor]:
    """The state that the package begins with: zero, except for RWKV-4's exponents and a trained state."""
    begins = [t.new_zeros(t.shape) for t in state]
    if version_of(model) == "4":
        begins[3::5] = [t - 1e30 for t in begins[3::5]]
    elif getattr(model.args, "time_state", False):
        begins[1::3] = [model.w[f"blocks.{i}.att.time_state"].transpose(1, 2).to(t) for i, t in enumerate(begins[1::3])]
    return begins


def _shadow(torch: Any, module: Any, model: Any, strategy: str, options: Options) -> Optional[Shadow]:
    """The shadow model, or None if none is requested or memory does not suffice; the latter is reported, and the model
    runs on."""
    if not options.shadow:
        return None
    by = options.shadow_strategy or full_precision(strategy)
    try:
        return Shadow(torch, module, str(model.args.MODEL_NAME), by)
    except Exception as e:
        print(f"rwkvmon: no shadow in {by}: {e}", file=sys.stderr)
        return None


class Shown:
    """A property by another name: TorchScript compiles what is a `property` of the package's class."""

    def __init__(self, get: Callable[[Any], Any], put: Optional[Callable[[Any, Any], None]] = None) -> None:
        self._get, self._put = get, put

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, model: Any, owner: Any = None) -> Any:
        return self if model is None else self._get(model)

    def __set__(self, model: Any, value: Any) -> None:
        if self._put is None:
            raise AttributeError(f"{self._name} cannot be set")
        self._put(model, value)


def _set_baseline(model: Any, baseline: Dict[str, float]) -> None:
    model._article.set_baseline(baseline)
    speed = model._article.baseline
    model.monitor.reconfigure(rules=f"baseline={speed['token_latency_ms']:g}ms,{speed['throughput_tps']:g}tps")


_classes: Dict[int, type] = {}  # by the id of their base, which they keep alive


def logging_class(module: Any = None) -> type:
    """The watched subclass of a module's RWKV, by default of rwkv.model's as it was imported."""
    module = module or import_package("rwkv.model", "rwkvmon.LoggingRWKV")
    base = getattr(module.RWKV, "rwkvmon_base", module.RWKV)
    if id(base) not in _classes:
        _classes[id(base)] = _make_class(base, module)
    return _classes[id(base)]


def _make_class(base: Any, module: Any) -> type:
    torch = module.torch
    forward = getattr(base, "forward", None)
    names = list(inspect.signature(forward).parameters)[1:3] if forward else []  # of tokens, which differs, and state

    class LoggingRWKV(base):  # type: ignore[misc]  # known at run time only
        """rwkv.model.RWKV whose forward calls are watched; same arguments, same results.

        monitor   rwkvmon.Options, or None for the defaults; shadow=1000 compares one token in 1,000 with fp32. The attribute `monitor` closes the log early
                  (model.monitor.close()) and says its path; at the end of the program it closes by itself.
        on_alarm  called with each alarm that fires or ends (`state`), as the log has it, from a thread of its own
        on_verdict  called inside forward(), on its thread, after each call at which something fires, with a
                  rwkvmon.Verdict; the attribute `verdict` is that of the last call whether or not something does

        Who has a class with `_check_alarms(log_entry)` or `_trigger_alarm(alarm_type, log_entry)` of their own, or has set
        `performance_baseline`, gets a log entry in every call, made in Python at Python's cost. `session_id`, `log_file`
        and `performance_baseline` may be set until the first call; `performance_baseline` makes "baseline" the rule set, with its numbers.
        """

        rwkvmon_base = base

        def __init__(self, model: str, strategy: str, *args: Any, monitor: Optional[Options] = None,
                     on_alarm: Optional[OnAlarm] = None, on_verdict: Optional[OnVerdict] = None, **kwargs: Any) -> None:
            strategy = default_settings.strategy_beside(strategy)
            default_settings.use_threads()
            start = time.perf_counter()
            super().__init__(model, strategy, *args, **kwargs)
            load_ms = (time.perf_counter() - start) * 1e3
            what = describe(torch, self, strategy, load_ms)
            options = monitor or default_options
            decay, device = Decay(torch, weights_of(self), version_of(self), what.n_layer), device_of(self, module)
            shadow = _shadow(torch, module, self, strategy, options)
            self.__dict__["monitor"] = Monitor(
                torch, options, lambda: with_callers(what), lambda: device, on_alarm=on_alarm,
                samples=lambda: Samples(torch, decay, shadow, options.shadow), initial=partial(_initial, self),
                on_verdict=on_verdict)
            self.__dict__["_article"] = ArticleEntries(torch, what)
            self._watch_inner_methods()

        def _watch_inner_methods(self) -> None:
            """forward() calls them; who calls them directly is watched too."""
            for name in METHODS[1:]:
                if hasattr(self, name):
                    self._watch_method(name, getattr(self, name))

        def _watch_method(self, name: str, plain: Any) -> Any:
            from .adapters._base import WatchedMethod
            from .adapters.rwkv_package import RwkvPackage

            self.__dict__[name] = WatchedMethod(RwkvPackage(self), name, self.monitor, plain)
            return self.__dict__[name]

        if hasattr(base, "__getattr__"):

            def __getattr__(self, name: str) -> Any:
                """TorchScript's methods are there only after __init__, and no attributes of their own."""
                found = super().__getattr__(name)
                ours = name in METHODS[1:] and "monitor" in self.__dict__
                return self._watch_method(name, found) if ours else found

        def __setattr__(self, name: str, value: Any) -> None:
            shown = getattr(type(self), name, None)
            if isinstance(shown, Shown):  # TorchScript's module would keep the value for itself
                shown.__set__(self, value)
            else:
                super().__setattr__(name, value)

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            by_name = [name for name in names[len(args):] if name in kwargs]
            if len(args) + len(by_name) < len(names):  # the package says what is missing
                return super().forward(*args, **kwargs)
            tokens, state, *more = [*args, *(kwargs.pop(name) for name in by_name)]
            return self._forward(tokens, state, more, kwargs)

        def _forward(self, tokens: Any, state: Any, args: Any, kwargs: Any) -> Any:
            article = self._article
            article.take(tokens)
            if not (article.baseline_set or self._checks_itself()):
                return self.monitor.watch(super().forward, tokens, state, args, kwargs)
            before = article.before(state)
            result = self.monitor.watch(super().forward, tokens, state, args, kwargs)
            self._check_alarms(article.entry(self.session_id, tokens, before, result[0], result[1]))
            return result

        def _checks_itself(self) -> bool:
            return (type(self)._check_alarms is not LoggingRWKV._check_alarms
                    or type(self)._trigger_alarm is not LoggingRWKV._trigger_alarm)

        def new_sequence(self, declared_state: Any = None) -> None:
            """The next call begins a new sequence. The state that it is given is compared with the declared one (None:
            the one that forward(tokens, None) begins with); a difference raises `state_leak`."""
            self.monitor.new_sequence(declared_state)

        session_id = Shown(lambda m: m.monitor.session_id, lambda m, name: m.monitor.reconfigure(session_id=name))
        verdict = Shown(lambda m: m.monitor.verdict)
        log_file = Shown(lambda m: m.monitor.log_path, lambda m, path: m.monitor.reconfigure(log=path))
        token_history = Shown(lambda m: m._article.history)  # the last 10,000 tokens that were fed
        sequence_counter = Shown(lambda m: m._article.fed)
        performance_baseline = Shown(lambda m: m._article.baseline, _set_baseline)

        def _check_alarms(self, log_entry: Dict[str, Any]) -> None:
            """The published comparisons: 1.5 times the latency, half the throughput, 8,000 MiB, entropy 1 to 8, repetition 15 %."""
            for alarm_type in self._article.broken(log_entry):
                self._trigger_alarm(alarm_type, log_entry)

        def _trigger_alarm(self, alarm_type: str, log_entry: Dict[str, Any]) -> None:
            """One line on standard error, as for the library's alarms."""
            print(f"[ALARM] {alarm_type}: {json.dumps(log_entry)}", file=sys.stderr)

        def forward_with_logging(self, tokens: Any, state: Any, **kwargs: Any) -> Any:
            """The same as forward(), under a descriptive name."""
            return self.forward(tokens, state, **kwargs)

    return LoggingRWKV


def with_callers(what: Description) -> Description:
    """At the first forward call, the callers know more than when the model was created."""
    chunk_len, sampler = _ask_callers()
    return replace(what, chunk_len=chunk_len, sampler=sampler or what.sampler)
