"""A script as llama-cpp-python is one: libllama through ctypes, two conversations one after the other, for the stand-in.
    llama_ctypes.py libllama.so"""
import ctypes
import sys
from ctypes import POINTER, c_float, c_int, c_int8, c_int32, c_void_p


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", c_int32), ("token", POINTER(c_int32)), ("embd", POINTER(c_float)), ("pos", POINTER(c_int32)),
                ("n_seq_id", POINTER(c_int32)), ("seq_id", POINTER(POINTER(c_int32))), ("logits", POINTER(c_int8))]


class ContextParams(ctypes.Structure):
    _fields_ = [("n_ctx", c_int32), ("n_seq_max", c_int32), ("n_threads", c_int32), ("n_threads_batch", c_int32)]


lib = ctypes.CDLL(sys.argv[1])
lib.llama_context_default_params.restype = ContextParams
lib.llama_model_load_from_file.argtypes, lib.llama_model_load_from_file.restype = [ctypes.c_char_p, c_int], c_void_p
lib.llama_init_from_model.argtypes, lib.llama_init_from_model.restype = [c_void_p, ContextParams], c_void_p
lib.llama_decode.argtypes = [c_void_p, Batch]
lib.llama_get_memory.argtypes, lib.llama_get_memory.restype = [c_void_p], c_void_p
lib.llama_memory_clear.argtypes = [c_void_p, ctypes.c_bool]
lib.llama_get_logits_ith.argtypes, lib.llama_get_logits_ith.restype = [c_void_p, c_int32], POINTER(c_float)

context = lib.llama_init_from_model(lib.llama_model_load_from_file(b"none", 0), lib.llama_context_default_params())
for text in b"It was the best of times", b"Call me Ishmael":
    tokens = (c_int32 * len(text))(*text)
    assert lib.llama_decode(context, Batch(n_tokens=len(text), token=tokens)) == 0
    for _ in range(5):
        logits = lib.llama_get_logits_ith(context, len(text) - 1 if _ == 0 else 0)[:256]
        token = max(range(256), key=logits.__getitem__)
        print(token, end=" ")
        assert lib.llama_decode(context, Batch(n_tokens=1, token=(c_int32 * 1)(token))) == 0
    lib.llama_memory_clear(lib.llama_get_memory(context), True)
assert not hasattr(lib, "llama_kv_self_clear")  # what the library has not, it has not
