"""The command rwkvmon that pip installs: it runs the program that came with the package."""
from __future__ import annotations

import os
import sys

from ._native import RwkvmonError, program_path


def main() -> int:
    try:
        os.execv(program_path(), ["rwkvmon", *sys.argv[1:]])
    except RwkvmonError as e:
        print(f"rwkvmon: {e}", file=sys.stderr)
        return 4
