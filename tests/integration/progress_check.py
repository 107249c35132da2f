"""On a terminal, long reading says how far it has come, how fast and how long it will take; then the line is gone. A terminal without
escape sequences is sent none.

    progress_check.py RWKVMON COMMAND ARGUMENT..."""
import os
import pty
import re
import subprocess
import sys


def shown(term):
    terminal, theirs = pty.openpty()
    done = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=theirs, env=dict(os.environ, TERM=term))
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        said += part
    if done.wait():
        sys.exit("exit code %d; on the terminal: %r" % (done.returncode, said[:400]))
    return said.decode()


text = shown("xterm")
if not re.search(r"reading [█░]+ +\d+ %  \d+ MB/s, \d+ s left", text) or not text.endswith("\r\x1b[K"):
    sys.exit("on the terminal: %r" % text[:400])
text = shown("dumb")
if "\x1b" in text:
    sys.exit("on a terminal without escape sequences: %r" % text[:400])
