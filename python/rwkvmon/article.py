"""Log entries as the article on watching RWKV makes them, for classes that extend LoggingRWKV as it shows."""
from __future__ import annotations

import math
import time
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Sequence

from .options import Description
from .tensors import Tensor, state_bytes

_HISTORY = 10000  # tokens kept
_WINDOW = 100


def _ids(tokens: Any) -> List[int]:
    return [int(t) for t in tokens] if hasattr(tokens, "__len__") else [int(tokens)]


class ArticleEntries:
    """Entries of one model. Unknown numbers are 0 in these entries, as in the article, and only here."""

    def __init__(self, torch: Any, what: Description) -> None:
        self._torch, self._what = torch, what
        self._start = 0.0
        self.history: List[int] = []
        self.fed = 0
        self.baseline: Dict[str, float] = {"token_latency_ms": 50.0, "throughput_tps": 100.0}
        self.baseline_set = False

    def set_baseline(self, baseline: Dict[str, float]) -> None:
        for name in self.baseline:
            if not 0 < baseline.get(name, 1) < math.inf:
                raise ValueError(f"performance_baseline: {name} is {baseline[name]}; expected a number above 0")
        self.baseline = {**self.baseline, **baseline}
        self.baseline_set = True

    def take(self, tokens: Any) -> None:
        """Called before the call, with the tokens that it feeds."""
        try:
            new = _ids(tokens)
        except (TypeError, ValueError):  # the model will say what is wrong with them
            return
        self.history.extend(new)
        del self.history[:-_HISTORY]
        self.fed += len(new)

    def before(self, state: Optional[Sequence[Tensor]]) -> Optional[Tensor]:
        """Called before the call, which may change the state in place."""
        flat = None if state is None else self._flat(state)
        self._start = time.perf_counter()
        return flat

    def _flat(self, state: Sequence[Tensor]) -> Tensor:
        return self._torch.cat([t.detach().float().flatten().cpu() for t in state])

    def _repetition(self) -> float:
        recent = self.history[-_WINDOW:]
        return (_WINDOW - len(set(recent))) / _WINDOW * 100 if len(self.history) > _WINDOW else 0.0

    def entry(self, session_id: str, tokens: Any, before: Optional[Tensor], logits: Tensor, state: Sequence[Tensor]) -> Dict[str, Any]:
        ms = (time.perf_counter() - self._start) * 1e3
        cuda = self._torch.cuda
        row = logits if logits.dim() == 1 else logits[-1]
        log_p = self._torch.log_softmax(row.detach().float(), -1)
        entropy = float(-(log_p.exp() * log_p).sum())
        ids = _ids(tokens)
        n = len(ids)
        similarity = 0.0 if before is None else float(self._torch.cosine_similarity(before, self._flat(state), dim=0))
        return {
            "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "session_id": session_id, "event_type": "inference_step", "sequence_length": self.fed,
            "performance": {"token_latency_ms": round(ms / n, 3), "throughput_tps": round(n / ms * 1e3, 2),
                            "chunk_process_time_ms": round(ms, 3)},
            "resources": {"vram_used_mb": round(cuda.memory_allocated() / 2 ** 20, 2) if cuda.is_available() else 0,
                          "gpu_utilization_pct": 0, "state_size_bytes": state_bytes(state)},
            "accuracy": {"logits_entropy": round(entropy, 4), "token_repetition_pct": round(self._repetition(), 2),
                         "state_similarity": similarity},
            "metadata": {"model_name": self._what.model_name or "unknown", "strategy": self._what.strategy or "unknown",
                         "chunk_len": self._what.chunk_len},
            "tokens": ids,
        }

    def broken(self, entry: Dict[str, Any]) -> List[str]:
        """The alarm types that the article's comparisons raise for an entry."""
        performance, accuracy = entry["performance"], entry["accuracy"]
        checks = (
            ("high_latency", performance["token_latency_ms"] > self.baseline["token_latency_ms"] * 1.5),
            ("low_throughput", performance["throughput_tps"] < self.baseline["throughput_tps"] * 0.5),
            ("high_vram_usage", entry["resources"]["vram_used_mb"] > 8000),
            ("abnormal_entropy", not 1.0 <= accuracy["logits_entropy"] <= 8.0),
            ("high_repetition", accuracy["token_repetition_pct"] > 15),
        )
        return [name for name, bad in checks if bad]
