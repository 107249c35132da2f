"""On a terminal, long reading says how far it has come, how fast and how long it will take; then the line is gone.

    progress_check.py RWKVMON COMMAND ARGUMENT..."""
import os
import pty
import re
import subprocess
import sys

terminal, theirs = pty.openpty()
done = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=theirs)
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
text = said.decode()
if done.wait() or not re.search(r"reading [█░]+ +\d+ %  \d+ MB/s, \d+ s left", text) or not text.endswith("\r\x1b[K"):
    sys.exit("exit code %d; on the terminal: %r" % (done.returncode, text[:400]))
