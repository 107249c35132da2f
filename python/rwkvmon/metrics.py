"""Four gauges of a log entry for Prometheus, with nothing but the standard library.

    start_http_server(8000)
    for entry in entries:
        update_prometheus_metrics(entry)

The names are those of older ChatRWKV dashboards. `rwkvmon serve` shows all metrics, with
histograms and labels, of any number of running logs.
"""
from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Optional, Tuple

_lock = threading.Lock()
_values: Dict[str, float] = {"rwkv_token_total": 0.0}

# name, type, help, where in the entry
_METRICS: Tuple[Tuple[str, str, str, Optional[Tuple[str, str]]], ...] = (
    ("rwkv_token_total", "counter", "Tokens fed to the model.", None),
    ("rwkv_inference_latency_ms", "gauge", "Latency per token, milliseconds.", ("performance", "token_latency_ms")),
    ("rwkv_vram_usage_mb", "gauge", "GPU memory in use, MiB.", ("resources", "vram_used_mb")),
    ("rwkv_logits_entropy", "gauge", "Entropy of the logits, nats.", ("accuracy", "logits_entropy")),
)


def _tokens_of(entry: Dict[str, Any]) -> int:
    tokens = entry.get("tokens")
    return len(tokens) if isinstance(tokens, list) else int(entry.get("token_count") or 0)


def update_prometheus_metrics(log_entry: Dict[str, Any]) -> None:
    """Updates the gauges from a step of a log; other events, and values that the entry lacks, change nothing."""
    if log_entry.get("event_type", "inference_step") != "inference_step":
        return
    with _lock:
        _values["rwkv_token_total"] += _tokens_of(log_entry)
        for name, _, _, place in _METRICS:
            value = log_entry.get(place[0], {}).get(place[1]) if place else None
            if value is not None:
                _values[name] = float(value)


def exposition() -> str:
    """The text that a scrape gets."""
    with _lock:
        values = dict(_values)
    return "".join(f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {values[name]:.10g}\n"
                   for name, kind, text, _ in _METRICS if name in values)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a client may take

    def do_GET(self) -> None:
        known = self.path.split("?")[0] in ("/", "/metrics")
        body = exposition().encode() if known else b"not found; there is /metrics\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Does not log scrapes."""


def start_http_server(port: int = 8000, addr: str = "127.0.0.1") -> Tuple[ThreadingHTTPServer, threading.Thread]:
    """Serves /metrics from its own thread; reachable only from this machine unless `addr` says otherwise.

    Returns the server and its thread: server.shutdown() ends them. Port 0 takes a free one (server.server_port)."""
    server = ThreadingHTTPServer((addr, port), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="rwkvmon-metrics", daemon=True)
    thread.start()
    return server, thread
