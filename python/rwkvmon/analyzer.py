"""A log as a pandas DataFrame, and as rwkvmon's report."""
from __future__ import annotations

import gzip
import json
import os
import subprocess
import warnings
import zlib
from typing import TYPE_CHECKING, Any, Dict, IO, Iterator, List, Optional, Union

from ._imports import import_package
from ._native import RwkvmonError, program_path
from ._zstd import open_zstd

if TYPE_CHECKING:
    import pandas

_GROUPS = ("performance", "resources", "accuracy")
_PLAIN = ("timestamp", "session_id", "sequence_length", "sequence", "phase", "token_count")
_METADATA = ("model_name", "strategy", "chunk_len")
_NESTED = {"decay_half_life_tokens": {"p5": "decay_half_life_p5", "p50": "decay_half_life_tokens", "p95": "decay_half_life_p95"}}
# The published columns: there, and empty, also when a log has none of them.
_COLUMNS = ("timestamp", "session_id", "sequence_length", "token_latency_ms", "throughput_tps", "chunk_process_time_ms",
            "vram_used_mb", "gpu_utilization_pct", "state_size_bytes", "logits_entropy", "token_repetition_pct",
            "state_similarity", "model_name", "strategy", "chunk_len")
_NUMBERS = [c for c in _COLUMNS if c not in ("timestamp", "session_id", "model_name", "strategy")]
_COLLAPSE = -0.5  # correlation of similarity with entropy below this: risk of mode collapse

Path = Union[str, "os.PathLike[str]"]


def _open(path: str) -> IO[bytes]:
    if path.endswith(".zst"):
        return open_zstd(path)
    return gzip.open(path) if path.endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def _flat_group(group: Dict[str, Any]) -> Iterator["tuple[str, Any]"]:
    for key, value in group.items():
        if key in _NESTED and isinstance(value, dict):
            for part, name in _NESTED[key].items():
                yield name, value.get(part)
        elif not isinstance(value, (dict, list)):
            yield key, value


def flatten(entry: Dict[str, Any]) -> Dict[str, Any]:
    """One step of a log as one row."""
    row = {key: entry.get(key) for key in _PLAIN if key in entry}
    for name in _GROUPS:
        group = entry.get(name)
        row.update(_flat_group(group if isinstance(group, dict) else {}))
    metadata = entry.get("metadata")
    for key in _METADATA:
        row[key] = metadata.get(key) if isinstance(metadata, dict) else None
    return row


_LINE_MAX = 16 << 20  # bytes, as the program has it


def _lines(log: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, pieces of longer ones than any record has; a compressed file that was cut off ends where it was cut."""
    while True:
        try:
            line = log.readline(_LINE_MAX + 1)
        except (EOFError, zlib.error, OSError) as e:
            if isinstance(e, OSError) and not isinstance(e, gzip.BadGzipFile):
                raise
            yield b"damaged"  # counts as a line that is none
            return
        if not line:
            return
        yield line


def _no_option(path: str) -> str:
    """The same file, under a name that no program takes for an option or for standard input."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


class RWKVLogAnalyzer:
    """A log file: `df` has a row per forward call; `skipped_lines` counts lines that are not records.

    `analysis` and the report come from the program rwkvmon, which reads any number of files of any size;
    `df` is for your own questions and holds the whole log in memory.
    """

    def __init__(self, log_file_path: Path) -> None:
        self.log_file_path = os.fspath(log_file_path)
        self.skipped_lines = 0
        self._df: Optional["pandas.DataFrame"] = None
        self._analysis: Optional[Dict[str, Any]] = None
        if not os.path.exists(self.log_file_path):
            raise FileNotFoundError(f"{self.log_file_path}: no such log")

    def entries(self) -> Iterator[Dict[str, Any]]:
        """Every record as it is in the log; lines that are not records are counted and left out."""
        self.skipped_lines = 0
        with _open(self.log_file_path) as log:
            for line in _lines(log):
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line.decode("utf-8-sig", errors="replace")) if len(line) <= _LINE_MAX else None
                except (ValueError, RecursionError):  # no JSON, or too deep to be a record
                    entry = None
                if isinstance(entry, dict) and "event_type" in entry:
                    yield entry
                else:
                    self.skipped_lines += 1

    @property
    def df(self) -> "pandas.DataFrame":
        """Columns are the log's keys without their groups; what a call did not measure is NaN.

        Warns of lines that are left out, such as those of a log that another program wrapped: `analysis` reads them."""
        if self._df is None:
            pd = import_package("pandas", "RWKVLogAnalyzer.df")
            rows = [flatten(e) for e in self.entries() if e["event_type"] == "inference_step"]
            df = pd.DataFrame(rows)
            df = df.reindex(columns=[*_COLUMNS, *[c for c in df.columns if c not in _COLUMNS]])
            df["timestamp"] = pd.to_datetime(df["timestamp"], utc=True, errors="coerce")
            for column in _NUMBERS:  # writers may quote them
                df[column] = pd.to_numeric(df[column], errors="coerce")
            df.loc[df["state_similarity"] == 0, "state_similarity"] = float("nan")  # the published format's unknown
            if self.skipped_lines:
                warnings.warn(f"{self.log_file_path}: {self.skipped_lines} lines are no records, and are not in df; `analysis` also "
                              "reads logs that Docker, journald or other programs wrapped", stacklevel=2)
            self._df = df
        return self._df

    def _program(self, *arguments: str) -> str:
        log = _no_option(self.log_file_path)
        done = subprocess.run([program_path(), "analyze", log, "--quiet", *arguments], capture_output=True)
        if done.returncode:
            raise RwkvmonError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode()

    @property
    def analysis(self) -> Dict[str, Any]:
        """What `rwkvmon analyze --format json` finds: metrics, sessions, anomalies, verdict."""
        if self._analysis is None:
            found: Dict[str, Any] = json.loads(self._program("--format", "json"))
            self._analysis = found
        return self._analysis

    def generate_performance_report(self, output_file: Path = "performance_report.html", lang: Optional[str] = None) -> str:
        """Writes the report, one HTML file that needs nothing else; returns its path.

        lang is "en" or "zh"; by default the language of the environment."""
        path = os.fspath(output_file)
        self._program("--format", "html", "-o", _no_option(path), *(["--lang", lang] if lang else []))
        return path


