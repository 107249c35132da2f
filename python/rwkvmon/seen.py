"""What was seen of a program under `python -m rwkvmon`: models, and calls of them, in it and in the processes that it starts."""
from __future__ import annotations

import contextlib
import os
import tempfile
from typing import FrozenSet, Iterator, Set

MODEL, CALL = "m", "c"
_VARIABLE = "_RWKVMON_SEEN"  # names files, one for each that asks around a process, to which it adds what it has seen
_here: Set[str] = set()  # what this process, or a parent that forked it, has seen


def note(what: str) -> None:
    """MODEL: one is about to be watched; CALL: one of its calls is. Never fails: who asked may be gone."""
    if what in _here:
        return
    _here.add(what)
    for path in os.environ.get(_VARIABLE, "").split(os.pathsep):
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_WRONLY | os.O_APPEND)  # none is made
            os.write(file, what.encode())
            os.close(file)


class Seen:
    def __init__(self, path: str) -> None:
        self._path = path  # "": there is none
        self.is_known_to_others = bool(path)

    @property
    def is_answered(self) -> bool:
        """By whoever asked first: this process, or another one."""
        return bool(self._path) and not os.path.exists(self._path)

    def answer(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    @property
    def all(self) -> FrozenSet[str]:
        with contextlib.suppress(OSError), open(self._path, encoding="ascii") as file:
            return frozenset(_here | set(file.read()))
        return frozenset(_here)


@contextlib.contextmanager
def asked() -> Iterator[Seen]:
    """with asked() as seen: `seen.all` is what there was, here and in processes that were started inside."""
    path = ""
    with contextlib.suppress(OSError):  # then this process alone is known
        file, path = tempfile.mkstemp(prefix="rwkvmon-seen-")
        os.close(file)
        outer = os.environ.get(_VARIABLE)  # this program is one that another asks about
        os.environ[_VARIABLE] = path if outer is None else outer + os.pathsep + path
    seen = Seen(path)
    try:
        yield seen
    finally:
        seen.answer()
