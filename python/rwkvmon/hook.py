"""Watches models that a program makes with rwkv.model.RWKV, without a change to the program."""
from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Optional, Sequence

from . import model as model_module
from .options import Options

_TARGETS = ("rwkv.model", "rwkv_pip.model", "rwkv_pip.beta.model")  # the package; RWKV-Runner's copies of it


def _replace(module: Any) -> None:
    module.RWKV = model_module.logging_class(module)


class _Loader(importlib.abc.Loader):
    """The real loader, and our class in place of RWKV once the module is there."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        made: Optional[ModuleType] = self._real.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        _replace(module)

    def __getattr__(self, name: str) -> Any:  # what tracebacks and inspect ask a loader for
        return getattr(self._real, name)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        if name not in _TARGETS:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)
                return spec
        return None


def install(options: Options = Options()) -> None:
    """From now on rwkv.model.RWKV is watched, also if it was imported before."""
    model_module.default_options = options
    for name in _TARGETS:
        if name in sys.modules:
            _replace(sys.modules[name])
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
