"""python -m rwkvmon [options] script.py args…: runs a script that uses rwkv.model.RWKV, watched."""
from __future__ import annotations

import argparse
import os
import re
import runpy
import sys
from typing import List, Optional, Sequence

from . import hook
from ._native import SYNCS, RwkvmonError, version
from .options import Options


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m rwkvmon", allow_abbrev=False,
        description="Runs a script that uses rwkv.model.RWKV, unchanged, and writes a log of every forward call.",
        epilog="afterwards:  rwkvmon analyze LOG --format html -o report.html")
    p.add_argument("--log", default="", metavar="FILE", help='where the log goes (default rwkv_monitor_DATE_TIME.log); "none" for none')
    p.add_argument("--rules", metavar="NAME|FILE", help="rules that judge live: thresholds (default), baseline, or a file")
    p.add_argument("--quiet", action="store_true", help="no alarms on standard error")
    p.add_argument("--log-tokens", action="store_true", help="token ids into the log")
    p.add_argument("--session-id", metavar="ID", help="instead of a random one")
    p.add_argument("--model-name", metavar="NAME", help="instead of the model file's")
    p.add_argument("--chunk-len", type=int, metavar="N", help="instead of what the script seems to use")
    p.add_argument("--fsync", choices=sorted(SYNCS), default="interval", help="when the log must have reached the disk")
    p.add_argument("--rotate-bytes", type=int, default=0, metavar="N", help="begin a new file beyond this size")
    p.add_argument("--budget", type=float, default=0.0, metavar="PCT", help="what watching may cost, in %% of the calls' time (default 1; below 0 whatever it takes)")
    p.add_argument("--listen", metavar="[ADDR:PORT]", help="/metrics for Prometheus (default 127.0.0.1:8000)")
    p.add_argument("--listen-token", metavar="TEXT", help="what who asks must send as a bearer token")
    p.add_argument("--alarm-file", metavar="FILE", help="alarms as JSON lines")
    p.add_argument("--webhook", metavar="URL", help="gets a POST per alarm")
    p.add_argument("--webhook-template", choices=["json", "slack", "feishu", "dingtalk", "wecom"], help="in the form that service takes")
    p.add_argument("--alertmanager", metavar="URL", help="gets the alarms, such as http://127.0.0.1:9093")
    p.add_argument("--lang", choices=["en", "zh"], help="language of alarm texts")
    p.add_argument("--version", action="version", version="%(prog)s " + _version())
    p.add_argument("-m", dest="module", action="store_true", help="what follows is a module's name, as in python -m")
    p.add_argument("script", help="the script")
    p.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return p


def _with_address(argv: Sequence[str]) -> List[str]:
    """--listen may stand alone: then what follows is no address."""
    out = list(argv)
    if "--listen" in out:
        at = out.index("--listen")
        if at + 1 == len(out) or not re.fullmatch(r"\S*:\d+", out[at + 1]):
            out[at] = "--listen="
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


def main(argv: Optional[List[str]] = None) -> int:
    args = _parser().parse_args(_with_address(sys.argv[1:] if argv is None else argv))
    if not args.module and not os.path.exists(args.script):
        print(f"python -m rwkvmon: {args.script}: no such file", file=sys.stderr)
        return 3
    hook.install(Options(
        log=None if args.log == "none" else args.log, rules=args.rules, alarms=not args.quiet, log_tokens=args.log_tokens,
        session_id=args.session_id, model_name=args.model_name, chunk_len=args.chunk_len, lang=args.lang, fsync=args.fsync,
        rotate_bytes=args.rotate_bytes, budget_pct=args.budget, listen=args.listen, listen_token=args.listen_token,
        alarm_file=args.alarm_file, webhook_url=args.webhook, webhook_template=args.webhook_template,
        alertmanager_url=args.alertmanager))
    _run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
