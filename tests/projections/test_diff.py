"""The difference between texts and between states."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projections import diff
from projections.diff import Segment, longest_increasing, text_diff
from tests.support.strategies import TEXTS


def before(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments if segment.op != "insert")


def after(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments if segment.op != "delete")


@given(TEXTS, TEXTS)
@example("", "")
@example("a", "")
@example("aXbXc", "aYbXc")
def test_the_segments_rebuild_both_texts(old: str, new: str) -> None:
    segments = text_diff(old, new)

    assert (before(segments), after(segments)) == (old, new)
    assert all(segment.text for segment in segments)
    ops = [segment.op for segment in segments]
    assert all(left != right for left, right in pairwise(ops))
    assert ("insert", "delete") not in pairwise(ops)


@given(TEXTS, st.integers(0, 100), st.sampled_from(["one ", "漢", "e\u0301"]))
def test_what_was_only_inserted_is_never_shown_as_deleted_and_inserted_again(old: str, at: int, text: str) -> None:
    assert "delete" not in [segment.op for segment in text_diff(old, old[:at] + text + old[at:])]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("the quick fox", "the slow fox", "the [-quick][+slow] fox"),
        ("a b c d", "a x c y d", "a [-b][+x] c[+ y] d"),
        ("我喜欢茶和咖啡", "你喜欢水和咖啡吗", "[-我][+你]喜欢[-茶][+水]和咖啡[+吗]"),
        ("naïve", "nai\u0308ve", "na[-ï][+i\u0308]ve"),
        ("", "all", "[+all]"),
    ],
)
def test_a_changed_word_stands_alone_between_what_stayed(old: str, new: str, expected: str) -> None:
    marks = {"equal": "{}", "delete": "[-{}]", "insert": "[+{}]"}

    assert "".join(marks[segment.op].format(segment.text) for segment in text_diff(old, new)) == expected


def repeated(size: int) -> tuple[str, str]:
    return "ab " * (size // 3) + "x", "y" + "ba " * (size // 3)


def nested(size: int) -> tuple[str, str]:
    """Words that become unique one after the other, so that each anchor opens the next stretch."""
    words = [f"{number:x}" for number in range(size // 8)]
    pairs = [word for pair in zip(words[1:], words, strict=False) for word in pair]
    return " q ".join(pairs), " r ".join(pairs)


def shuffled(size: int) -> tuple[str, str]:
    words = [f"w{number % 400} " for number in range(size // 5)]
    other = words[:]
    random.Random(1).shuffle(other)
    return "".join(words)[:size], "".join(other)[:size]


@pytest.mark.parametrize("texts", [repeated, nested, shuffled], ids=lambda make: make.__name__)
def test_texts_of_the_largest_size_are_compared_in_bounded_work(
    texts: Callable[[int], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = texts(20_000)
    searched = compared = 0
    unique, matcher = diff._unique, diff.SequenceMatcher

    def searching(text: str) -> dict[str, int]:
        nonlocal searched
        searched += len(text)
        return unique(text)

    def comparing(junk: None, a: str, b: str, *, autojunk: bool) -> Any:
        nonlocal compared
        compared += len(a) * len(b)
        return matcher(junk, a, b, autojunk=autojunk)

    monkeypatch.setattr(diff, "_unique", searching)
    monkeypatch.setattr(diff, "SequenceMatcher", comparing)

    segments = text_diff(old, new)

    assert searched <= diff._LEVELS * (len(old) + len(new))
    assert compared <= 1_000_000  # pairs of characters; all that the two texts have are 400,000,000
    assert (before(segments), after(segments)) == (old, new)


@given(st.lists(st.integers(0, 30), max_size=9, unique=True))
def test_the_longest_increasing_subsequence_is_as_long_as_any(values: list[int]) -> None:
    chosen = longest_increasing(values)
    picked = [values[index] for index in chosen]

    longest = [1] * len(values)
    for i in range(len(values)):
        longest[i] += max((longest[j] for j in range(i) if values[j] < values[i]), default=0)
    assert chosen == sorted(chosen)
    assert picked == sorted(picked)
    assert len(picked) == max(longest, default=0)
