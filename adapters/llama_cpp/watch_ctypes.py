#!/usr/bin/env python3
"""Runs a Python script or module whose llama.cpp comes through ctypes (llama-cpp-python) under the adapter.

    python watch_ctypes.py script.py [ARGUMENTS…]
    python watch_ctypes.py -m llama_cpp.server [ARGUMENTS…]

ctypes looks functions up in the library itself, where a preloaded adapter does not stand before it. Here a lookup of a
function that the adapter watches gives the adapter's, which passes every call on. Settings are RWKVMON_* variables, as for the
adapter; RWKVMON_LLAMA_ADAPTER is its path where it is not beside this file, in a build or in lib/.
"""
from __future__ import annotations

import ctypes
import os
import runpy
import sys

PLACES = ("librwkvmon_llama.so", "../../build/adapters/librwkvmon_llama.so", "../librwkvmon_llama.so")


def adapter_path() -> str:
    here = os.path.dirname(os.path.abspath(__file__))
    named = os.environ.get("RWKVMON_LLAMA_ADAPTER")
    for path in [named] if named else [os.path.join(here, place) for place in PLACES]:
        if os.path.exists(path):
            return path
    raise SystemExit(f"watch_ctypes.py: no librwkvmon_llama.so {'at ' + named if named else 'beside ' + here}: "
                     "set RWKVMON_LLAMA_ADAPTER to its path")


def install() -> None:
    """Libraries named libllama… that ctypes loads are watched from now on."""
    adapter = ctypes.CDLL(adapter_path())
    adapter.rwkvmon_llama_at_sigterm()  # else no word when a signal ends the script
    plain = ctypes.CDLL.__getitem__

    def function(library: ctypes.CDLL, name: object) -> object:
        own = plain(library, name)  # the library's: that there is none is its caller's to see
        if library is adapter or not os.path.basename(library._name or "").startswith("libllama"):
            return own
        os.environ.setdefault("RWKVMON_LLAMA_LIBRARY", library._name)  # where the adapter finds what it passes calls on to
        try:
            return plain(adapter, name)
        except AttributeError:
            return own

    ctypes.CDLL.__getitem__ = function  # type: ignore[method-assign]


def main() -> None:
    module = sys.argv[1:2] == ["-m"]
    if len(sys.argv) < 2 + module:
        raise SystemExit(__doc__)
    install()
    sys.argv = sys.argv[1 + module:]
    sys.path[0] = os.getcwd() if module else os.path.dirname(os.path.abspath(sys.argv[0]))
    if module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
