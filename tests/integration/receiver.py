#!/usr/bin/env python3
"""A receiver of HTTP posts for the tests: writes each body as a line, and misbehaves when told to.

    receiver.py OUT_FILE PORT_FILE

The path says how it behaves: /ok, /code0, /code1 (200 with {"code":N}), /err0, /garbage, /fail (500), /gone (404),
/gate (503 until a file `gate` is there), /slow (answers after 30 s), /flood (an endless answer), /limit (429 the first time),
/busy-CODE (200 and that errcode or code the first time, as services do that are asked too often)."""
import http.server
import json
import os
import sys
import threading
import time

out, port_file = sys.argv[1], sys.argv[2]
lock = threading.Lock()
seen = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"ok"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock, open(out, "a", encoding="utf-8") as f:
            f.write(json.dumps({"path": self.path, "type": self.headers["Content-Type"], "body": json.loads(body)}) + "\n")
        what = self.path.split("?")[0].rstrip("/").split("/")[-1]
        if what == "slow":
            time.sleep(30)
        elif what == "flood":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
            self.close_connection = True
            return
        elif what == "gate":
            self.answer(200 if os.path.exists("gate") else 503)
            return
        elif what == "limit" or what.startswith("busy-"):
            self.limited(what)
            return
        self.answer({"fail": 500, "gone": 404}.get(what, 200),
                    {"code0": b'{"code": 0, "msg": "ok"}', "code1": b'{"code":19001,"msg":"no"}',
                     "err0": b'{"errcode":0,"errmsg":"ok"}', "garbage": b"\x00\xff<html>"}.get(what, b"ok"))

    def limited(self, what):
        with lock:
            first = what not in seen
            seen.add(what)
        code = int(what.split("-")[1]) if "-" in what else 0
        said = {"errcode": code, "errmsg": "too fast", "code": code, "msg": "too fast"} if first else {"errcode": 0, "code": 0}
        self.answer(429 if first and what == "limit" else 200, json.dumps(said).encode())

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
server.handle_error = lambda *args: None  # those who go away before they are answered are part of the tests
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
