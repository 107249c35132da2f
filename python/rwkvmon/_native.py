"""librwkvmon through ctypes: the structs and calls of rwkvmon.h, and where its files are.

Structs begin with their size, so that a newer library understands the ones declared here; its newer members keep their
defaults. tests/integration/python_test.sh compares every offset with the header's.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
from ctypes import POINTER, c_char, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import List, Optional, Tuple

ABI = 1
ERROR_BYTES = 800
F32, F16, BF16 = range(3)
SHIFT, WKV = range(2)
PHASE_UNKNOWN, PREFILL, DECODE = range(3)
FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_ERROR = range(4)


class Config(ctypes.Structure):
    """struct rwkvmon_config"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("log_path", c_char_p), ("rules", c_char_p), ("session_id", c_char_p), ("instance", c_char_p), ("lang", c_char_p),
        ("log_tokens", c_int), ("log_text", c_int), ("alarms_to_stderr", c_int), ("block_when_full", c_int),
        ("ring_bytes", c_size_t),
        ("model_name", c_char_p), ("model_version", c_char_p), ("strategy", c_char_p),
        ("runtime_name", c_char_p), ("runtime_version", c_char_p), ("runtime_flags", c_char_p),
        ("chunk_len", c_uint32), ("n_layer", c_uint32), ("n_embd", c_uint32), ("vocab_size", c_uint32),
        ("model_bytes", c_uint64), ("load_time_ms", c_double),
        ("has_sampler", c_int),
        ("temperature", c_double), ("top_p", c_double), ("alpha_frequency", c_double), ("alpha_presence", c_double),
        ("penalty_decay", c_double), ("top_k", c_uint32), ("seed", c_uint64),
        ("fsync", c_int), ("log_rotate_bytes", c_uint64), ("log_rotate_seconds", c_uint64), ("log_keep", c_uint32),
        ("log_state_norms", c_int), ("overhead_budget_pct", c_double),
        ("alarm_to", POINTER(c_char_p)), ("alarm_spool", c_char_p),
        ("listen", c_char_p), ("listen_token", c_char_p), ("metrics_textfile", c_char_p),
        ("log_mode", c_uint32), ("goal", c_char_p), ("owned", c_void_p),
        ("state_memory_bytes", c_uint64), ("max_streams", c_uint32),
    ]


class TensorView(ctypes.Structure):
    """struct rwkvmon_tensor"""

    _fields_ = [("data", c_void_p), ("count", c_size_t), ("dtype", c_int), ("part", c_int)]


class StateSums(ctypes.Structure):
    """struct rwkvmon_state_sums"""

    _fields_ = [("part", c_int), ("dot", c_double), ("old_norm2", c_double), ("new_norm2", c_double),
                ("change_norm2", c_double), ("nonfinite", c_uint64)]


class Number(ctypes.Structure):
    """struct rwkvmon_number"""

    _fields_ = [("metric", c_int), ("value", c_double)]


class Step(ctypes.Structure):
    """struct rwkvmon_step"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("tokens", POINTER(c_uint32)), ("n_tokens", c_size_t), ("phase", c_int), ("ends_prefill", c_int),
        ("logits", c_void_p), ("n_logits", c_size_t), ("logits_dtype", c_int),
        ("state", POINTER(TensorView)), ("n_state", c_size_t),
        ("sums", POINTER(StateSums)), ("n_sums", c_size_t), ("state_bytes", c_uint64),
        ("numbers", POINTER(Number)), ("n_numbers", c_size_t),
        ("text", c_char_p), ("text_bytes", c_size_t), ("batch_size", c_uint32),
        ("stream", c_void_p), ("began_ns", c_uint64), ("spent_ns", c_uint64),
    ]


class Start(ctypes.Structure):
    """struct rwkvmon_start"""

    _fields_ = [("struct_size", c_size_t), ("state", POINTER(TensorView)), ("n_state", c_size_t),
                ("declared", POINTER(TensorView)), ("n_declared", c_size_t)]


class StreamConfig(ctypes.Structure):
    """struct rwkvmon_stream_config"""

    _fields_ = [("struct_size", c_size_t), ("session_id", c_char_p), ("request_id", c_char_p), ("label", c_char_p),
                ("model_name", c_char_p), ("candidates", c_uint32)]


class Totals(ctypes.Structure):
    """struct rwkvmon_totals"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("records", c_uint64), ("tokens", c_uint64), ("dropped", c_uint64), ("alarms", c_uint64),
        ("seconds", c_double), ("overhead_seconds", c_double),
        ("log_path", c_char * 1024), ("trouble", c_char * ERROR_BYTES),
        ("undelivered", c_uint64), ("undelivered_why", c_char * ERROR_BYTES),
        ("streams", c_uint64), ("streams_refused", c_uint64), ("undelivered_critical", c_uint64),
    ]


class VerdictStruct(ctypes.Structure):
    """struct rwkvmon_verdict"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("fires", c_uint32), ("critical", c_uint32), ("advice", c_uint32),
        ("sure", c_double), ("first_bad_token", c_uint64), ("go_back_tokens", c_uint64),
        ("temperature", c_double), ("top_p", c_double), ("alpha_frequency", c_double),
        ("alarms", c_uint64), ("alarms_age", c_uint64), ("repeat_share", c_double), ("mean_entropy", c_double),
        ("mean_surprisal", c_double), ("first_bad", c_uint64 * 8),
    ]


class Change(ctypes.Structure):
    """struct rwkvmon_change"""

    _fields_ = [("key", c_char_p), ("before", c_double), ("after", c_double)]


class Action(ctypes.Structure):
    """struct rwkvmon_action"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("action", c_char_p), ("alarm_type", c_char_p), ("reason", c_char_p),
        ("first_bad_token", c_uint64), ("attempt", c_uint64), ("tokens_saved", c_uint64),
        ("changes", POINTER(Change)), ("n_changes", c_size_t), ("stream", c_void_p),
    ]


