"""An HTTP server on the loopback that behaves, and misbehaves, as a test asks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    server: Endpoint

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.body: dict[str, Any] = json.loads(self.rfile.read(size))
        self.server.requests.append((self.path, dict(self.headers), self.body))
        reply = self.server.replies.pop(0) if self.server.replies else self.server.default
        try:
            reply(self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.disconnected.set()
        self.close_connection = True

    def refuse(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def send(self, chunk: Any) -> None:
        self.send_raw(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())

    def send_raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class Endpoint(ThreadingHTTPServer):
    """`replies` are used up one a request, then `default` answers."""

    def __init__(self, default: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.default = default
        self.replies: list[Reply] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.disconnected = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def endpoint(default: Reply) -> Iterator[Endpoint]:
    """A running endpoint."""
    server = Endpoint(default)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def delta(content: str | None = None, *, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    part = {**({} if content is None else {"content": content}), **more}
    return {"choices": [{"index": 0, "delta": part, "finish_reason": reason}]}


def usage(prompt: int, completion: int, cached: int = 0) -> dict[str, Any]:
    """The chunk that ends a stream."""
    details = {"cached_tokens": cached}
    return {
        "choices": [],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "prompt_tokens_details": details,
        },
    }


def model_of_words(context_tokens: int) -> Reply:
    """Answers with numbered words, as a real endpoint would: limits, stops, usage."""

    def reply(exchange: Exchange) -> None:
        body = exchange.body
        prompt = sum(1 + len(message["content"].split()) for message in body["messages"])
        if prompt > context_tokens:
            message = f"This model's maximum context length is {context_tokens} tokens, not {prompt}."
            return exchange.refuse(400, json.dumps({"error": {"message": message}}))
        exchange.begin()
        sent, reason = 0, "length"
        for sent in range(1, body["max_tokens"] + 1):
            word = f" word{sent}"
            if any(stop in word for stop in body.get("stop", ())):
                exchange.send(delta(" "))
                reason = "stop"
                break
            exchange.send(delta(word))
            if body["max_tokens"] > 1000:
                time.sleep(0.001)
        exchange.send(delta(reason=reason))
        exchange.send(usage(prompt, sent))
        return exchange.send_raw(b"data: [DONE]\n\n")

    return reply
