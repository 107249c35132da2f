"""The options of monitoring; all have defaults."""
from __future__ import annotations

import atexit
import contextlib
import os
import time
from dataclasses import dataclass, fields
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from ._native import RwkvmonError
from ._settings import SETTINGS, Setting, Settings


OWN: Tuple[Setting, ...] = (  # of this package alone: the library runs no model
    Setting("shadow", "shadow", "count", "N",
            "Compare the logits of one token in N with those of a better precision: a second model in memory, and its time for "
            "that token (default 0: none)"),
    Setting("shadow_strategy", "shadow-strategy", "text", "TEXT",
            'That precision, such as "cuda fp16" beside "cuda fp16i8" (default: the same places in fp32)'),
)
ALL: Tuple[Setting, ...] = (*SETTINGS, *OWN)
_SECRET = ("listen_token", "alarm_to")  # addresses of receivers hold tokens


@dataclass(frozen=True)
class Options(Settings):
    """How a model is watched: every setting of docs/SETTINGS.md, under the name of its option with _; and those of OWN.

    Options that are left out are detected, or get the library's default. log=None means no log, "" means
    rwkv_monitor_DATE_TIME.log here. """

    shadow: int = 0
    shadow_strategy: Optional[str] = None

    @classmethod
    def from_environment(cls, _beneath: Mapping[str, Any] = {}, **given: Any) -> "Options":
        """What the variables of docs/SETTINGS.md (RWKVMON_LOG_KEEP) say, and over it what is given here; `_beneath` is what
        a settings file says, which both come before."""
        said: Dict[str, Any] = {name: value for name, value in _beneath.items() if name not in given}
        for setting in ALL:
            variable = "RWKVMON_" + setting.name.replace("-", "_").upper()
            text = os.environ.get(variable)
            if text and setting.member not in given:
                try:
                    said[setting.member] = value_of(setting, text)
                except ValueError as e:
                    raise RwkvmonError(f"{variable}: {e}") from None
        return cls(**said, **given)

    def __repr__(self) -> str:
        """The options that differ from the defaults, without those that may hold secrets."""
        given = ((f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default)
        shown = (f"{name}=…" if name in _SECRET else f"{name}={value!r}" for name, value in given)
        return f"Options({', '.join(shown)})"

    def log_path(self) -> Optional[str]:
        """The path with the default name spelled out, so that all handles of a process share one file."""
        return _new_log(self.log_mode) if self.log == "" else self.log

    def texts(self) -> Iterator[Tuple[str, str]]:
        """Names and values for rwkvmon_config_set."""
        for setting in SETTINGS:
            value = getattr(self, setting.member)
            for one in (value if setting.kind == "list" and not isinstance(value, str) else (value,)):
                text = _text(setting, one)
                if text is not None:
                    yield setting.name, text


def _new_log(mode: int) -> str:
    """Takes a default name that no other log has, also if another process begins in the same second: _2 and so on."""
    stem = time.strftime("rwkv_monitor_%Y%m%d_%H%M%S")
    nth = 0
    while True:
        nth += 1
        path = f"{stem}.log" if nth == 1 else f"{stem}_{nth}.log"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        except FileExistsError:
            continue
        except OSError:
            return path  # opening the log says why
        atexit.register(_give_back, path, os.getpid())
        return path


def _give_back(path: str, pid: int) -> None:
    """Removes the file of a name that was taken and never used."""
    with contextlib.suppress(OSError):
        if os.getpid() == pid and os.path.getsize(path) == 0:
            os.unlink(path)


def value_of(setting: Setting, text: str) -> Any:
    """Parses a text from the command line or the environment; a ValueError says what was expected."""
    if setting.kind == "flag":
        if text not in ("yes", "no", "1", "0", "on", "off", "true", "false"):
            raise ValueError(f'found "{text}", expected yes or no')
        return text in ("yes", "1", "on", "true")
    if setting.kind == "list":
        return [line for line in text.split("\n") if line]
    if setting.kind == "output":
        return None if text == "none" else text
    if setting.kind in _NUMBERS:
        read, expected = _NUMBERS[setting.kind]
        try:
            return read(text)
        except ValueError:
            raise ValueError(f'found "{text}", expected {expected}') from None
    return text


_NUMBERS: Dict[str, Tuple[Callable[[str], Any], str]] = {
    "count": (int, "a whole number"), "number": (float, "a number"), "mode": (lambda text: int(text, 8), "an octal number")}


def _text(setting: Setting, value: object) -> Optional[str]:
    if value is None:
        return "none" if setting.kind == "output" else None
    if setting.kind == "flag":
        return "yes" if value else "no"
    return format(value, "o") if setting.kind == "mode" and isinstance(value, int) else str(value)


@dataclass(frozen=True)
class Sampler:
    """The sampling settings."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    alpha_frequency: float = 0.0
    alpha_presence: float = 0.0
    penalty_decay: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Description:
    """Describes the model that is watched; unknown values are None or 0."""

    model_name: Optional[str] = None
    model_version: Optional[str] = None
    strategy: Optional[str] = None
    runtime_name: Optional[str] = None
    runtime_version: Optional[str] = None
    runtime_flags: Optional[str] = None
    chunk_len: int = 0
    n_layer: int = 0
    n_embd: int = 0
    vocab_size: int = 0
    model_bytes: int = 0
    load_time_ms: float = 0.0
    sampler: Optional[Sampler] = None
