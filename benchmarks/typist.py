"""A seeded typist: a list of (draft, PATCH body), made before anything is timed.

People type in runs, delete what they just typed, jump elsewhere and paste now and then. The rates below are between
those of the two traces in the shared folder (a jump every 5 and every 26 edits, 4 and 7 % deletions, pastes rare).
`Trace` types a recorded session instead. Both keep one promise: **every body changes its draft**, also when the list
starts over and when requests for one draft overtake each other on different connections (see `that_change`).

`python -m benchmarks.typist FILE` writes a list, one `uuid<TAB>body` a line, for looking at.
"""

import gzip
import json
import random
import string
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

DRAFTS = 256
OVERTAKING = 1_024  # farther than this no request is taken to get ahead of another
MAX_TEXT = 5_000

LETTERS = string.ascii_lowercase * 4 + " " * 20 + "eeetaoin,.é—ß"
CATEGORIES = ["design", "writing", "translation", "research", "code", "data", "music", "video"]


class Request(NamedTuple):
    draft: UUID
    field: str
    value: Any

    @property
    def body(self) -> bytes:
        return msgspec.json.encode({self.field: self.value})


class Typing(Protocol):
    """One draft's text, which changes at each `edit`."""

    text: str

    def edit(self) -> None: ...


class Typist:
    """Types at a cursor. A text that has grown to `length` is cut back, a passage at a time."""

    def __init__(self, rng: random.Random, start: int, length: int, *, keystrokes_only: bool = False) -> None:
        self.rng = rng
        self.length = length
        self.keystrokes_only = keystrokes_only
        self.text = "".join(rng.choices(LETTERS, k=start))
        self.cursor = start

    def edit(self) -> None:
        if self.keystrokes_only:
            self.keystroke()
            return
        if self.rng.random() < 0.1:
            self.cursor = self.rng.randrange(len(self.text) + 1)
        chance = self.rng.random()
        if len(self.text) >= self.length:
            self.replace(self.rng.randrange(20, 80), "")
        elif chance < 0.05:
            self.backspace()
        elif chance < 0.055:
            self.replace(self.rng.randrange(2, 20), "")
        elif chance < 0.06:
            self.replace(0, "".join(self.rng.choices(LETTERS, k=self.rng.randrange(5, 60))))
        else:
            self.replace(0, self.rng.choice(LETTERS))

    def keystroke(self) -> None:
        """Type over one character, here or sometimes elsewhere: an edit of one character that keeps the length."""
        if self.cursor >= len(self.text) or self.rng.random() < 0.06:
            self.cursor = self.rng.randrange(len(self.text))
        typed = self.rng.choice(LETTERS)
        self.replace(1, typed if typed != self.text[self.cursor] else "X")

    def backspace(self) -> None:
        self.cursor = max(0, self.cursor - 1)
        self.replace(1, "")

    def replace(self, cut: int, insert: str) -> None:
        room = MAX_TEXT - len(self.text) + cut
        insert = insert[:room]
        self.text = self.text[: self.cursor] + insert + self.text[self.cursor + cut :]
        self.cursor = min(self.cursor + len(insert), len(self.text))


class Trace:
    """Types a recorded session over and over, each time up to where the text would pass 5,000 characters."""

    def __init__(self, patches: list[tuple[int, int, str]], skip: int) -> None:
        self.patches = patches
        self.next = 0
        self.text = ""
        for _ in range(skip % len(patches)):
            self.edit()

    def edit(self) -> None:
        if self.next == len(self.patches):
            self.next, self.text = 0, ""
        at, cut, insert = self.patches[self.next]
        self.text = self.text[:at] + insert + self.text[at + cut :]
        self.next += 1


def read_trace(path: Path) -> list[tuple[int, int, str]]:
    """The patches of a file in the format of josephg/editing-traces that keep the text within 5,000 characters."""
    if not path.is_file():
        sys.exit(f"no such trace: {path} (gzipped JSON as in github.com/josephg/editing-traces)")
    recorded = json.loads(gzip.decompress(path.read_bytes()))
    patches, length = [], 0
    for at, cut, insert in (patch for txn in recorded["txns"] for patch in txn["patches"]):
        length += len(insert) - cut
        if length > MAX_TEXT:
            break
        patches.append((at, cut, insert))
    return patches


def draft_ids(count: int = DRAFTS, group: str = "main") -> list[UUID]:
    """The same ids in every run; another `group` gives other drafts."""
    rng = random.Random(f"drafts {group}")
    return [UUID(int=rng.getrandbits(128), version=4) for _ in range(count)]


