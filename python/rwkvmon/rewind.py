"""PIPELINE.generate of the package rwkv that leaves a loop by going back to before it.

    from rwkvmon.rewind import generate
    text = generate(pipeline, "The old man", token_count=500, args=PIPELINE_ARGS(temperature=0.5, top_p=0.3))

The model of the pipeline is a LoggingRWKV. When the verdict on this answer (others may use the model meanwhile) says that the text goes in circles, or that values are no longer
finite, state, logits and penalties go back to before the first bad token, that token is left out of the next draw, and for a
stretch (128 tokens, then 256, 512, …) the sampler draws as the verdict advises. Then it comes back to what `args` say in eight
steps, as long as at most a tenth of the last 100 tokens repeats and their surprisal is at least 0.9 of what it was in that stretch, and is
bolder again where more than a fifth repeats or the surprisal is below 0.8 of that. A run in which nothing fires gives what PIPELINE.generate gives, draw for draw. What was handed to `callback` is never taken back.
"""
from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._native import RwkvmonError
from .verdict import Verdict

ACTS_ON = frozenset(("loop", "near_loop", "low_entropy", "freeze", "non_finite"))
_KEEP_EVERY, _KEEP_NEAR, _KEEP_MOST, _STRETCH = 64, 16, 16, 128  # tokens, tokens where a rewind is likely, states, tokens
_LIKELIEST = 0.6  # surprisal of entropy: below, the likeliest tokens are drawn, and a loop is likely
_STEPS, _UP, _DOWN, _REPEATS, _RESTS = 8, 16, 32, 0.2, 0.1  # steps back to the given settings; tokens; shares of the last 100 tokens
_DULL, _LIVES = 0.8, 0.9  # of the surprisal while drawing was boldest


def _loops_easily(verdict: Verdict) -> bool:
    """Whether a rewind is likely; of the first 100 tokens that is unknown, and it is."""
    surprisal, entropy = verdict.mean_surprisal, verdict.mean_entropy
    return surprisal is None or entropy is None or surprisal < _LIKELIEST * entropy


class _Kept:
    """States to go back to: the prompt's end always, fewer the longer ago."""

    def __init__(self, state: List[Any], out: Any) -> None:
        self._kept: List[Tuple[int, List[Any], Any]] = []
        self._keep(0, state, out)

    def _keep(self, position: int, state: List[Any], out: Any) -> None:
        self._kept.append((position, [t.clone() for t in state], out.clone()))

    def passed(self, position: int, state: List[Any], out: Any, near: bool = False) -> None:
        if position < self._kept[-1][0] + (_KEEP_NEAR if near else _KEEP_EVERY):
            return
        if len(self._kept) == _KEEP_MOST:
            at = [k[0] for k in self._kept] + [position]
            crowd = [(position - at[i]) / (at[i + 1] - at[i - 1]) for i in range(1, len(at) - 1)]
            del self._kept[1 + crowd.index(max(crowd))]
        self._keep(position, state, out)

    def at(self, target: int) -> Tuple[int, List[Any], Any]:
        """The latest at or before it; later ones are forgotten."""
        while self._kept[-1][0] > target:
            self._kept.pop()
        position, state, out = self._kept[-1]
        return position, [t.clone() for t in state], out.clone()


class _Ease:
    """The way back from what a verdict advised to the given settings: step by step, and bolder again before the next loop, or where
    the text becomes dull."""

    def __init__(self, bold: Optional[Verdict] = None, until: int = 0) -> None:
        advised = bold is not None and any(getattr(bold, n) is not None for n in ("temperature", "top_p", "alpha_frequency"))
        self._bold = bold if advised else None
        self.step, self._next = _STEPS if advised else 0, until
        self._lively, self._seen = 0.0, 0  # mean surprisal while boldest; tokens

    def _learn(self, surprisal: float) -> None:
        if self.step == _STEPS and not math.isnan(surprisal):
            self._seen += 1
            self._lively += (surprisal - self._lively) / self._seen

    def follow(self, verdict: Verdict, tokens: int) -> None:
        if self._bold is None:
            return
        share, surprisal = verdict.repeat_share or 0.0, math.nan if verdict.mean_surprisal is None else verdict.mean_surprisal
        self._learn(surprisal)
        if tokens < self._next:
            return
        if (share > _REPEATS or surprisal < _DULL * self._lively) and self.step < _STEPS:
            self.step, self._next = self.step + 1, tokens + _UP
        elif not (share > _RESTS or surprisal < _LIVES * self._lively) and self.step:
            self.step, self._next = self.step - 1, tokens + _DOWN

    def setting(self, name: str, given: float) -> float:
        bold = getattr(self._bold, name, None)
        return given if bold is None else (given * (_STEPS - self.step) + bold * self.step) / _STEPS


