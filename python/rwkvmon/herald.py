"""Says what a program was to say at its end, where it cannot: a signal ended it, or os._exit.

A process beside the program waits for its end. The program itself is as it would be without: its handlers of signals, its status, its
children (the process is nobody's it knows). It has no part in what the program holds open but standard error.
Where it cannot be: process 1 of a container, whose child it would become, and kernels before 5.3.
"""
from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import Callable, Optional

_LOOK_SECONDS = (1, 60)  # whether it is still needed: first after so long, at last so often


def watch_over(last_words: Callable[[], Optional[str]], is_over: Callable[[], bool]) -> None:
    """When this process has ended, last_words() go to standard error, if any, asked in another one. is_over(): none will be needed."""
    me = os.getpid()
    if me == 1 or not hasattr(os, "pidfd_open"):
        return
    with contextlib.suppress(OSError):
        child = os.fork()
        if not child:
            _leave_behind(lambda: _wait(me, last_words, is_over))
        os.waitpid(child, 0)


def _leave_behind(work: Callable[[], None]) -> None:
    """In a child: in one of its own, which is nobody's when this one has ended."""
    try:
        if not os.fork():
            work()
    finally:
        os._exit(0)


def _wait(pid: int, last_words: Callable[[], Optional[str]], is_over: Callable[[], bool]) -> None:
    os.setsid()  # what ends the program's group, or its terminal's, does not end this
    for each in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE:
        signal.signal(each, signal.SIG_IGN)
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        with contextlib.suppress(OSError):
            if fd != 2:
                os.close(fd)
    os.chdir("/")
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        ended = select.poll()
        ended.register(os.pidfd_open(pid), select.POLLIN)
        seconds, longest = _LOOK_SECONDS
        while not ended.poll(seconds * 1000):
            if is_over():
                return
            seconds = min(2 * seconds, longest)
    words = last_words()
    if words:
        os.write(2, (words + "\n").encode())
