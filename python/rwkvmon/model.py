"""LoggingRWKV: rwkv.model.RWKV of whatever version the package offers, watched.

The package defines RWKV when it is imported: a class for RWKV-4 to 6, or, with RWKV_V7_ON=1, another
one for RWKV-7. `logging_class` makes a subclass of the one that is there.
"""
from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import replace
from importlib import metadata
from types import FrameType
from typing import Any, Dict, Optional, Tuple

from ._imports import import_package
from .monitor import Monitor
from .options import Description, Options, Sampler

_FLAGS = ("RWKV_V7_ON", "RWKV_JIT_ON", "RWKV_CUDA_ON", "RWKV_RESCALE_LAYER")
_CHUNK_LEN = 256  # the package's default, when the caller shows no other
_FRAMES = 12  # how far up the callers are asked

default_options = Options()  # of models made without `monitor=`; set by `python -m rwkvmon`


def _weights(model: Any) -> Dict[str, Any]:
    """The dictionary of tensors: `z` in the RWKV-7 class, `w` in the other."""
    found = getattr(model, "z", None)
    return found if isinstance(found, dict) else getattr(model, "w", {})


def _version(model: Any) -> str:
    """As the log spells it: "4", "5.0", "5.1", "5.2", "6", "7"."""
    number = getattr(model, "version", 7)
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
    """What rwkv.utils.PIPELINE_ARGS say."""
    if not all(hasattr(args, name) for name in ("temperature", "top_p", "alpha_decay", "chunk_len")):
        return None, None
    return int(args.chunk_len), Sampler(args.temperature, args.top_p, int(args.top_k), args.alpha_frequency,
                                        args.alpha_presence, args.alpha_decay)


def _of_script(names: Dict[str, Any]) -> Tuple[Optional[int], Optional[Sampler]]:
    """The global names of ChatRWKV's demos."""
    chunk_len = names.get("CHUNK_LEN")
    try:
        sampler = Sampler(float(names["GEN_TEMP"]), float(names["GEN_TOP_P"]), 0, float(names["GEN_alpha_frequency"]),
                          float(names["GEN_alpha_presence"]), float(names.get("GEN_penalty_decay", 1.0)))
    except (KeyError, TypeError, ValueError):
        return chunk_len if isinstance(chunk_len, int) else None, None
    return chunk_len if isinstance(chunk_len, int) else None, sampler


def _of_runner(caller: Any) -> Tuple[Optional[int], Optional[Sampler]]:
    """RWKV-Runner's object around the model."""
    chunk_len = getattr(caller, "CHUNK_LEN", None)
    return chunk_len if isinstance(chunk_len, int) else None, None


def _ask_callers() -> Tuple[int, Optional[Sampler]]:
    """Chunk length and sampling, which the model is never told, from whoever calls it. Once per model."""
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


def _describe(torch: Any, model: Any, strategy: str, load_ms: float) -> Description:
    args = model.args
    weights = _weights(model)
    chunk_len, sampler = _ask_callers()
    name = os.path.basename(str(args.MODEL_NAME))
    emb = weights.get("emb.weight")
    return Description(
        model_name=name[:-4] if name.endswith(".pth") else name, model_version=_version(model),
        strategy=getattr(args, "strategy_string", strategy), runtime_name="rwkv", runtime_version=_package_version(),
        runtime_flags=_flags(torch), chunk_len=chunk_len, n_layer=int(args.n_layer), n_embd=int(args.n_embd),
        vocab_size=int(getattr(args, "vocab_size", 0 if emb is None else emb.shape[0])),
        model_bytes=sum(t.numel() * t.element_size() for t in weights.values() if hasattr(t, "element_size")),
        load_time_ms=load_ms, sampler=sampler)


def _device(model: Any, module: Any) -> str:
    """Where logits are made; "cpu" only when every layer is there."""
    layers = getattr(model, "strategy", None)
    devices = [str(layer.device) for layer in layers] if layers else [str(getattr(module, "DEVICE", "cpu"))]
    elsewhere = [d for d in devices if d != "cpu"]
    if not elsewhere:
        return "cpu"
    return devices[-1] if devices[-1] != "cpu" else "mixed"


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

    class LoggingRWKV(base):  # type: ignore[misc]  # known at run time only
        """rwkv.model.RWKV whose forward calls are watched; same arguments, same results.

        monitor  rwkvmon.Options, or None for the defaults. The attribute `monitor` closes the log early
                 (model.monitor.close()) and tells its path; at the end of the program it closes by itself.
        """

        rwkvmon_base = base

        def __init__(self, model: str, strategy: str, *args: Any, monitor: Optional[Options] = None, **kwargs: Any) -> None:
            start = time.perf_counter()
            super().__init__(model, strategy, *args, **kwargs)
            load_ms = (time.perf_counter() - start) * 1e3
            what = _describe(torch, self, strategy, load_ms)
            self.__dict__["monitor"] = Monitor(torch, monitor or default_options, lambda: _with_callers(what),
                                               _device(self, module))

        def forward(self, tokens: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
            return self.monitor.watch(super().forward, tokens, state, args, kwargs)

        def forward_with_logging(self, tokens: Any, state: Any, **kwargs: Any) -> Any:
            """The same as forward(), under the name that says it."""
            return self.forward(tokens, state, **kwargs)

    return LoggingRWKV


def _with_callers(what: Description) -> Description:
    """At the first forward call the callers know more than when the model was made."""
    chunk_len, sampler = _ask_callers()
    return replace(what, chunk_len=chunk_len, sampler=sampler or what.sampler)
