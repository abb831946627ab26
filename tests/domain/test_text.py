"""The splice (docs/api.md, Events): one edit turns the old text into the new."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.text import Edit, apply_edit, cut_at_word, find_edit, visible_length, with_newlines

# Few letters, so that runs and repetitions are common; one astral and one combining character.
texts = st.text(alphabet="ab \n😀\u0301", max_size=40) | st.text(max_size=40)


@given(texts, texts)
@example("aa", "aaa")
@example("abab", "ab")
@example("", "")
def test_applying_the_edit_that_was_found_gives_the_new_text(old: str, new: str) -> None:
    assert apply_edit(old, find_edit(old, new)) == new


@given(texts, texts)
def test_the_edit_is_the_shortest_single_one(old: str, new: str) -> None:
    edit = find_edit(old, new)

    shortest = min(
        (len(old) - start - end, len(new) - start - end)
        for start in range(min(len(old), len(new)) + 1)
        for end in range(min(len(old), len(new)) - start + 1)
        if old[:start] == new[:start] and old[len(old) - end :] == new[len(new) - end :]
    )
    assert (edit.cut, len(edit.insert)) == shortest


@given(texts, st.integers(0, 40), st.text(max_size=1))
def test_a_keystroke_is_recorded_as_that_keystroke(old: str, at: int, typed: str) -> None:
    at = min(at, len(old))

    edit = find_edit(old, old[:at] + typed + old[at:])

    assert (edit.cut, len(edit.insert)) == (0, len(typed))


def test_positions_count_code_points() -> None:
    assert find_edit("😀😀b", "😀😀ab") == Edit(2, 0, "a")


@given(st.text(alphabet="ab \n", max_size=60), st.integers(1, 30))
def test_a_cut_text_is_a_beginning_within_the_limit(text: str, limit: int) -> None:
    cut = cut_at_word(text, limit)

    assert len(cut) <= limit
    assert text.startswith(cut)


def test_a_text_is_cut_between_words() -> None:
    assert cut_at_word("one two three", 9) == "one two"
    assert cut_at_word("one two three", 7) == "one two"
    assert cut_at_word("one two", 7) == "one two"


def test_a_word_that_fills_most_of_the_limit_is_cut_itself() -> None:
    assert cut_at_word("a " + "b" * 20, 10) == "a " + "b" * 8


@pytest.mark.parametrize(
    "character",
    ["👩‍👩‍👧", "👍🏽", "e\u0301\u0323", "🇩🇪", "☺\ufe0f"],
    ids=["joined", "skin tone", "accents", "flag", "variation"],
)
def test_no_character_is_cut_in_two(character: str) -> None:
    word = "a" * 19 + character + "b" * 20

    for limit in range(20, 19 + len(character)):
        assert cut_at_word(word, limit) == "a" * 19
    assert cut_at_word(word, 19 + len(character)) == "a" * 19 + character


def test_flags_are_cut_between_two_of_them() -> None:
    assert cut_at_word("🇩🇪🇫🇷🇮🇹" * 4, 5) == "🇩🇪🇫🇷"


@pytest.mark.parametrize(
    "invisible", ["\u200b", "\u2060", "\ufeff", "\u3164", "\u00ad", "\u2800", "\ufe0f", "\u202e", "\U000e0041"]
)
def test_what_cannot_be_seen_has_no_length(invisible: str) -> None:
    assert visible_length(invisible * 30) == 0
    assert visible_length(f" {invisible} a{invisible}b \n{invisible}") == 2


def test_every_line_end_is_a_newline() -> None:
    assert with_newlines("a\r\nb\rc\n\r\nd") == "a\nb\nc\n\nd"
