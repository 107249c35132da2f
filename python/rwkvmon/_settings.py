"""Every setting of a watched model. Written by `rwkvmon export python-settings`; edit src/spec/settings.def."""
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional, Sequence, Tuple, Union


class Setting(NamedTuple):
    """`member` is the attribute of Settings; `name` is the name of the option and for rwkvmon_config_set."""

    member: str
    name: str
    kind: str
    argument: str
    help: str


SETTINGS: Tuple[Setting, ...] = (
    Setting("log", "log", "output", "FILE",
            "Log file, compressed if its name ends in .zst; {pid}, {session} and {time} are filled in; `none` writes no log (default: a new rwkv_monitor_DATE_TIME.log)"),
    Setting("log_mode", "log-mode", "mode", "MODE",
            "Permissions of new log files, octal, before the umask is applied (default 0640: others cannot read)"),
    Setting("log_rotate_bytes", "log-rotate-bytes", "count", "N",
            "Begin a new log file when the current one reaches N bytes (default 0: never)"),
    Setting("log_rotate_seconds", "log-rotate-seconds", "count", "N",
            "Begin a new log file when the current one is N seconds old (default 0: never)"),
    Setting("log_keep", "log-keep", "count", "N",
            "Number of old log files to keep; the oldest are deleted first (default 0: keep all)"),
    Setting("fsync", "fsync", "choice", "interval|never|record",
            "When the log is forced to the disk: interval (every second), never (when the kernel decides), record (after every record; default interval)"),
    Setting("log_tokens", "log-tokens", "flag", "",
            "Write token ids into the log"),
    Setting("log_text", "log-text", "flag", "",
            "Write the text itself into the log; it may be private"),
    Setting("log_state_norms", "log-state-norms", "flag", "",
            "Write the norm of each layer's state into the log"),
    Setting("rules", "rules", "text", "NAME|FILE",
            "Rule set to judge by: default (learns what is normal here), thresholds, baseline (published limits; baseline=50ms,100tps sets your own), or a file"),
    Setting("goal", "goal", "goal", "SPEED",
            "The speed that you want, such as 20tps (tokens per second) or 50ms (per token); it is written into session_start"),
    Setting("session_id", "session-id", "text", "ID",
            "Name of the session (default: a random one)"),
    Setting("instance", "instance", "text", "NAME",
            "Name of this process among many (default HOST:PID; in a container HOST:PID-NAMESPACE)"),
    Setting("model_name", "model-name", "text", "NAME",
            "Name of the model (default: from its file)"),
    Setting("strategy", "strategy", "text", "TEXT",
            "How the model is computed, such as \"cuda fp16\"; the command line and Python detect it"),
    Setting("chunk_len", "chunk-len", "count", "N",
            "Maximum number of prompt tokens in one forward call; the command line and Python detect it"),
    Setting("lang", "lang", "word", "en|zh",
            "Language of alarm texts (default en; the command line: from LC_ALL, LC_MESSAGES, LANG)"),
    Setting("alarms_to_stderr", "alarms-to-stderr", "flag", "",
            "Print alarms on standard error, as lines that begin with [ALARM] (default yes; no in C and with --quiet)"),
    Setting("alarm_to", "alarm-to", "list", "KIND+ADDRESS|@FILE",
            "Also send alarms to this receiver, such as slack+https://hooks.slack.com/services/…; may be given several times; docs/ALARMS.md lists the kinds. @FILE reads receivers from a file, one per line, which hides their secrets from `ps`"),
    Setting("alarm_spool", "alarm-spool", "text", "FILE",
            "Keeps critical alarms that could not be delivered until the next start; with `none` they are lost (default rwkv_alarms.spool beside the log)"),
    Setting("overhead_budget_pct", "overhead-budget-pct", "number", "PCT",
            "Maximum cost of monitoring, in % of the forward calls' time; if it is exceeded, and a call's monitoring takes more than 20 µs, only a sample of the calls is measured; below 0: no limit (default 1)"),
    Setting("ring_bytes", "ring-bytes", "count", "N",
            "Size in bytes of the ring buffer, which holds records until the writer thread has written them (default 1048576)"),
    Setting("state_memory", "state-memory", "count", "N",
            "Memory in bytes for copies of logits and states, which a program that serves several streams needs to compare each call with the one before; if it does not suffice, streams take turns at being compared (default 268435456)"),
    Setting("max_streams", "max-streams", "count", "N",
            "Maximum number of open streams; the calls of further streams are counted as dropped (default 65536)"),
    Setting("block_when_full", "block-when-full", "flag", "",
            "If the ring buffer is full, let the model wait instead of dropping the record"),
    Setting("listen", "listen", "text", "[ADDR:PORT]",
            "Address on which to serve /metrics (`serve`: also the live page and JSON); default 127.0.0.1:8000; port 0 takes a free port"),
    Setting("listen_token", "listen-token", "text", "TOKEN|@FILE",
            "A client of --listen must send this as `Authorization: Bearer`, 8 to 255 characters; @FILE reads it from a file, which hides it from `ps`"),
    Setting("metrics_textfile", "metrics-textfile", "text", "FILE",
            "Write the metrics to this .prom file for node_exporter's textfile collector, every 15 s and at the end"),
)


@dataclass(frozen=True)
class Settings:
    """Everything that a user can set; docs/SETTINGS.md and SETTINGS explain each setting."""

    log: Optional[str] = ""
    log_mode: int = 0o640
    log_rotate_bytes: int = 0
    log_rotate_seconds: int = 0
    log_keep: int = 0
    fsync: str = "interval"
    log_tokens: bool = False
    log_text: bool = False
    log_state_norms: bool = False
    rules: Optional[str] = None
    goal: Optional[str] = None
    session_id: Optional[str] = None
    instance: Optional[str] = None
    model_name: Optional[str] = None
    strategy: Optional[str] = None
    chunk_len: Optional[int] = None
    lang: Optional[str] = None
    alarms_to_stderr: bool = True
    alarm_to: Union[str, Sequence[str]] = ()
    alarm_spool: Optional[str] = None
    overhead_budget_pct: float = 1.0
    ring_bytes: int = 1048576
    state_memory: int = 268435456
    max_streams: int = 65536
    block_when_full: bool = False
    listen: Optional[str] = None
    listen_token: Optional[str] = None
    metrics_textfile: Optional[str] = None
