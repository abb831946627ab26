"""Reads a JSON body of any depth and with any numbers, so that its violations can be listed."""

import json as stdlib_json
import math
import re
from codecs import BOM_UTF8
from typing import NoReturn

import msgspec

from domain.events import Json
from domain.task import REQUIREMENTS_LEVELS
from service.http.problems import Problem

READABLE_LEVELS = REQUIREMENTS_LEVELS + 8
"""Levels that are kept of a body which is too deep to be read completely; more than any valid body has."""


class OutOfRange:
    """Stands for a number beyond the range of a double."""


def read_any(body: bytes) -> Json:
    """The JSON value. Raises the problem `malformed-json`."""
    if body.startswith(BOM_UTF8):
        raise Problem("malformed-json", "The body begins with a byte order mark. Send UTF-8 without one.")
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        return _with_huge_numbers(body)
    except RecursionError:
        return read_any(_without_depths(body))
    except ValueError as error:
        raise Problem("malformed-json", _json_mistake(error)) from None


def _with_huge_numbers(body: bytes) -> Json:
    """The slowest way, for numbers that msgspec refuses: they become `OutOfRange`."""

    def parse_float(text: str) -> Json:
        value = float(text)
        return value if math.isfinite(value) else OutOfRange()

    def parse_int(text: str) -> Json:
        return int(text) if len(text) < 310 else OutOfRange()

    def refuse(text: str) -> NoReturn:
        raise ValueError(text)

    try:
        text = body.decode()
        value = stdlib_json.loads(text, parse_float=parse_float, parse_int=parse_int, parse_constant=refuse)
        stdlib_json.dumps(value, default=str, ensure_ascii=False).encode()  # refuses unpaired surrogates
    except RecursionError:
        return read_any(_without_depths(body))
    except ValueError:
        raise Problem("malformed-json") from None
    return value


_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\]\[{}]', re.DOTALL)
"""Strings, brackets, and the quotation mark of a string that never ends."""

_CLOSING = {b"{": b"}", b"[": b"]"}


def _without_depths(body: bytes) -> bytes:
    """A body that is too deep to be read, without what is below `READABLE_LEVELS`."""
    closing: list[bytes] = []
    kept = []
    start = 0
    for token in _TOKENS.finditer(body):
        bracket = token[0]
        if bracket in _CLOSING:
            closing.append(_CLOSING[bracket])
            if len(closing) == READABLE_LEVELS:
                kept.append(body[start : token.end()])
        elif len(bracket) == 1:
            if not closing or closing.pop() != bracket:
                raise Problem("malformed-json")
            if len(closing) == READABLE_LEVELS - 1:
                start = token.start()
    if closing:
        raise Problem("malformed-json")
    return b"".join(kept) + body[start:]


def _json_mistake(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8."
    return f"The body is not valid JSON: {error}."
