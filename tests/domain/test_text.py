"""The splice (contract section 6): one edit turns the old text into the new."""

from hypothesis import example, given
from hypothesis import strategies as st

from domain.text import Edit, apply_edit, cut_at_word, find_edit

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
