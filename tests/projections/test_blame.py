"""Who typed what: each character points to the event that brought it."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.events import DraftFieldChanged, Recorded
from domain.text import Edit, apply_edit
from projections.blame import blame
from tests.support.strategies import EDITS

TASK = UUID(int=7)
OWNER = UUID(int=8)


def event(version: int, data: DraftFieldChanged) -> Recorded:
    return Recorded(TASK, version, version * 1_000_000, OWNER, "r", "autosave", data)


def described(version: int, edit: Edit) -> Recorded:
    return event(version, DraftFieldChanged("description", edit))


@given(st.lists(EDITS, max_size=40))
def test_each_character_points_to_the_event_that_brought_it(edits: list[Edit]) -> None:
    typed: list[tuple[str, int]] = []  # the oracle: characters with their birth, as a plain list
    text = ""
    events = []
    for version, edit in enumerate(edits, start=2):
        typed = typed[: edit.at] + [(char, version) for char in edit.insert] + typed[edit.at + edit.cut :]
        text = apply_edit(text, edit)
        events.append(described(version, edit))

    segments = blame(events)

    assert "".join(segment.text for segment in segments) == text
    assert [(char, segment.version) for segment in segments for char in segment.text] == typed


def test_a_segment_names_version_actor_and_time() -> None:
    segments = blame([described(2, Edit(0, 0, "Helo")), described(3, Edit(3, 0, "l"))])

    assert [(s.text, s.version, s.actor, s.occurred_at) for s in segments] == [
        ("Hel", 2, OWNER, "1970-01-01T00:00:02.000000Z"),
        ("l", 3, OWNER, "1970-01-01T00:00:03.000000Z"),
        ("o", 2, OWNER, "1970-01-01T00:00:02.000000Z"),
    ]


def test_other_fields_leave_no_trace() -> None:
    events = [described(2, Edit(0, 0, "a")), event(3, DraftFieldChanged("title", Edit(0, 0, "T")))]

    assert [segment.text for segment in blame(events)] == ["a"]
    assert blame([event(2, DraftFieldChanged("category", value="web"))]) == []
