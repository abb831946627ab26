"""Blame: which event brought each character of the description, found by following the splices."""

from collections.abc import Iterable
from itertools import groupby

import msgspec

from domain.events import Actor, DraftFieldChanged, Recorded
from domain.text import apply_edit
from projections.times import rfc3339


class BlamedSegment(msgspec.Struct, frozen=True):
    """A piece of the text that one event brought, and that nothing split or removed since."""

    text: str
    version: int
    actor: Actor
    occurred_at: str


class Blame:
    """The description as its events make it, each code point with the version that brought it."""

    def __init__(self) -> None:
        self._text = ""
        self._origins: list[int] = []
        self._events: dict[int, tuple[Actor, int]] = {}

    def apply(self, event: Recorded) -> None:
        """One more event of the task; those that do not touch the description change nothing."""
        data = event.data
        if not isinstance(data, DraftFieldChanged) or data.field != "description" or data.edit is None:
            return
        edit = data.edit
        version = event.originator_version
        self._text = apply_edit(self._text, edit)
        self._origins[edit.at : edit.at + edit.cut] = [version] * len(edit.insert)
        self._events[version] = event.actor, event.occurred_at

    def segments(self) -> list[BlamedSegment]:
        """The text in its order, cut where two neighbours come from different events."""
        found = []
        start = 0
        for version, run in groupby(self._origins):
            end = start + sum(1 for _ in run)
            actor, at = self._events[version]
            found.append(BlamedSegment(self._text[start:end], version, actor, rfc3339(at)))
            start = end
        return found


def blame(events: Iterable[Recorded]) -> list[BlamedSegment]:
    """The segments of the description after all events of a task."""
    view = Blame()
    for event in events:
        view.apply(event)
    return view.segments()
