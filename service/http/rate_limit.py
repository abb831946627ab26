"""Rate limits (docs/api.md, Rate limits): requests a minute of a user, or of an address without a token.

All processes of the machine count in one table, a file that each of them maps into memory. It needs no lock: every
process has cells of its own that it alone writes, and reads those of the others. The only error is what two of them
admit in the same microsecond, at most one request a process.

A minute begins with a user's first request, and ends sixty seconds later for all three kinds of requests.

The table has fixed size and is filled by open addressing. A row holds, as numbers of 64 bits: the key in two halves,
the second when its minute began, and a cell for each process, the three counts and the lowest bits of that second in
one number, so that a cell is always read whole and never taken for one of this minute when it is of an earlier one.
"""

import mmap
import os
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from uuid import UUID

from service.http.headers import Header

MINUTE = 60
"""Seconds that a count lasts."""

ALL, CREATING, AUTOSAVE = 0, 1, 2
LIMITS = (300, 60, 1200)
"""Requests a minute: all, those among them that create a task, and autosaves, which count by themselves."""

ROWS = 1 << 14
"""Users whose minutes can be counted at once; beyond that the oldest minute is forgotten early."""

PROBES = 8
"""Rows in which a key may stand."""

_HALF = (1 << 64) - 1
_BITS = 12
_COUNT = (1 << _BITS) - 1
_SECOND_BITS = 64 - 3 * _BITS
_SECOND = (1 << _SECOND_BITS) - 1
_HIGH, _LOW, _BEGAN, _CELLS = range(4)


class Allowance:
    """What is left of a limit. `reset` is in seconds from now."""

    __slots__ = ("allowed", "limit", "remaining", "reset")

    def __init__(self, allowed: bool, limit: int, remaining: int, reset: int) -> None:
        self.allowed = allowed
        self.limit = limit
        self.remaining = remaining
        self.reset = reset

    @property
    def headers(self) -> list[Header]:
        """The headers of every response that counted."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class RateLimit:
    """The table as one process sees it: in a file that all processes map, process `number` of `cells`, or its own."""

    def __init__(self, file: Path | None = None, number: int = 0, cells: int = 1, rows: int = ROWS) -> None:
        self._rows = rows
        self._width = _CELLS + cells
        self._own = _CELLS + number
        self._table = _mapped(file, rows * self._width * 8).cast("Q")

    def take(self, key: int, kind: int, now: int) -> Allowance:
        """Count a request of a kind, unless it is one too many. `key` has 128 bits, `now` is in seconds since 1970."""
        table, own = self._table, self._own
        row = self._row(key, now)
        began = table[row + _BEGAN]
        second = began & _SECOND
        taken = created = 0
        shift = _SECOND_BITS + 2 * _BITS if kind == AUTOSAVE else _SECOND_BITS
        for index in range(row + _CELLS, row + self._width):
            cell = table[index]
            if cell & _SECOND == second:
                taken += cell >> shift & _COUNT
                created += cell >> _SECOND_BITS + _BITS & _COUNT
        limit = LIMITS[kind & AUTOSAVE]
        left = limit - taken
        step = 1 << shift
        if kind == CREATING:
            step += 1 << _SECOND_BITS + _BITS
            if LIMITS[CREATING] - created < left:
                limit, left = LIMITS[CREATING], LIMITS[CREATING] - created
        if left > 0:
            mine = table[row + own]
            table[row + own] = (mine if mine & _SECOND == second else second) + step
        return Allowance(left > 0, limit, max(left - 1, 0), began + MINUTE - now)

    def _row(self, key: int, now: int) -> int:
        """Where the key's row begins, with a minute that `now` lies in."""
        table, width = self._table, self._width
        high, low = key >> 64, key & _HALF
        first = (high ^ low) % self._rows
        oldest = first * width
        for probe in range(PROBES):
            row = (first + probe) % self._rows * width
            began = table[row + _BEGAN]
            if table[row + _LOW] == low and table[row + _HIGH] == high:
                if not began <= now < began + MINUTE:
                    table[row + _BEGAN] = now
                return row
            if began < table[oldest + _BEGAN]:
                oldest = row
        for cell in range(width):
            table[oldest + cell] = 0
        table[oldest + _HIGH], table[oldest + _LOW], table[oldest + _BEGAN] = high, low, now
        return oldest


def key_of_user(user_id: UUID) -> int:
    """The key that a user's requests are counted under."""
    return user_id.int


@lru_cache(maxsize=4096)
def key_of_address(address: str) -> int:
    """The key for an address; of IPv6 for its /64, which is one subscriber's network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        packed = address.encode()
    else:
        packed = parsed.packed[:8] if isinstance(parsed, IPv6Address) else parsed.packed
    return int.from_bytes(blake2b(packed, digest_size=16).digest())


def _mapped(path: Path | None, size: int) -> memoryview:
    if path is None:
        return memoryview(mmap.mmap(-1, size))
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, size)
        return memoryview(mmap.mmap(fd, size))
    finally:
        os.close(fd)
