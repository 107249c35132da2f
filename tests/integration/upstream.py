#!/usr/bin/env python3
"""A stand-in for an OpenAI-compatible server: speaks the protocol, and misbehaves when the request says so.

    upstream.py PORT_FILE SEEN_FILE [CERTIFICATE KEY]

A request's "model" is what it does, its "tokens" how many tokens come and "pause_ms" how far apart. What arrived (method, target,
headers, body) is a line of SEEN_FILE; what became of a stream another: {"ended": MODEL, "sent": N}."""
import asyncio
import gzip
import json
import socket
import ssl
import struct
import sys

port_file, seen_file = sys.argv[1:3]
LENGTHS = {"endless": "99999999999999999999", "negative": "-5", "wordy": "many", "two": "11\r\nContent-Length: 1000"}
REASONS = {200: "OK", 404: "Not Found", 500: "Internal Server Error"}
seen = open(seen_file, "a", buffering=1, encoding="utf-8")


def say(what):
    seen.write(json.dumps(what) + "\n")


def logprobs(i):
    """Four tokens of a quarter each, exactly: surprisal and entropy are ln 4."""
    quarter = -1.3862943611198906
    return {"token": f"t{i}", "logprob": quarter,
            "top_logprobs": [{"token": f"x{k}", "logprob": quarter} for k in range(4)]}


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        try:
            self.json = json.loads(body) if body else {}
        except ValueError:
            self.json = {}
        self.model = self.json.get("model", "")
        self.tokens = self.json.get("tokens", 5)
        self.pause = self.json.get("pause_ms", 1) / 1000
        self.text_kind = "chat" not in target


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = [tuple(line.split(":", 1)) for line in lines if ":" in line]
    headers = [(name, value.strip()) for name, value in headers]
    length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
    return Request(method, target, headers, await reader.readexactly(length) if length else b"")


def head(status, headers, length=None):
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *headers]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(value):
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def usage(q, n):
    return {"prompt_tokens": 7, "completion_tokens": n, "total_tokens": 7 + n}


def piece(q, i, finish=None):
    text = f"tok{i} " if finish is None else ""
    choice = {"index": 0, "finish_reason": finish}
    if q.text_kind:
        choice["text"] = text
        if q.json.get("logprobs") and finish is None:
            one = logprobs(i)
            choice["logprobs"] = {"tokens": [one["token"]], "token_logprobs": [one["logprob"]],
                                  "top_logprobs": [{t["token"]: t["logprob"] for t in one["top_logprobs"]}]}
    else:
        choice["delta"] = {"content": text} if finish is None else {}
        if q.json.get("logprobs") and finish is None:
            choice["logprobs"] = {"content": [logprobs(i)]}
    return {"id": "cmpl-1", "model": q.model, "choices": [choice]}


async def stream(q, writer):
    sent = 0
    try:
        writer.write(head(200, ["Content-Type: text/event-stream", "Keep-Alive: timeout=5", "X-Kept: yes",
                                "Connection: keep-alive, X-Hop", "X-Hop: no", "Server: stand-in"]))
        if not q.text_kind:
            writer.write(chunk(event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})))
        for i in range(q.tokens):
            await asyncio.sleep(q.pause)
            if q.model == "dies" and i == 2:
                writer.transport.abort()
                return
            if q.model == "error" and i == 2:
                writer.write(chunk(event({"error": {"message": "the model fell over", "code": 500}})))
                break
            filler = b": " + b"x" * q.json.get("filler", 0) + b"\n\n" if q.json.get("filler") else b""
            writer.write(chunk(filler + event(piece(q, i))))
            await writer.drain()
            sent += 1
        if q.model == "long-event":
            writer.write(chunk(b"data: " + b"[" * 3000000 + b"\n\n"))
        if q.model == "garbage":
            writer.write(chunk(b"data: {\"choices\":[{\"delta\":{\"content\":\n\ndata: \xff\x00}}]]\n\n\ndata:\n\n"))
        writer.write(chunk(event(piece(q, 0, "length" if q.model == "length" else "stop"))))
        if (q.json.get("stream_options") or {}).get("include_usage"):
            writer.write(chunk(event({"choices": [], "usage": usage(q, q.tokens)})))
        if q.model == "lingers":  # says its end, and then takes its time to end the answer
            writer.write(chunk(event(b"[DONE]")) if q.json.get("done", True) else b"")
            await asyncio.sleep(600)
        writer.write(chunk(event(b"[DONE]")) + b"0\r\n\r\n")
        await writer.drain()
    finally:
        say({"ended": q.model, "sent": sent})


async def whole(q, writer):
    await asyncio.sleep(q.pause)
    if q.model == "silent":
        await asyncio.sleep(60)
    if q.model == "mute":
        return False
    if q.model == "resets":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False
    if q.model == "junk":
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n" * 10)
        return False
    if q.model == "headers":
        writer.write(head(200, [f"X-{i}: " + "y" * 1000 for i in range(100)], 0))
        return True
    if q.model == "short":
        writer.write(head(200, ["Content-Type: application/json"], 1000) + b'{"choices":')
        return False
    if q.model in LENGTHS:
        writer.write(head(200, ["Content-Type: application/json"], LENGTHS[q.model]) + b'{"choices":')
        return False
    status = 500 if q.model == "broken" else 404 if q.target.startswith("/none") else 200
    body = {"error": {"message": "no such thing", "type": "x"}} if status != 200 else piece(q, 0, "stop")
    if status == 200:
        body["choices"][0]["message" if not q.text_kind else "text"] = {"content": "hello"} if not q.text_kind else "hello"
        body["usage"] = usage(q, q.tokens)
    data = json.dumps(body, indent=1).encode()
    if q.model == "gzip":
        data = gzip.compress(data)
        writer.write(head(status, ["Content-Type: application/json", "Content-Encoding: gzip"], len(data)) + data)
        return True
    if q.method == "HEAD":
        writer.write(head(status, ["Content-Type: application/json"], len(data)))
        return True
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" if q.model == "continue" else b"")
    writer.write(head(status, ["Content-Type: application/json", "X-Twice: a", "X-Twice: b"], len(data)) + data)
    return True


async def serve(reader, writer):
    try:
        while True:
            q = await read_request(reader)
            say({"method": q.method, "target": q.target, "headers": q.headers, "body": q.body.decode("latin-1")})
            if q.json.get("stream"):
                await stream(q, writer)
            elif not await whole(q, writer):
                break
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def main():
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1 << 20)
    with open(port_file + ".part", "w", encoding="utf-8") as f:
        f.write(str(server.sockets[0].getsockname()[1]))
    import os
    os.rename(port_file + ".part", port_file)
    async with server:
        await server.serve_forever()


asyncio.run(main())
