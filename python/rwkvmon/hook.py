"""Watches models that a program makes, with rwkv.model.RWKV or another class of adapters.RUNTIMES, without a change to it."""
from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import re
import sys
from dataclasses import asdict, replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Sequence

from . import adapters
from . import model as model_module
from .options import Options
from .settings import RunSettings, default_chunk_len


_CHILDREN = "_RWKVMON_CHILDREN"  # the variable that hands the options on to the Pythons that this one starts
_SETTINGS = "_RWKVMON_SETTINGS"  # and how models are run
_MODULES = "_RWKVMON_MODULES"  # and the one that tells them which modules have models
_ARGUMENTS = re.compile(r"rwkv(_pip)?\.utils")  # modules with PIPELINE_ARGS
_IN_CHILD = str(Path(__file__).parent / "_children")  # what they run first


def _has_models(name: str) -> bool:
    return any(runtime.modules.match(name) for runtime in adapters.RUNTIMES)


def _has_arguments(name: str) -> bool:
    return model_module.default_settings.chunk_len is not None and _ARGUMENTS.fullmatch(name) is not None


def _is_target(name: str) -> bool:
    return _has_models(name) or _has_arguments(name)


def _replace(module: Any) -> None:
    chunk_len = model_module.default_settings.chunk_len
    if chunk_len is not None and not _has_models(module.__name__):
        default_chunk_len(getattr(module, "PIPELINE_ARGS", object), chunk_len)
    elif adapters.RUNTIMES[0].modules.match(module.__name__):  # the package; RWKV-Runner's copies of it
        module.RWKV = model_module.logging_class(module)
    else:
        adapters.watch_new(module)


class _Loader(importlib.abc.Loader):
    """The real loader; once the module is loaded, its models are watched."""

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
        if not _is_target(name):
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)
                return spec
        return None


def install(options: Options = Options(), settings: RunSettings = RunSettings()) -> _Finder:
    """Models are watched from now on, even if their module was imported before; those of Pythons that this one starts too."""
    model_module.default_options, model_module.default_settings = options, settings
    for name, module in list(sys.modules.items()):
        if _is_target(name):
            _replace(module)
    finder = next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None) or _Finder()
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
    _install_in_children(options, settings)
    return finder


def _install_in_children(options: Options, settings: RunSettings) -> None:
    """Into the same log. Forked children need nothing."""
    os.environ[_SETTINGS] = json.dumps(settings.as_dict())
    os.environ[_CHILDREN] = json.dumps(asdict(options))
    os.environ[_MODULES] = "|".join(f"(?:{runtime.modules.pattern})" for runtime in adapters.RUNTIMES)
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder and folder != _IN_CHILD]
    os.environ["PYTHONPATH"] = os.pathsep.join([_IN_CHILD, *folders])


def install_in_child() -> _Finder:
    """In a Python that was started. The parent's address, file of metrics and session are the parent's."""
    options = Options(**json.loads(os.environ[_CHILDREN]))
    return install(replace(options, listen=None, metrics_textfile=None, session_id=None), RunSettings(**json.loads(os.environ[_SETTINGS])))
