"""The monitor's verdict right after a forward call: what is wrong, since which token, and what to do about it."""
from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import AbstractSet, Callable, List, Mapping, Optional, Sequence, Tuple

from . import _native


@dataclass(frozen=True)
class Verdict:
    """The same tokens and numbers give the same verdict; only `alarms`, which rules judge on another thread, may differ."""

    fires: Tuple[str, ...] = ()  # of _native.SIGNS; empty: nothing is wrong
    critical: Tuple[str, ...] = ()  # of these, what a sequence does not recover from by itself
    advice: Tuple[str, ...] = ()  # of _native.ADVICE
    sure: float = 0.0  # 1 for a fact, else 1 - limit / (2 * value): an order, not a probability
    first_bad_token: Optional[int] = None  # of the sequence, from 1
    go_back_tokens: int = 0  # from the last token to before that one
    temperature: Optional[float] = None  # advised; None: leave it
    top_p: Optional[float] = None
    alpha_frequency: Optional[float] = None
    alarms: Tuple[str, ...] = ()  # of the rules, that are on
    alarms_age: int = 0  # forward calls since the last one that the rules have judged
    repeat_share: Optional[float] = None  # of the last 100 generated tokens, that equal the one a period before
    mean_entropy: Optional[float] = None  # of the last 100 decoded calls, nats
    mean_surprisal: Optional[float] = None  # of the last 100 decoded tokens, nats; None on a device
    first_bad: Mapping[str, int] = field(default_factory=dict, hash=False)  # first_bad_token of each sign that fires

    def of(self, signs: AbstractSet[str]) -> "Verdict":
        """As if only these signs fired: which of them do, since which token, and how far back that is. Others may fire since
        earlier tokens. Certainty and advice stay those of all."""
        first_bad = {sign: token for sign, token in self.first_bad.items() if sign in signs}
        first = min(first_bad.values(), default=None)
        return replace(self, fires=tuple(s for s in self.fires if s in signs), critical=tuple(s for s in self.critical if s in signs),
                       first_bad=first_bad, first_bad_token=first,
                       go_back_tokens=0 if first is None else self.go_back_tokens + (self.first_bad_token or 1) - first)

    def __bool__(self) -> bool:
        return bool(self.fires)


OnVerdict = Callable[[Verdict], None]


@lru_cache(maxsize=None)
def _alarm_types() -> Tuple[str, ...]:
    library = _native.lib()
    found: List[str] = []
    while library.rwkvmon_alarm_type(len(found)):
        found.append(library.rwkvmon_alarm_type(len(found)).decode())
    return tuple(found)


def _names(bits: int, of: Sequence[str]) -> Tuple[str, ...]:
    return tuple(name for i, name in enumerate(of) if bits >> i & 1)


def _known(value: float) -> Optional[float]:
    return None if math.isnan(value) else value


def verdict_of(v: _native.VerdictStruct) -> Verdict:
    return Verdict(_names(v.fires, _native.SIGNS), _names(v.critical, _native.SIGNS), _names(v.advice, _native.ADVICE), v.sure,
                   v.first_bad_token or None, v.go_back_tokens, _known(v.temperature), _known(v.top_p),
                   _known(v.alpha_frequency), _names(v.alarms, _alarm_types()) if v.alarms else (), v.alarms_age,
                   _known(v.repeat_share), _known(v.mean_entropy), _known(v.mean_surprisal),
                   {name: v.first_bad[i] for i, name in enumerate(_native.SIGNS) if v.fires >> i & 1})
