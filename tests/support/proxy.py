"""A proxy between a page and the service that treats requests and answers as bad networks do."""

import http.client
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Request:
    """What came from the page."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What goes back to the page; `None` in its place closes the connection."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    cut: bool = False
    """Whether the connection breaks in the middle of the body."""


Treatment = Callable[[Request, Callable[[], Answer]], Answer | None]


def faithful(request: Request, forward: Callable[[], Answer]) -> Answer | None:
    """As if there were no proxy."""
    return forward()


def unreachable(request: Request, forward: Callable[[], Answer]) -> Answer | None:
    """No network."""
    return None


def refusing(status: int, media_type: str = "text/html", **headers: str) -> Treatment:
    """Every changing request is answered with this status by somebody who is not the application."""
    body = b'{"ok": true}' if "json" in media_type else b"<h1>no</h1>"

    def treat(request: Request, forward: Callable[[], Answer]) -> Answer | None:
        if request.method == "GET":
            return forward()
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return Answer(status, [("Content-Type", media_type), *named], body)

    return treat


class Slow:
    """Lets every autosave take its time, and counts how many are under way at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._under_way = 0
        self.most = 0
        self.statuses: list[int] = []

    def __call__(self, request: Request, forward: Callable[[], Answer]) -> Answer | None:
        if request.method != "PATCH":
            return forward()
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        time.sleep(self._seconds)
        answer = forward()
        with self._lock:
            self._under_way -= 1
            self.statuses.append(answer.status)
        return answer


class Chaos:
    """Drops, delays, doubles and reorders changing requests and their answers; seeded, and counts what it did."""

    def __init__(self, seed: int, share: float) -> None:
        self._random = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._under_way = 0
        self.most = 0
        """How many changing requests the page had under way at once."""
        self.done: dict[str, int] = {}

    def __call__(self, request: Request, forward: Callable[[], Answer]) -> Answer | None:
        changing = request.method != "GET"
        with self._lock:
            self._under_way += changing
            self.most = max(self.most, self._under_way)
        try:
            return self._treat(forward)
        finally:
            with self._lock:
                self._under_way -= changing

    def _treat(self, forward: Callable[[], Answer]) -> Answer | None:
        with self._lock:
            harm = self._random.random() < self._share
            kind = self._random.choice(("lost", "unheard", "late", "slow", "twice", "cut", "refused"))
            delay = self._random.uniform(0.05, 0.6)
            if not harm:
                kind = "none"
            self.done[kind] = self.done.get(kind, 0) + 1
        match kind:
            case "lost":
                return None
            case "unheard":
                forward()
                return None
            case "late":
                # The page believes it lost, tries again, and then the old one arrives after all.
                _later(delay + 0.6, forward)
                return None
            case "slow":
                time.sleep(delay)
                answer = forward()
                time.sleep(delay)
                return answer
            case "twice":
                answer = forward()
                _later(delay, forward)
                return answer
            case "cut":
                answer = forward()
                answer.cut = len(answer.body) > 1
                return answer
            case "refused":
                return Answer(503, [("Content-Type", "text/html"), ("Retry-After", "0")], b"<h1>busy</h1>")
        return forward()


def _later(delay: float, forward: Callable[[], Answer]) -> None:
    def arrive() -> None:
        with suppress(OSError):  # the test may be over by then
            forward()

    timer = threading.Timer(delay, arrive)
    timer.daemon = True
    timer.start()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that has gone is no news."""


class Proxy:
    """Listens on a port of its own; `treatment` can be changed at any time and sees only requests to the API."""

    def __init__(self, upstream: str, treatment: Treatment = faithful) -> None:
        self.treatment = treatment
        self.seen: list[Request] = []
        self._upstream = urlsplit(upstream).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
                answer = proxy.answer(request)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
                self.close_connection = self.close_connection or answer.cut

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = _Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: Request) -> Answer | None:
        """What the page gets for this request."""
        if not request.path.startswith("/api/"):
            return self._forward(request)
        self.seen.append(request)
        return self.treatment(request, lambda: self._forward(request))

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
            connection.request(request.method, request.path, request.body or None, headers)
            response = connection.getresponse()
            kept = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
            return Answer(response.status, kept, response.read())
        finally:
            connection.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
