"""Many connections at once, from one thread: each sends autosaves as fast as they are answered."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

from tests.support.harness import Server


@dataclass
class Figures:
    """What a crowd met with; latencies in seconds, of what was accepted and of what was shed."""

    answers: Counter[int] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)
    broken: int = 0
    without_retry_after: int = 0

    @property
    def offered(self) -> int:
        return self.answers.total() + self.broken

    def quantile(self, share: float, since: int = 0) -> float:
        """A quantile of the accepted ones' latencies, of those from number `since` on."""
        ordered = sorted(self.accepted[since:])
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    def __str__(self) -> str:
        shed = sorted(self.shed) or [0.0]
        return (
            f"offered {self.offered}, answers {dict(self.answers)}, broken {self.broken}, accepted: "
            f"p50 {self.quantile(0.5) * 1000:.0f} ms, p99 {self.quantile(0.99) * 1000:.0f} ms, "
            f"max {self.quantile(1) * 1000:.0f} ms; shed: max {shed[-1] * 1000:.0f} ms"
        )


async def crowd(server: Server, connections: int, seconds: float, pause: float = 0.0) -> Figures:
    """Autosaves over so many connections, each into a draft of its own, pausing after each answer."""
    figures = Figures()
    with server.client() as client:
        token = client.headers["authorization"]
        drafts = [client.new_draft() for _ in range(min(connections, 200))]
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(
            _one(server.port, token, drafts[number % len(drafts)], until, pause, figures)
            for number in range(connections)
        )
    )
    return figures


async def _one(port: int, token: str, task_id: str, until: float, pause: float, figures: Figures) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.monotonic() < until:
            begun = time.monotonic()
            status, headers = await _save(reader, writer, token, task_id)
            took = time.monotonic() - begun
            figures.answers[status] += 1
            (figures.accepted if status == 200 else figures.shed).append(took)
            figures.without_retry_after += status == 503 and b"retry-after" not in headers
            await asyncio.sleep(pause if status == 200 else max(pause, 1.0))  # as Retry-After asks
    except (OSError, asyncio.IncompleteReadError):
        figures.broken += 1
    finally:
        writer.close()


async def _save(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, task_id: str
) -> tuple[int, bytes]:
    body = f'{{"title": "{uuid4()}"}}'.encode()
    head = (
        f"PATCH /api/v1/tasks/{task_id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    headers = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(headers.partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(headers[9:12]), headers
