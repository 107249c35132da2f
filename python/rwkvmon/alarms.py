"""Passes alarms to a function of the program that is watched.

The library writes each alarm as a line to a private file; a thread reads the file and calls the function. So the
function never runs inside a forward call, and an alarm arrives at most a quarter of a second after its record.
"""
from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import weakref
from typing import Any, Callable, Dict, Optional

OnAlarm = Callable[[Dict[str, Any]], None]

_POLL_SECONDS = 0.1


class Alarms:
    """`receiver` is the value for alarm_to; close() delivers the alarms that have arrived."""

    def __init__(self, call: OnAlarm) -> None:
        self._call, self._told = call, False
        self._folder = tempfile.mkdtemp(prefix="rwkvmon-")
        self._path = os.path.join(self._folder, "alarms.jsonl")
        self._read, self._rest = 0, b""
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._clean = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.receiver = "file+" + self._path
        threading.Thread(target=_look_now_and_then, args=(weakref.ref(self), self._stop), daemon=True,
                         name="rwkvmon-alarms").start()

    def look(self) -> None:
        """Calls the function for every alarm that has arrived since the last time."""
        with self._lock:
            try:
                with open(self._path, "rb") as f:
                    f.seek(self._read)
                    new = f.read()
            except OSError:  # nothing came yet
                return
            self._read += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            if line.strip():
                self._hand_over(json.loads(line))

    def _hand_over(self, alarm: Dict[str, Any]) -> None:
        try:
            self._call(alarm)
        except Exception as e:  # the caller's fault must not end the thread; it is said once
            if not self._told:
                print(f"rwkvmon: on_alarm failed: {type(e).__name__}: {e}", file=sys.stderr)
            self._told = True

    def close(self) -> None:
        self.look()
        self._stop.set()
        self._clean()


def _look_now_and_then(alarms: "weakref.ref[Alarms]", stop: threading.Event) -> None:
    while not stop.wait(_POLL_SECONDS):
        alive: Optional[Alarms] = alarms()
        if alive is None:
            return
        alive.look()
        del alive
