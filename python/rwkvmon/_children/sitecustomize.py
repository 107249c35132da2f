"""Runs when a Python begins that a program under `python -m rwkvmon` started: a process that multiprocessing spawns, a
notebook's kernel, a script. PYTHONPATH names this folder. Nothing is imported before the process imports a module whose
models are watched; without rwkvmon, or when it fails, the process runs as ever. The sitecustomize that this one hides runs too.
"""
import importlib.machinery
import importlib.util
import os
import re
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PARENTS = os.path.dirname(os.path.dirname(_HERE))  # where the rwkvmon lies that this Python takes if it has none of its own


class _Later:
    """Becomes rwkvmon's own finder at the first import of one of its modules. `names`: a pattern of them."""

    def __init__(self, names):
        self._names = re.compile(names)

    def find_spec(self, name, path, target=None):
        if not self._names.match(name):
            return None
        sys.meta_path.remove(self)
        try:
            if importlib.util.find_spec("rwkvmon") is None:
                _take_rwkvmon_alone()
            import rwkvmon.hook

            return rwkvmon.hook.install_in_child().find_spec(name, path, target)
        except Exception as e:
            print(f"rwkvmon: not watching: {type(e).__name__}: {e}", file=sys.stderr)
            return None


def _take_rwkvmon_alone():
    """Beside it may lie packages that are made for another Python, or of other versions: sys.path stays as it is."""
    spec = importlib.machinery.PathFinder.find_spec("rwkvmon", [_PARENTS])
    module = importlib.util.module_from_spec(spec)
    sys.modules["rwkvmon"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["rwkvmon"]
        raise


def _run_the_hidden_one():
    rest = [folder for folder in sys.path if os.path.abspath(folder or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if "_RWKVMON_CHILDREN" in os.environ:
    sys.meta_path.insert(0, _Later(os.environ.get("_RWKVMON_MODULES", r"(?!)")))
_run_the_hidden_one()
