"""The difference between two states of a task, and between two texts, code point by code point.

Texts are compared word by word first, anchored at the words that both have once (patience diff), so that the
time grows little faster than the texts; what is left between the anchors is compared character by character.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

import msgspec

from domain import json_values as json
from domain.events import Json
from domain.task import FIELDS, TEXT_FIELDS, Task
from domain.text import find_edit

Op = Literal["equal", "insert", "delete"]
Piece = tuple[Op, str]

_EQUAL: tuple[Op, ...] = ("equal",)
_CHANGES: tuple[Op, ...] = ("delete", "insert")

COMPARED = (*FIELDS, "transcript", "attachments", "status", "compute_budget")
"""What a difference may name, in this order."""

TEXTS = TEXT_FIELDS | {"transcript"}
"""What is compared piece by piece."""

_CHARACTERS = 40_000
"""Pairs of characters, left between anchors, up to which they are compared one by one."""

_LEVELS = 32
"""Times that a stretch between anchors is anchored again; a text made for it could continue without end."""

# A word with the blanks after it; of scripts that are written without blanks, one character.
_TOKENS = re.compile(r"[^\W\u0e00-\u0eff\u2e80-\U0003ffff]+\s*|\s+|.", re.DOTALL)


class Segment(msgspec.Struct, frozen=True):
    """A piece of text that both sides have, or only the one before, or only the one after."""

    op: Op
    text: str


class FieldDifference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field that differs, with its value on both sides; of a text also the pieces."""

    field: str
    before: Json
    after: Json
    segments: list[Segment] | None = None


def diff(before: Task, after: Task) -> list[FieldDifference]:
    """The fields in which two states differ, in the order of `COMPARED`."""
    found = []
    for field in COMPARED:
        old, new = getattr(before, field), getattr(after, field)
        if not json.equal(_plain(old), _plain(new)):
            segments = text_diff(old, new) if field in TEXTS else None
            found.append(FieldDifference(field, old, new, segments))
    return found


def _plain(value: Json) -> Json:
    return list(value) if isinstance(value, tuple) else value


def text_diff(old: str, new: str) -> list[Segment]:
    """The pieces in order: those not inserted join to `old`, those not deleted to `new`; no two alike adjoin."""
    return [Segment(op, text) for op, text in _joined(_compared(old, new))]


def _compared(old: str, new: str, level: int = 0) -> Iterator[Piece]:
    """The pieces of two texts; what they have in common at both ends first."""
    edit = find_edit(old, new)
    end = edit.at + edit.cut
    yield "equal", old[: edit.at]
    yield from _middle(old[edit.at : end], edit.insert, level)
    yield "equal", old[end:]


def _middle(old: str, new: str, level: int) -> Iterator[Piece]:
    anchors = _anchors(old, new) if old and new and level < _LEVELS else []
    if not anchors:
        yield from _characters(old, new)
        return
    old_end = new_end = 0
    for old_start, new_start, length in anchors:
        yield from _compared(old[old_end:old_start], new[new_end:new_start], level + 1)
        old_end, new_end = old_start + length, new_start + length
        yield "equal", old[old_start:old_end]
    yield from _compared(old[old_end:], new[new_end:], level + 1)


def _characters(old: str, new: str) -> Iterator[Piece]:
    if 0 < len(old) * len(new) <= _CHARACTERS:
        for op, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if op == "equal":
                yield "equal", old[i:j]
            else:
                yield "delete", old[i:j]
                yield "insert", new[k:m]
    else:
        yield "delete", old
        yield "insert", new


def _anchors(old: str, new: str) -> list[tuple[int, int, int]]:
    """The words that stand once on both sides, as many as keep their order: where in old, where in new, length."""
    old_places, new_places = _unique(old), _unique(new)
    common = [(at, new_places[word], len(word)) for word, at in old_places.items() if word in new_places]
    return [common[index] for index in longest_increasing([place for _, place, _ in common])]


def _unique(text: str) -> dict[str, int]:
    """The words that occur once, with their places, in order."""
    words = [(match[0], match.start()) for match in _TOKENS.finditer(text)]
    count = Counter(word for word, _ in words)
    return {word: at for word, at in words if count[word] == 1}


def longest_increasing(values: Sequence[int]) -> list[int]:
    """The indices of a longest increasing subsequence, in order (patience sorting)."""
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        pile = bisect_left(tops, value)
        tops[pile : pile + 1] = [value]
        piles[pile : pile + 1] = [index]
        before.append(piles[pile - 1] if pile else -1)
    chosen = []
    index = piles[-1] if piles else -1
    while index >= 0:
        chosen.append(index)
        index = before[index]
    return chosen[::-1]


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces without empty ones; of a stretch between equal ones first what goes, then what comes."""
    for equal, run in groupby((piece for piece in pieces if piece[1]), lambda piece: piece[0] == "equal"):
        stretch = list(run)
        for op in _EQUAL if equal else _CHANGES:
            if text := "".join(text for kind, text in stretch if kind == op):
                yield op, text