def _drift(session: "pandas.DataFrame") -> Any:
    """The available samples: 1 - cosine similarity of the state and the state after its sequence's first call."""
    return session["state_drift"].dropna() if "state_drift" in session else []


def _draw(session: "pandas.DataFrame", session_id: str, output_file: str) -> bool:
    """False when matplotlib is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained" if matplotlib.__version_info__ >= (3, 6) else None)
    similarity = figure.subplots()
    similarity.plot(session["timestamp"], session["state_similarity"], color="tab:cyan", label="state_similarity")
    drift = _drift(session)
    if len(drift):
        similarity.plot(session["timestamp"][drift.index], drift, "o", color="tab:orange", label="state_drift")
    similarity.axhline(0.8, color="tab:red", linestyle="--", label="0.8")
    similarity.set_ylabel("cosine similarity of adjacent states")
    similarity.set_xlabel("time (UTC)")
    entropy = similarity.twinx()
    entropy.plot(session["timestamp"], session["logits_entropy"], color="tab:gray", alpha=0.5, label="logits_entropy")
    entropy.set_ylabel("entropy of the logits, nats")
    similarity.set_title(f"State evolution of {session_id}")
    figure.legend(loc="outside lower center" if matplotlib.__version_info__ >= (3, 7) else "lower center", ncols=3)
    similarity.tick_params(axis="x", rotation=30)
    figure.savefig(output_file)
    return True


def analyze_state_evolution(analyzer: RWKVLogAnalyzer, session_id: str, output_file: Path = "state_evolution.png") -> bool:
    """Shows how a session's state changed, and whether its similarity is correlated with entropy.

    Draws state_evolution.png if matplotlib is installed. Returns False, and warns, when similarity and entropy are
    strongly anticorrelated (below -0.5): the state changes least where the model is most certain, a sign of mode
    collapse."""
    df = analyzer.df
    session = df[df["session_id"] == session_id]
    if session.empty:
        known: List[str] = [str(s) for s in df["session_id"].unique()[:5]]
        raise ValueError(f"{analyzer.log_file_path}: there is no session {session_id}; found {', '.join(known) or 'none'}")
    if not _draw(session, session_id, os.fspath(output_file)):
        warnings.warn("no picture of the state's evolution: pip install matplotlib", stacklevel=2)
    correlation = float(session["state_similarity"].corr(session["logits_entropy"]))
    print(f"correlation of state similarity with entropy: {correlation:.2f}")
    drift = _drift(session)
    if len(drift):
        print(f"drift from the sequence's start: {drift.iloc[0]:.2f} first, {drift.iloc[-1]:.2f} last, {drift.max():.2f} at most")
    if correlation < _COLLAPSE:
        warnings.warn(f"{session_id}: state similarity and entropy are strongly anticorrelated ({correlation:.2f}): "
                      "risk of mode collapse", stacklevel=2)
        return False
    return True
