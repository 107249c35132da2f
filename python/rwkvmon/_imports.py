"""Imports of packages that only some features need."""
from __future__ import annotations

import importlib
from typing import Any


class MissingPackage(ImportError):
    """Names the package and how to get it."""


def import_package(name: str, what_for: str) -> Any:
    """Imports the module `name`; if its package, or torch, is not installed, the error says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name not in (name.split(".")[0], "torch"):
            raise
        raise MissingPackage(f"{what_for} needs {e.name}: pip install {e.name}") from e
