"""What a user can say about monitoring; everything has a default."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Optional, Sequence


@dataclass(frozen=True)
class Options:
    """How a model is watched. What is left out is found out, or the library's default.

    log           the log's path; "" is rwkv_monitor_DATE_TIME.log here, None is no log. {pid}, {session} and
                  {time} in it are filled in; a name that ends in .zst is compressed
    rules         "thresholds" (default), "baseline", or the path of a rule file
    alarms        alarms also on standard error
    log_tokens    token ids into the log
    session_id    instead of a random one; model_name, strategy, chunk_len: instead of what is found
    lang          "en" or "zh": language of alarm texts
    fsync         "interval" (every second), "never", "record"
    rotate_bytes, rotate_seconds, keep   begin a new file beyond this size or age; how many old ones stay
    listen        "ADDR:PORT" where Prometheus gets /metrics, "" for 127.0.0.1:8000; listen_token: what it must send;
                  metrics_textfile: a file for node_exporter instead
    alarm_file, alarm_command (argv), webhook_url, webhook_template ("json", "slack", "feishu", "dingtalk", "wecom"),
                  alertmanager_url: where alarms go besides
    budget_pct    what watching may cost, in % of the forward calls' time (0: 1 %; below 0: whatever it takes); beyond it calls
                  are sampled
    """

    log: Optional[str] = ""
    rules: Optional[str] = None
    alarms: bool = True
    log_tokens: bool = False
    session_id: Optional[str] = None
    instance: Optional[str] = None
    model_name: Optional[str] = None
    strategy: Optional[str] = None
    chunk_len: Optional[int] = None
    lang: Optional[str] = None
    fsync: str = "interval"
    rotate_bytes: int = 0
    rotate_seconds: int = 0
    keep: int = 0
    state_norms: bool = False
    budget_pct: float = 0.0
    listen: Optional[str] = None
    listen_token: Optional[str] = None
    metrics_textfile: Optional[str] = None
    alarm_file: Optional[str] = None
    alarm_command: Sequence[str] = ()
    webhook_url: Optional[str] = None
    webhook_template: Optional[str] = None
    alertmanager_url: Optional[str] = None

    def log_path(self) -> Optional[str]:
        """The path with the default name spelled out, so that all handles of a process share one file."""
        return time.strftime("rwkv_monitor_%Y%m%d_%H%M%S.log") if self.log == "" else self.log


@dataclass(frozen=True)
class Sampler:
    """How tokens are drawn."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    alpha_frequency: float = 0.0
    alpha_presence: float = 0.0
    penalty_decay: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Description:
    """What is watched; unknown stays None or 0."""

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
