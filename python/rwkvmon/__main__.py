"""python -m rwkvmon [options] script.py args…: runs a script that uses a model of adapters.RUNTIMES, watched.

python -m rwkvmon tune MODEL [options of rwkvmon tune]: the fastest strategy of the package rwkv in this Python, on this machine.
"""
from __future__ import annotations

import argparse
import os
import re
import runpy
import sys
from dataclasses import replace
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple, Type, Union

from . import herald, hook, seen, settings
from ._native import RwkvmonError, program_path, version
from ._settings import Setting
from .collector import check
from .options import ALL, Options, value_of

_FLAGS = {f"--{s.name}" for s in ALL if s.kind == "flag"}
_WITH_VALUE = {f"--{s.name}" for s in ALL if s.kind != "flag"} | {"--settings"}


class _Once(argparse.Action):
    """Refuses an option that is given twice, instead of silently overriding the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Union[str, Sequence[Any], None],
                 option_string: Optional[str] = None) -> None:
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "is given twice")
        setattr(namespace, self.dest, values)


def _converter(s: Setting) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return value_of(s, text)
        except ValueError as e:
            raise argparse.ArgumentTypeError(str(e)) from None
    return convert


def _add(p: argparse._ArgumentGroup, s: Setting) -> None:
    how: Dict[str, Any] = {"dest": s.member, "action": "append" if s.kind == "list" else _Once,
                           "help": s.help.replace("%", "%%") + (" (also --%s=no)" % s.name if s.kind == "flag" else "")}
    if s.kind in ("word", "choice"):
        how["choices"] = s.argument.split("|")
    else:
        how["metavar"] = s.argument or "yes|no"
    if s.kind in ("flag", "count", "number", "mode"):
        how["type"] = _converter(s)
    p.add_argument(f"--{s.name}", **how)


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m rwkvmon", allow_abbrev=False,
        description="Runs a script unchanged and writes a log of every forward call of its RWKV models: of the package rwkv, "
                    "transformers, flash-linear-attention, Albatross or rwkv_lightning.",
        epilog="afterwards:  rwkvmon analyze LOG --format html -o report.html;   python -m rwkvmon tune MODEL -o FILE  measures which "
               "strategy of the package rwkv is the fastest here")
    p.add_argument("-q", "--quiet", action="store_true", help="no alarms on standard error")
    p.add_argument("--version", action="version", version="%(prog)s " + _version())
    p.add_argument("--settings", metavar="FILE", action=_Once,
                   help="strategy, threads and chunk-len of the script's models, and settings below, one a line, as `rwkvmon tune "
                        "-o FILE` writes it; options and variables given beside it come first")
    group = p.add_argument_group("settings of the monitor")
    for s in ALL:
        _add(group, s)
    p.add_argument("-m", dest="module", action="store_true", help="what follows is a module's name, as in python -m")
    p.add_argument("script", help="the script")
    p.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return p


def _with_values(argv: Sequence[str]) -> List[str]:
    """Gives flags and --listen without a value their implied value, so that they may come directly before the
    script."""
    out = list(argv)
    at = 0
    while at < len(out) and out[at].startswith("-"):
        word, following = out[at], out[at + 1] if at + 1 < len(out) else ""
        if word in _FLAGS:
            out[at] += "=yes"
        elif word == "--listen" and not re.fullmatch(r"\S*:\d+", following):
            out[at] += "="
        elif word in _WITH_VALUE:
            at += 1
        at += 1
    return out


def _version() -> str:
    try:
        return version()
    except RwkvmonError:
        return "(library not found)"


def _run(args: argparse.Namespace) -> None:
    sys.argv = [args.script, *args.arguments]
    if args.module:
        runpy.run_module(args.script, run_name="__main__", alter_sys=True)
        return
    sys.path[0] = os.path.dirname(os.path.abspath(args.script))
    runpy.run_path(args.script, run_name="__main__")


def parse(argv: Sequence[str]) -> Tuple[argparse.Namespace, Options]:
    """Parses the command line, and takes settings it lacks from the environment, then from the file of --settings: what to run,
    and how to watch it. `settings` of the result is that file as it was read."""
    args = _parser().parse_args(_with_values(argv))
    given = {s.member: getattr(args, s.member) for s in ALL if getattr(args, s.member) is not None}
    if args.quiet:
        given.setdefault("alarms_to_stderr", False)
    if given.get("log") == "none":
        given["log"] = None
    args.settings = settings.load(args.settings) if args.settings else settings.RunSettings()
    return args, args.settings.options(**given)


def _nothing_watched(script: str, error: Optional[Type[BaseException]], found: FrozenSet[str]) -> str:
    """The message for a script of which no call was seen; `error` is the exception that ended it, or None."""
    said = "python -m rwkvmon: NOTHING WAS WATCHED and no log was written: "
    if error is not None and not issubclass(error, SystemExit):
        ready = "a call of its model was watched" if seen.MODEL in found else "a model was ready"
        return (f"{said}{error.__name__} ended {script} before {ready}.\n"
                "    The error stands below; `rwkvmon doctor` finds what is wrong with torch, rwkv and the model file.")
    if seen.MODEL in found:
        return (f"{said}{script} made a model, but no call of it was watched:\n"
                "    it made none, or what prevented it stands above.")
    return (f"{said}{script} made no model that is known: rwkv.model.RWKV,\n"
            "    transformers' RwkvForCausalLM, fla's RWKV7ForCausalLM, RWKV_x070. Other runtimes: docs/INTEGRATIONS.md;\n"
            "    a model in a program other than Python that the script starts is not seen.")


def _watch_over(script: str, asked: seen.Seen) -> None:
    """A script may end without a word: by a signal, or os._exit."""
    def is_over() -> bool:
        if seen.CALL in asked.all:
            asked.answer()
        return asked.is_answered

    def last_words() -> Optional[str]:
        words = None if is_over() else _nothing_watched(script, None, asked.all)
        asked.answer()
        return words

    if asked.is_known_to_others:
        herald.watch_over(last_words, is_over)


def _tune(words: List[str]) -> int:
    """The program races and judges; it asks processes of this Python (rwkvmon.tune_bench)."""
    model = [] if not words or words[0].startswith("-") else ["--model"]
    os.execv(program_path(), ["rwkvmon", "tune", "--python", sys.executable, *model, *words])


def main(argv: Optional[List[str]] = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    try:
        if words[:1] == ["tune"] and not os.path.exists("tune"):
            return _tune(words[1:])
        args, options = parse(words)
        if not args.module and not os.path.exists(args.script):
            print(f"python -m rwkvmon: {args.script}: no such file", file=sys.stderr)
            return 3
        check(options)
    except RwkvmonError as e:
        print(f"python -m rwkvmon: {e}", file=sys.stderr)
        return 2
    options = replace(options, log=options.log_path())  # of child processes too
    with seen.asked() as asked:
        _watch_over(args.script, asked)
        hook.install(options, args.settings)
        try:
            _run(args)
        finally:  # a script that ends by itself, too
            found, is_answered = asked.all, asked.is_answered
            asked.answer()
            if seen.CALL not in found and not is_answered:
                print(_nothing_watched(args.script, sys.exc_info()[0], found), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
