"""Reads .zst with the system's libzstd, because Python itself supports zstd only from 3.14 on."""
from __future__ import annotations

import ctypes
import ctypes.util
import io
import os
from ctypes import c_char_p, c_size_t, c_uint, c_void_p
from typing import IO, Any, Optional

from ._native import RwkvmonError

_CHUNK = 1 << 17


class _Span(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer: where, how much, how far."""

    _fields_ = [("at", c_void_p), ("size", c_size_t), ("pos", c_size_t)]


def _library() -> Any:
    try:
        library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    except OSError:
        return None
    library.ZSTD_createDStream.restype = c_void_p
    library.ZSTD_freeDStream.argtypes = [c_void_p]
    library.ZSTD_decompressStream.argtypes = [c_void_p, ctypes.POINTER(_Span), ctypes.POINTER(_Span)]
    library.ZSTD_decompressStream.restype = c_size_t
    library.ZSTD_isError.argtypes = [c_size_t]
    library.ZSTD_isError.restype = c_uint
    library.ZSTD_getErrorName.argtypes = [c_size_t]
    library.ZSTD_getErrorName.restype = c_char_p
    return library


class _Unpacked(io.RawIOBase):
    """The decompressed bytes of all frames. A last frame that was cut off gives as much as it holds."""

    def __init__(self, path: str, library: Any) -> None:
        self._path, self._zstd = path, library
        self._file = open(path, "rb")
        self._stream: Optional[int] = library.ZSTD_createDStream()
        self._packed = ctypes.create_string_buffer(_CHUNK)
        self._in = _Span(ctypes.addressof(self._packed), 0, 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        room = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        out = _Span(ctypes.addressof(room), len(buffer), 0)
        while out.pos == 0:
            rc = self._zstd.ZSTD_decompressStream(self._stream, ctypes.byref(out), ctypes.byref(self._in))
            if self._zstd.ZSTD_isError(rc):
                why = self._zstd.ZSTD_getErrorName(rc).decode()
                raise RwkvmonError(f"{self._path}: damaged zstd data ({why})\n`analysis` reads what is behind the damage, too")
            if out.pos == 0 and self._in.pos == self._in.size:
                self._in.size, self._in.pos = self._file.readinto(self._packed), 0
                if not self._in.size:
                    break
        return int(out.pos)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._zstd.ZSTD_freeDStream(self._stream)
            self._stream = None
        super().close()


def open_zstd(path: "str | os.PathLike[str]") -> IO[bytes]:
    library = _library()
    if library is None:
        raise RwkvmonError(f"{path}: libzstd is not there to read it\nzstd -d {path}, and read the result")
    return io.BufferedReader(_Unpacked(os.fspath(path), library), _CHUNK)
