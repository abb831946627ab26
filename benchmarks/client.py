"""A small HTTP client that sends exactly the requests it is given, over many keep-alive connections.

For preparing drafts and for counting bytes, where it matters that each request is sent once and answered.
Against the clock, use wrk: this one takes as much of a core as a fast server does.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import uvloop

from benchmarks.typist import Request

LIMIT = 600  # seconds for all the requests of one call


def raw(method: str, path: str, token: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        f"Content-Length: {len(body)}",
        *(["Content-Type: application/json"] if body else []),
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def patch(request: Request, token: str, *headers: str) -> bytes:
    return raw("PATCH", f"/api/v1/tasks/{request.draft}", token, request.body, *headers)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Played:
    """What came back: how often each status, how long each answer took, and one answer that was not a 2xx."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    refused: Answer | None = None
    last: Answer | None = None
    elapsed: float = 0.0

    @property
    def errors(self) -> dict[str, int]:
        return {str(status): count for status, count in self.statuses.items() if not 200 <= status < 300}

    def check(self) -> "Played":
        if self.errors:
            raise RuntimeError(f"refused: {self.errors}; one of them: {self.refused}")
        return self


class Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is complete. Only answers with a Content-Length."""

    def __init__(self, requests: Iterator[bytes], played: Played) -> None:
        self.requests = requests
        self.played = played
        self.buffer = b""
        self.waiting = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = next(self.requests, None)
        self.waiting = request is not None
        if request is None:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if len(body) < int(headers.get("content-length", 0)):
            return
        self.buffer = b""
        self.record(Answer(int(status.split()[1]), headers, body))
        self.send()

    def record(self, answer: Answer) -> None:
        played = self.played
        played.statuses[answer.status] += 1
        played.seconds.append(time.perf_counter() - self.sent_at)
        played.last = answer
        if not 200 <= answer.status < 300:
            played.refused = answer

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting:
            self.played.statuses[0] += 1  # no answer at all
        self.done.set_result(None)


def play(address: str, requests: Iterable[bytes], connections: int = 32) -> Played:
    """Send every request once, over so many connections; each takes the next one that nobody took."""
    shared = iter(requests)
    return play_lanes(address, [shared] * connections)


def play_in_order(address: str, requests: Iterable[Request], token: str, keys: Iterable[str] | None = None) -> Played:
    """Send the requests of a draft one after the other, as its writer's browser does; 32 drafts at a time.

    With `keys`, each request has the next of them as its Idempotency-Key.
    """
    lanes: defaultdict[int, list[bytes]] = defaultdict(list)
    key = iter(keys) if keys else None
    for request in requests:
        headers = [f"Idempotency-Key: {next(key)}"] if key else []
        lanes[request.draft.int % 32].append(patch(request, token, *headers))
    return play_lanes(address, [iter(lane) for lane in lanes.values()])


def play_lanes(address: str, lanes: list[Iterator[bytes]]) -> Played:
    """A connection for each lane."""

    async def run() -> Played:
        played = Played()
        host, _, port = urlsplit(address).netloc.partition(":")
        loop = asyncio.get_running_loop()
        opened = [loop.create_connection(partial(Connection, lane, played), host, int(port)) for lane in lanes]
        started = time.perf_counter()
        async with asyncio.timeout(LIMIT):
            pairs = await asyncio.gather(*opened)
            await asyncio.gather(*(connection.done for _, connection in pairs))
        played.elapsed = time.perf_counter() - started
        return played

    return uvloop.run(run())


def ask(address: str, method: str, path: str, token: str, body: bytes = b"") -> tuple[Answer, float]:
    """One request on a connection of its own; its answer and how many seconds it took."""
    played = play(address, [raw(method, path, token, body)], connections=1).check()
    assert played.last is not None
    return played.last, played.seconds[0]