class Work:
    """Which drafts are typed into, what they start with, and endless requests for them.

    The n-th draft is chosen 1/n as often as the first (Zipf), unless all are chosen `evenly`. With `keystrokes_only`,
    every request changes one character of a text whose length stays `start`; otherwise people at work, other fields
    included, on texts that grow from `start` to about `length`.
    """

    def __init__(
        self,
        drafts: list[UUID],
        *,
        seed: int = 1,
        start: int = 0,
        length: int = 400,
        trace: list[tuple[int, int, str]] | None = None,
        keystrokes_only: bool = False,
        evenly: bool = False,
    ) -> None:
        self.rng = random.Random(seed)
        self.drafts = drafts
        self.popularity = [1.0 if evenly else 1 / rank for rank in range(1, len(drafts) + 1)]
        self.keystrokes_only = keystrokes_only
        self.typing: dict[UUID, Typing] = {
            draft: Trace(trace, skip=self.rng.randrange(len(trace)))
            if trace
            else Typist(self.rng, start, length, keystrokes_only=keystrokes_only)
            for draft in drafts
        }
        self.start = [(draft, self.typing[draft].text) for draft in drafts]

    def requests(self, count: int) -> list[Request]:
        """About `count` requests, fewer by those that `that_change` leaves out.

        Raises ValueError where there are too few to be played in a circle.
        """
        if count < 2 * OVERTAKING:
            raise ValueError(f"a list of {count} requests is too short, it takes {2 * OVERTAKING}")
        chosen = self.rng.choices(self.drafts, self.popularity, k=count)
        return that_change([self.next_request(draft) for draft in chosen])

    def next_request(self, draft: UUID) -> Request:
        field = "description" if self.keystrokes_only else self.choose_field()
        if field == "description":
            self.typing[draft].edit()
            return Request(draft, field, self.typing[draft].text)
        return Request(draft, field, self.other_value(field))

    def choose_field(self) -> str:
        fields = ["description", "title", "budget_usd", "requirements", "category", "experimentation", "brand_kit_id"]
        return self.rng.choices(fields, weights=[940, 30, 10, 10, 4, 4, 2])[0]

    def other_value(self, field: str) -> Any:
        rng = self.rng
        match field:
            case "title":
                return "".join(rng.choices(LETTERS, k=rng.randrange(8, 60)))
            case "budget_usd":
                return rng.randrange(300, 30_001) / 100
            case "requirements":
                return {"words": rng.randrange(100, 5_000), "tone": rng.choice(CATEGORIES), "style": {"formal": True}}
            case "category":
                return f"{rng.choice(CATEGORIES)} {rng.randrange(100)}"
            case "experimentation":
                return rng.randrange(0, 1_001) / 1_000
            case _:
                return str(UUID(int=rng.getrandbits(128), version=4))


def that_change(requests: list[Request]) -> list[Request]:
    """Leave out what might change nothing when the list is played in a circle, over many connections at once.

    Requests less than `OVERTAKING` places apart can change places, so any of them may be what stands in the field when
    a request arrives, or else the first one farther back: a request stays if its value differs from all of those.
    128 connections change places over a few hundred; a list has to be longer than twice `OVERTAKING`.
    """
    while True:
        kept = [r for r, changes in zip(requests, _changing(requests), strict=True) if changes]
        if len(kept) == len(requests):
            return kept
        requests = kept


def _changing(requests: list[Request]) -> Iterator[bool]:
    count = len(requests)
    places: defaultdict[tuple[UUID, str], list[int]] = defaultdict(list)
    for place, request in enumerate(requests):
        places[request.draft, request.field].append(place)
    changes = [True] * count
    for same_field in places.values():
        for turn, place in enumerate(same_field):
            value = requests[place].value
            for back in range(1, len(same_field) + 1):
                earlier = same_field[turn - back]
                distance = (place - earlier) % count or count
                # What is left out already cannot be the reason to leave out another one.
                if requests[earlier].value == value and (changes[earlier] or earlier == place):
                    changes[place] = False
                    break
                if distance >= OVERTAKING:
                    break
    return iter(changes)


def write_list(requests: list[Request], path: Path) -> Path:
    """One `uuid<TAB>body` a line: what `wrk.lua` reads."""
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%s\t%s\n" % (str(request.draft).encode(), request.body))
    return path


if __name__ == "__main__":
    write_list(Work(draft_ids()).requests(20_000), Path(sys.argv[1]))
