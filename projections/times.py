"""Times: microseconds since 1970 in UTC inside, RFC 3339 text outside."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from domain.task import MICROSECONDS

Clock = Callable[[], int]
"""Microseconds since 1970, UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(microseconds: int) -> str:
    """A time in microseconds since 1970 as RFC 3339 text in UTC, always with six decimals."""
    seconds, fraction = divmod(microseconds, MICROSECONDS)
    return f"{_whole_seconds(seconds)}.{fraction:06}Z"


@lru_cache(maxsize=256)
def _whole_seconds(seconds: int) -> str:
    """Neighbouring events share it; formatting a datetime is most of what an envelope costs."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:-6]


def moment_of(microseconds: int) -> datetime:
    """A time in microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def parse_rfc3339(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 date-time; ValueError for anything else, or without an offset."""
    moment = msgspec.convert(text, datetime)
    if moment.tzinfo is None:
        raise ValueError("an offset or Z is needed")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def system_clock() -> int:
    """The time of the machine's clock."""
    return time.time_ns() // 1000
