"""Load against the clock: wrk replaying a list through `wrk.lua`.

wrk is one C thread that sends prepared requests. How much of a core it used is measured each time, for it shares the
machine with what it measures. Where there is no wrk, the small client of our own stands in, so that CI can look for
errors; such a run says that the tool was the limit.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import client
from benchmarks.typist import Request, write_list

HOW_TO_GET_WRK = "wrk is not on the PATH (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)"
SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT = 10  # seconds for one answer


@dataclass
class Target:
    """A running contender, the list it is sent, and how far into the list it has come."""

    name: str
    address: str
    requests: list[Request]
    directory: Path
    token: str = "none"
    keyed: bool = False
    sent: int = 0
    runs: int = 0

    def __post_init__(self) -> None:
        self.list_file = write_list(self.requests, self.directory / f"{self.name}.list")

    def key_prefix(self) -> str:
        """What makes the keys of this run unlike those of all others: 64 characters are allowed, these are few."""
        return f"{self.name}-{time.time_ns():x}"


@dataclass
class Measurement:
    rate: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    requests: int
    seconds: float
    tool: str
    tool_cores: float
    errors: dict[str, int] = field(default_factory=dict)
    refusal: str = ""


def measure(target: Target, connections: int, seconds: int) -> Measurement:
    """Load a target for so long, going on in its list where the last measurement stopped."""
    run = with_wrk if shutil.which("wrk") else with_our_client
    measured = run(target, connections, seconds)
    target.sent += measured.requests
    target.runs += 1
    return measured


def with_wrk(target: Target, connections: int, seconds: int) -> Measurement:
    command = [
        "wrk",
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds}s",
        f"--timeout={TIMEOUT}s",
        f"--script={SCRIPT}",
        target.address,
        "--",
        str(target.list_file),
        target.token,
        str(target.sent),
        target.key_prefix() if target.keyed else "-",
    ]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    report = finished.stdout.strip().rpartition("\n")[2]
    if finished.returncode or not report.startswith("{"):
        raise RuntimeError(f"wrk failed: {finished.stdout}{finished.stderr}")
    told: dict[str, Any] = json.loads(report)
    measured = Measurement(
        rate=told["requests"] / told["seconds"],
        p50_ms=told["p50_ms"],
        p90_ms=told["p90_ms"],
        p99_ms=told["p99_ms"],
        max_ms=told["max_ms"],
        requests=told["sent"],
        seconds=told["seconds"],
        tool="wrk",
        tool_cores=told["cpu_seconds"] / told["seconds"],
        errors={kind: count for kind, count in told["errors"].items() if count},
    )
    if not told["requests"]:
        measured.errors["no answer"] = connections
    if measured.errors:
        measured.refusal = what_is_refused(target)
    return measured


def what_is_refused(target: Target) -> str:
    """wrk counts refusals without telling which: send a few more requests to see one."""
    played = client.play(target.address, prepared(target, count=200), connections=8)
    return f"{dict(played.statuses)} {played.refused}"


def prepared(target: Target, count: int | None = None, until: float | None = None) -> Iterator[bytes]:
    """The target's requests from where it is in its list, in a circle, up to a count or a moment."""
    prefix, number = target.key_prefix(), 0
    while (count is None or number < count) and (until is None or time.perf_counter() < until):
        request = target.requests[(target.sent + number) % len(target.requests)]
        key = [f"Idempotency-Key: {prefix}-{number}"] if target.keyed else []
        number += 1
        yield client.patch(request, target.token, *key)


def with_our_client(target: Target, connections: int, seconds: int) -> Measurement:
    until = time.perf_counter() + seconds
    before = time.process_time()
    played = client.play(target.address, prepared(target, until=until), connections)
    took = sorted(second * 1_000 for second in played.seconds) or [0.0]
    return Measurement(
        rate=len(played.seconds) / played.elapsed,
        p50_ms=took[len(took) // 2],
        p90_ms=took[len(took) * 90 // 100],
        p99_ms=took[len(took) * 99 // 100],
        max_ms=took[-1],
        requests=len(played.seconds),
        seconds=played.elapsed,
        tool="our client, itself the limit",
        tool_cores=(time.process_time() - before) / played.elapsed,
        errors=played.errors,
        refusal=str(played.refused or ""),
    )