class _Writer:
    """Tokens on their way to the callback, whole characters at a time, as PIPELINE.generate hands them over."""

    def __init__(self, pipeline: Any, callback: Optional[Callable[[str], Any]]) -> None:
        self._pipeline, self._callback = pipeline, callback
        self._from, self.done, self.text = 0, 0, ""

    def write(self, said: List[int], until: int) -> None:
        while self.done < until:
            self.done += 1
            new = self._pipeline.decode(said[self._from:self.done])
            if "\ufffd" not in new:
                if self._callback:
                    self._callback(new)
                self.text += new
                self._from = self.done


class _Answer:
    def __init__(self, pipeline: Any, args: Any, out: Any, state: List[Any], writer: _Writer, hold_back: int) -> None:
        self.pipeline, self.args, self.out, self.state = pipeline, args, out, state
        self.said: List[int] = []
        self.seen: Dict[int, float] = {}
        self._kept = _Kept(state, out)
        self._writer, self._hold_back = writer, hold_back
        self._avoid: Optional[int] = None
        self._ease = _Ease()
        self._last_target = self._same = self.rewinds = 0

    def _setting(self, name: str) -> float:
        return float(self._ease.setting(name, getattr(self.args, name)))

    def draw(self) -> int:
        out = self.out.clone()
        for n in self.args.token_ban:
            out[n] = -float("inf")
        for n, count in self.seen.items():
            out[n] -= self.args.alpha_presence + count * self._setting("alpha_frequency")
        if self._avoid is not None:
            out[self._avoid] = -float("inf")
            self._avoid = None
        return int(self.pipeline.sample_logits(out, temperature=self._setting("temperature"), top_p=self._setting("top_p"),
                                               top_k=self.args.top_k))

    def _count(self, token: int) -> None:
        for other in self.seen:
            self.seen[other] *= self.args.alpha_decay
        self.seen[token] = self.seen.get(token, 0) + (0 if self.pipeline.decode([token]) in " \t0123456789" else 1)

    def take(self, token: int) -> None:
        self.said.append(token)
        self._count(token)
        self._writer.write(self.said, len(self.said) - self._hold_back)

    def feed(self) -> None:
        self.out, self.state = self.pipeline.model.forward([self.said[-1]], self.state)

    def keep(self, verdict: Verdict) -> None:
        self._ease.follow(verdict, len(self.said))
        self._kept.passed(len(self.said), self.state, self.out, _loops_easily(verdict))

    def _target(self, verdict: Verdict) -> int:
        """Rewinds that lead to the same place go back further each time."""
        target = max(0, len(self.said) - verdict.go_back_tokens)
        self._same = self._same + 1 if self.rewinds and target <= self._last_target + _KEEP_EVERY else 0
        if self._same:
            target = max(0, target - (_KEEP_EVERY << (self._same - 1)))
        self._last_target = target
        return max(target, self._writer.done)

    def go_back(self, verdict: Verdict) -> None:
        verdict = verdict.of(ACTS_ON)  # what it goes back from is what the log says of it
        target, model, left = self._target(verdict), self.pipeline.model, self.state
        position, self.state, self.out = self._kept.at(target)
        if target > position:  # the monitor has seen these tokens
            with model.monitor.unwatched():
                self.out, self.state = model.rwkvmon_base.forward(model, self.said[position:target], self.state)
        self.rewinds += 1
        self._avoid = self.said[target] if target < len(self.said) else None
        model.monitor.went_back(len(self.said) - target, left, self.state, verdict, self.rewinds)
        del self.said[target:]
        self.seen = {}
        for token in self.said:
            self._count(token)
        self._ease = _Ease(verdict, target + (_STRETCH << (self.rewinds - 1)))


def generate(pipeline: Any, ctx: str, token_count: int = 100, args: Any = None, callback: Optional[Callable[[str], Any]] = None,
             state: Any = None, *, attempts: int = 8, hold_back: int = 256) -> str:
    """As PIPELINE.generate; `attempts` rewinds at most, then the bad tokens are taken back and the answer ends. A token
    goes to `callback` once `hold_back` more have come."""
    model = pipeline.model
    if not hasattr(model, "monitor"):
        raise RwkvmonError("the pipeline's model is not watched\nmake it with rwkvmon.LoggingRWKV")
    if args is None:
        from rwkv.utils import PIPELINE_ARGS
        args = PIPELINE_ARGS()
    tokens, out = pipeline.encode(ctx), None
    while tokens:
        out, state = model.forward(tokens[:args.chunk_len], state)
        tokens = tokens[args.chunk_len:]
    writer = _Writer(pipeline, callback)
    answer = _Answer(pipeline, args, out, state, writer, hold_back)
    while len(answer.said) < token_count:
        token = answer.draw()
        if token in args.token_stop:
            break
        answer.take(token)
        if len(answer.said) == token_count:
            break
        answer.feed()
        verdict = model.monitor.verdict_of(answer.state)
        if ACTS_ON.isdisjoint(verdict.fires):
            answer.keep(verdict)
            continue
        answer.go_back(verdict)
        if answer.rewinds > attempts:
            break
    writer.write(answer.said, len(answer.said))
    return writer.text


__all__ = ["generate"]
