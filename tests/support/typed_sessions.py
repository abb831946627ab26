"""Edits as people make them: recorded ones, and seeded ones where there is no recording."""

import gzip
import json
import os
import random
from pathlib import Path
from typing import NamedTuple

LONGEST = 5_000
"""Code points that a description holds."""

FAMILY = "👩\u200d👩\u200d👧"
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "🦊",
    "jumps",
    "שלום",
    "עולם",
    "مرحبا",
    "—",
    "naïve",
    "café",
    FAMILY,
    "日本語",
    "and",
    "\n",
]


class Edit(NamedTuple):
    """In code points of the text before."""

    at: int
    cut: int
    insert: str

    def apply(self, text: str) -> str:
        return text[: self.at] + self.insert + text[self.at + self.cut :]


def traces_folder() -> Path:
    """Where recordings are looked for."""
    default = Path(__file__).parents[2].parent / "shared" / "traces"
    return Path(os.environ.get("PALIMPSEST_TRACES", default))


def recorded(path: Path, limit: int | None = None) -> list[Edit]:
    """The edits of a recording, up to the one that would make the text too long for a description."""
    edits: list[Edit] = []
    text = ""
    for transaction in json.loads(gzip.decompress(path.read_bytes()))["txns"]:
        for at, cut, insert in transaction["patches"]:
            edit = Edit(at, cut, insert)
            text = edit.apply(text)
            if len(text) > LONGEST or len(edits) == limit:
                return edits
            edits.append(edit)
    return edits


def invented(seed: int, count: int) -> list[Edit]:
    """Typing with corrections and jumps, in several scripts.

    No edit goes into the middle of what is one sign to the eye: a keyboard cannot.
    """
    chance = random.Random(seed)
    edits: list[Edit] = []
    text = ""
    cursor = 0
    while len(edits) < count:
        word = chance.choice(WORDS)
        if chance.random() < 0.2:
            cursor = chance.choice([0, *(at + 1 for at, sign in enumerate(text) if sign == " ")])
        for sign in [word, " "] if word == FAMILY else f"{word} ":
            edits.append(Edit(cursor, 0, sign))
            text = edits[-1].apply(text)
            cursor += len(sign)
        cut = chance.randint(1, 4)
        if chance.random() < 0.3 and cut <= cursor and text[cursor - cut : cursor].isascii():
            edits.append(Edit(cursor - cut, cut, ""))
            text = edits[-1].apply(text)
            cursor -= cut
    return [edit for edit, after in zip(edits, texts(edits)[1:], strict=True) if len(after) <= LONGEST][:count]


def texts(edits: list[Edit]) -> list[str]:
    """The text before the first edit and after each."""
    states = [""]
    for edit in edits:
        states.append(edit.apply(states[-1]))
    return states


def replayed(history: list[dict[str, object]], field: str = "description") -> dict[int, str]:
    """The field's text at every version, from the events alone."""
    text = ""
    versions: dict[int, str] = {}
    for event in history:
        data = event["data"]
        assert isinstance(data, dict)
        if event["type"] == "DraftFieldChanged" and data["field"] == field:
            edit = data["edit"]
            text = Edit(edit["at"], edit["cut"], edit["insert"]).apply(text)
        assert isinstance(event["version"], int)
        versions[event["version"]] = text
    return versions
