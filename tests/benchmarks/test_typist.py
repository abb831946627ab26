"""The list that the load replays: seeded, within the limits, and every body changes its draft."""

import gzip
import json
import random
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from benchmarks.schemas import TaskPatch
from benchmarks.typist import OVERTAKING, Request, Trace, Work, draft_ids, read_trace, that_change, write_list

DRAFTS = draft_ids(16)


def changes_nothing(requests: list[Request], rng: random.Random, laps: int = 3) -> list[Request]:
    """Play the list in a circle, as many connections would: of those that wait, the first or any other is next."""
    fields: dict[tuple[UUID, str], Any] = {}
    idle, waiting = [], []
    for request in requests * laps:
        waiting.append(request)
        if len(waiting) == 128:
            turn = waiting.pop(0 if rng.random() < 0.5 else rng.randrange(128))
            if fields.get((turn.draft, turn.field)) == turn.value:
                idle.append(turn)
            fields[turn.draft, turn.field] = turn.value
    return idle


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "habits",
    [{}, {"start": 10, "keystrokes_only": True}, {"start": 4_990, "length": 4_990, "evenly": True}],
)
def test_every_body_changes_its_draft_whatever_overtakes_it(seed: int, habits: dict[str, Any]) -> None:
    requests = Work(DRAFTS, seed=seed, **habits).requests(6_000)

    assert len(requests) > 5_000
    assert changes_nothing(requests, random.Random(seed)) == []


def test_what_might_change_nothing_is_left_out() -> None:
    draft, other = DRAFTS[:2]
    others = [Request(other, "title", str(number)) for number in range(2 * OVERTAKING)]
    once = Request(draft, "budget_usd", "the only one, so the same again in the next lap")
    there, back = Request(draft, "title", "there"), Request(draft, "title", "back")

    assert that_change([once, *others, there, *others, back]) == [*others, there, *others, back]
    assert that_change([there, *others, there, *others, back]) == [*others, there, *others, back]
    assert that_change([there, back, there, *others, back, *others]) == [there, *others, back, *others]


def test_the_same_seed_types_the_same_and_another_something_else() -> None:
    first, again, other = (Work(DRAFTS, seed=seed).requests(3_000) for seed in (1, 1, 2))

    assert first == again != other


def test_bodies_are_within_the_limits_of_the_contract() -> None:
    import msgspec

    for request in Work(DRAFTS, start=4_990, length=4_990).requests(3_000) + Work(DRAFTS).requests(3_000):
        msgspec.json.decode(request.body, type=TaskPatch)


def test_the_choice_of_drafts_has_a_heavy_tail() -> None:
    drafts = draft_ids()
    chosen = [request.draft for request in Work(drafts).requests(20_000)]

    assert chosen.count(drafts[0]) > 40 * chosen.count(drafts[-1]) > 0
    assert chosen.count(drafts[0]) < 0.25 * len(chosen)


def test_keystrokes_keep_the_length_of_the_text() -> None:
    requests = Work(DRAFTS, start=100, keystrokes_only=True).requests(3_000)

    assert {len(request.value) for request in requests} == {100}


def test_a_recorded_session_is_typed_until_the_text_would_be_too_long(tmp_path: Path) -> None:
    patches = [[0, 0, "abc"], [1, 1, "x"], [3, 0, "y" * 4_997], [0, 0, "too much"]]
    recorded = {"startContent": "", "endContent": "", "txns": [{"time": "", "patches": [patch]} for patch in patches]}
    path = tmp_path / "session.json.gz"
    path.write_bytes(gzip.compress(json.dumps(recorded).encode()))

    session = Trace(read_trace(path), skip=0)
    texts = []
    for _ in range(4):
        session.edit()
        texts.append(session.text)

    assert texts == ["abc", "axc", "axc" + "y" * 4_997, "abc"]


def test_a_missing_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no such trace: .*absent\.json\.gz"):
        read_trace(tmp_path / "absent.json.gz")


def test_a_list_has_one_request_a_line(tmp_path: Path) -> None:
    requests = Work(DRAFTS).requests(3_000)

    lines = write_list(requests, tmp_path / "list").read_bytes().splitlines()

    assert lines == [str(request.draft).encode() + b"\t" + request.body for request in requests]
