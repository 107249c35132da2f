"""A settings file, as `rwkvmon tune -o F` writes it and `rwkvmon run --settings F` reads it, for Python.

    from rwkvmon import LoggingRWKV, settings
    s = settings.load("tuned.yaml")
    s.use_threads()
    model = LoggingRWKV("RWKV-x070", s.strategy or "cpu fp32", monitor=s.options(log="run.log"))
    args = PIPELINE_ARGS(chunk_len=s.chunk_len or 256)

`python -m rwkvmon --settings tuned.yaml script.py` does this to a script: its models are loaded by the file's strategy instead of
their own, torch gets that number of threads, and PIPELINE_ARGS that chunk_len where the script names none.
"""
from __future__ import annotations

import difflib
import inspect
import re
import sys
from dataclasses import asdict, dataclass, field
from functools import wraps
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from ._native import RwkvmonError
from .options import ALL, Options, value_of

_RUN = ("strategy", "threads", "chunk-len")  # how the model is run, not how it is watched
_BUILT_IN = ("skip-zeros",)  # of the built-in runtime alone, in files that `rwkvmon tune` writes for it: yes or no
_MONITOR = {s.name: s for s in ALL if s.name not in (*_RUN, *_BUILT_IN)}
_LINE = re.compile(r"""(?P<name>[^\s:#'"\[\]{}-][^\s:#]*):[ \t]+
                       (?: "(?P<double>[^"\\]*)" | '(?P<single>[^']*)' | (?P<plain>[^\s"'#\[{&*!|>%@`-](?:[^#]|(?<=\S)\#)*?) )
                       (?: [ \t]* | [ \t]+\#.* )""", re.VERBOSE)


@dataclass(frozen=True)
class RunSettings:
    """How to run a model; None: the file does not say. `monitor` holds the settings of docs/SETTINGS.md, by their names in Options."""

    path: str = ""
    strategy: Optional[str] = None  # of the package rwkv
    threads: Optional[int] = None
    chunk_len: Optional[int] = None
    monitor: Mapping[str, Any] = field(default_factory=dict)

    def options(self, **given: Any) -> Options:
        """What is given here, then what variables say, then the file."""
        return Options.from_environment(self.monitor, **given)

    def use_threads(self) -> None:
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)

    def strategy_beside(self, given: str) -> str:
        """The file's strategy, or the given one where it has none; says so where it replaces another."""
        if self.strategy is None or self.strategy == given:
            return given
        print(f'rwkvmon: strategy "{self.strategy}" of {self.path} instead of "{given}"', file=sys.stderr)
        return self.strategy

    def as_dict(self) -> Dict[str, Any]:
        return asdict(self)


def _lines(path: str) -> Iterator[Tuple[int, str, str]]:
    """Names and values with their lines."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as e:
        raise RwkvmonError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or line == "---":
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise RwkvmonError(f"{path}:{number}: expected one option a line\nsuch as: threads: 2")
        value = next(found[kind] for kind in ("double", "single", "plain") if found[kind] is not None)
        yield number, found["name"], value


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or not int(text):
        raise ValueError(f'found "{text}", expected a whole number above 0')
    return int(text)


def _leave_out(name: str, text: str) -> None:
    """What the package rwkv has not, and what changes no result: how the built-in runtime multiplies."""
    if text not in ("yes", "no", "1", "0", "on", "off", "true", "false"):
        raise ValueError(f'found "{text}", expected yes or no')
    if text in ("yes", "1", "on", "true"):
        print(f"rwkvmon: {name} is left out: only the built-in runtime has it", file=sys.stderr)


_READ: Dict[str, Callable[[str], Any]] = {"strategy": str, "threads": _count, "chunk-len": _count}


def load(path: str) -> RunSettings:
    """Reads a settings file; RwkvmonError names the line that cannot be."""
    run: Dict[str, Any] = {}
    monitor: Dict[str, Any] = {}
    seen = set()
    for number, name, text in _lines(path):
        if name in seen:
            raise RwkvmonError(f"{path}:{number}: {name} is given twice")
        seen.add(name)
        if not text and name in (*_RUN, *_BUILT_IN, *_MONITOR):
            raise RwkvmonError(f"{path}:{number}: {name}: its value is empty")
        try:
            if name in _RUN:
                run[name.replace("-", "_")] = _READ[name](text)
            elif name in _BUILT_IN:
                _leave_out(name, text)
            elif name in _MONITOR:
                monitor[_MONITOR[name].member] = value_of(_MONITOR[name], text)
            else:
                raise RwkvmonError(_unknown(path, number, name))
        except ValueError as e:
            raise RwkvmonError(f"{path}:{number}: {name}: {e}") from None
    return RunSettings(path=path, monitor=monitor, **run)


def _unknown(path: str, number: int, name: str) -> str:
    near = difflib.get_close_matches(name, [*_RUN, *_MONITOR], 1)
    hint = f"did you mean {near[0]}?" if near else "names are strategy, threads, chunk-len and those of docs/SETTINGS.md"
    return f'{path}:{number}: Python has no option "{name}"\n{hint}'


def default_chunk_len(arguments: Any, chunk_len: int) -> None:
    """Makes it what PIPELINE_ARGS, the class, has where its caller names none. Where it has no such argument, nothing changes."""
    plain = arguments.__init__
    names = inspect.signature(plain)
    if "chunk_len" not in names.parameters or hasattr(plain, "rwkvmon_plain"):
        return

    @wraps(plain)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if "chunk_len" not in names.bind_partial(self, *args, **kwargs).arguments:
            kwargs["chunk_len"] = chunk_len
        plain(self, *args, **kwargs)

    setattr(init, "rwkvmon_plain", plain)
    arguments.__init__ = init


__all__ = ["RunSettings", "load"]