# The bits of enum rwkvmon_sign and enum rwkvmon_advice, from the lowest.
SIGNS = ("loop", "near_loop", "low_entropy", "high_entropy", "freeze", "non_finite", "state_jump", "state_leak")
ADVICE = ("stop", "go_back", "sampling", "reset", "precision")


class RwkvmonError(Exception):
    """What went wrong, and on the next line what to do about it."""


def _beside(name: str) -> Optional[str]:
    path = Path(__file__).parent / "_native" / name
    return str(path) if path.exists() else None


def library_path() -> str:
    """Path of librwkvmon: $RWKVMON_LIBRARY, the one that came with the package, or the system's."""
    found = os.environ.get("RWKVMON_LIBRARY") or _beside("librwkvmon.so.0") or ctypes.util.find_library("rwkvmon")
    if not found:
        raise RwkvmonError("librwkvmon is not found\n"
                           "install the package (pip install ./python), or name the library in RWKVMON_LIBRARY")
    return found


def program_path() -> str:
    """Path of the program rwkvmon: $RWKVMON_PROGRAM, the one that came with the package, or the first in PATH."""
    found = os.environ.get("RWKVMON_PROGRAM") or _beside("rwkvmon") or shutil.which("rwkvmon")
    if not found:
        raise RwkvmonError("the program rwkvmon is not found\n"
                           "install the package (pip install ./python), or name the program in RWKVMON_PROGRAM")
    return found


_CALLS: List[Tuple[str, object, List[object]]] = [
    ("rwkvmon_config_set", c_int, [POINTER(Config), c_char_p, c_char_p, c_char_p]),
    ("rwkvmon_config_free", None, [POINTER(Config)]),
    ("rwkvmon_open", c_int, [POINTER(c_void_p), POINTER(Config), c_char_p]),
    ("rwkvmon_url", c_char_p, [c_void_p]),
    ("rwkvmon_begin_from", None, [c_void_p, c_void_p, POINTER(TensorView), c_size_t]),
    ("rwkvmon_end", None, [c_void_p, POINTER(Step)]),
    ("rwkvmon_end_batch", None, [c_void_p, POINTER(Step), c_size_t]),
    ("rwkvmon_stream_open", c_int, [POINTER(c_void_p), c_void_p, POINTER(StreamConfig), c_char_p]),
    ("rwkvmon_stream_branch", c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(StreamConfig), c_char_p]),
    ("rwkvmon_stream_close", None, [c_void_p, c_void_p]),
    ("rwkvmon_stream_new_sequence", None, [c_void_p, c_void_p, POINTER(Start)]),
    ("rwkvmon_stream_wants_state", c_int, [c_void_p, c_void_p, c_size_t]),
    ("rwkvmon_stream_verdict", None, [c_void_p, c_void_p, POINTER(VerdictStruct)]),
    ("rwkvmon_stream_went_back", None, [c_void_p, c_void_p, c_size_t]),
    ("rwkvmon_finished", None, [c_void_p, c_int]),
    ("rwkvmon_set_text", c_int, [c_void_p, c_char_p, c_char_p, c_char_p]),
    ("rwkvmon_reload_rules", c_int, [c_void_p, c_char_p]),
    ("rwkvmon_so_far", None, [c_void_p, POINTER(Totals)]),
    ("rwkvmon_alarm", c_int, [c_char_p]),
    ("rwkvmon_alarm_type", c_char_p, [c_int]),
    ("rwkvmon_acted", c_int, [c_void_p, POINTER(Action)]),
    ("rwkvmon_set_number", c_int, [c_void_p, c_char_p, c_double, c_char_p]),
    ("rwkvmon_metric", c_int, [c_char_p]),
    ("rwkvmon_close", c_int, [c_void_p, POINTER(Totals)]),
    ("rwkvmon_version", c_char_p, []),
    ("rwkvmon_abi", c_int, []),
]


def _load() -> ctypes.CDLL:
    path = library_path()
    try:
        lib = ctypes.CDLL(path)
    except OSError as e:
        raise RwkvmonError(f"{path}: cannot be loaded: {e}\nbuild it on this machine: pip install ./python") from e
    for name, result, arguments in _CALLS:
        function = getattr(lib, name, None)
        if function is None:
            raise RwkvmonError(f"{path}: lacks {name}\ninstall library and package of one version")
        function.restype = result
        function.argtypes = arguments
    if lib.rwkvmon_abi() != ABI:
        raise RwkvmonError(f"{path}: speaks ABI {lib.rwkvmon_abi()}, expected {ABI}\n"
                           "install library and package of one version")
    return lib


_lib: Optional[ctypes.CDLL] = None


def lib() -> ctypes.CDLL:
    """The library, loaded once."""
    global _lib
    if _lib is None:
        _lib = _load()
    return _lib


def version() -> str:
    """Version of the library, such as "0.1.0"."""
    return str(lib().rwkvmon_version().decode())
