"""Debian's torch 1.13 does not know the keyword `mmap` that the package rwkv gives to torch.load: it is dropped here,
in the tests' set-up, and nowhere else. PYTHONPATH names this folder."""
import inspect

try:
    import torch
except ImportError:  # an environment without: nothing to mend
    torch = None

if torch and "mmap" not in inspect.signature(torch.load).parameters:
    _load = torch.load
    torch.load = lambda *args, mmap=None, **kwargs: _load(*args, **kwargs)
