"""Splices and three-way merges, run in the browser and compared with oracles that know where the edits were made."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.harness import Server
from tests.support.typed_sessions import WORDS, Edit

RUN = """
async ([name, cases]) => {
  const merge = await import('/static/autosave/merge.js');
  return cases.map((each) => merge[name](...each));
}
"""


@pytest.fixture(scope="module")
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """A page that may load the module."""
    with chromium.new_page() as page:
        page.goto(f"{server.url}/")
        yield page


def run(page: Page, name: str, cases: list[Any]) -> list[Any]:
    """What the module's function gives for each of these arguments."""
    results: list[Any] = page.evaluate(RUN, [name, cases])
    return results


def utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-le", "surrogatepass")
    return [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw), 2)]


def random_text(chance: random.Random, count: int) -> str:
    return "".join(chance.choice([*WORDS, " ", " ", ".", "\n", "e\u0301"]) for _ in range(count))


def random_edit(chance: random.Random, text: str) -> str:
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(text))
        text = Edit(at, min(chance.randint(0, 6), len(text) - at), random_text(chance, chance.randint(0, 3))).apply(
            text
        )
    return text


def test_a_splice_turns_the_one_text_into_the_other_and_cuts_no_sign_in_two(page: Page) -> None:
    chance = random.Random(1)
    pairs = [[text := random_text(chance, chance.randint(0, 30)), random_edit(chance, text)] for _ in range(1_000)]
    pairs += [["a😀b", "a😁b"], ["😀", ""], ["", "😀"], ["😀😀", "😀"], ["aaa", "aa"]]
    for (before, after), splice in zip(pairs, run(page, "splice", pairs), strict=True):
        units = utf16(before)
        at, end = splice["at"], splice["at"] + splice["cut"]
        assert units[:at] + utf16(splice["insert"]) + units[end:] == utf16(after)
        for edge in (at, end):
            assert not (0 < edge < len(units) and 0xD800 <= units[edge - 1] < 0xDC00 <= units[edge] < 0xE000)


def test_splices_applied_from_the_last_to_the_first_turn_the_one_text_into_the_other(page: Page) -> None:
    chance = random.Random(2)
    pairs = [[text := random_text(chance, chance.randint(0, 60)), random_edit(chance, text)] for _ in range(1_000)]
    for (before, after), splices in zip(pairs, run(page, "splices", pairs), strict=True):
        units = utf16(before)
        for splice in splices:
            units[splice["at"] : splice["at"] + splice["cut"]] = utf16(splice["insert"])
        assert units == utf16(after)


def test_edits_of_different_words_are_both_kept(page: Page) -> None:
    chance = random.Random(3)
    cases, expected = [], []
    for _ in range(500):
        words = [f"{chance.choice(WORDS[:-1])}{number}" for number in range(chance.randint(2, 40))]
        mine, theirs, both = list(words), list(words), list(words)
        for place in range(len(words)):
            if chance.random() < 0.2:
                (mine if chance.random() < 0.5 else theirs)[place] = both[place] = chance.choice(
                    ["new", "🦊", "a b", "שלום"]
                )
        cases.append([" ".join(words), " ".join(mine), " ".join(theirs)])
        expected.append(" ".join(both))
    assert run(page, "mergeText", cases) == expected


def test_different_edits_of_one_word_are_a_question(page: Page) -> None:
    cases = [
        ["the red house", "the blue house", "the green house"],
        ["the red house", "the house", "the reddish house"],
        ["", "mine", "yours"],
        ["end", "end mine", "end yours"],
        ["猫", "犬", "鳥"],
    ]
    assert run(page, "mergeText", cases) == [None] * len(cases)


def test_words_next_to_each_other_are_different_places(page: Page) -> None:
    cases = [["the red house", "the dark red house", "the house"], ["one two", "1 two", "one 2"]]
    assert run(page, "mergeText", cases) == ["the dark house", "1 2"]


def test_what_both_did_is_done_once_and_what_one_went_on_with_is_kept_whole(page: Page) -> None:
    cases = [
        ["the red house", "the blue house", "the blue house"],
        ["say", "say hello", "say hello world"],
        ["say hel", "say hello", "say hell"],
        ["a b c", "a c", "a c"],
    ]
    assert run(page, "mergeText", cases) == ["the blue house", "say hello world", "say hello", "a c"]


def test_merging_does_not_depend_on_whose_side_is_called_mine(page: Page) -> None:
    chance = random.Random(4)
    cases = []
    for _ in range(1_000):
        base = random_text(chance, chance.randint(0, 40))
        cases.append([base, random_edit(chance, base), random_edit(chance, base)])
    assert run(page, "mergeText", cases) == run(page, "mergeText", [[base, b, a] for base, a, b in cases])


def test_two_tabs_are_never_asked_and_lose_no_word(page: Page) -> None:
    cases = [["end", "end mine", "end yours", {"keepBoth": True}], ["red", "blue", "green", {"keepBoth": True}]]
    for (_, mine, theirs, _), merged in zip(cases, run(page, "mergeText", cases), strict=True):
        assert str(mine).split()[-1] in merged
        assert str(theirs).split()[-1] in merged


def test_characters_are_code_points(page: Page) -> None:
    texts = ["", "abc", "😀", "👩‍👩‍👧", "e\u0301", "שלום", "a😀b😀"]
    assert run(page, "countCharacters", [[text] for text in texts]) == [len(text) for text in texts]


def test_an_events_edit_counts_code_points(page: Page) -> None:
    assert run(page, "applyEdit", [["a😀b😀c", {"at": 3, "cut": 1, "insert": "🦊"}]]) == ["a😀b🦊c"]


def test_json_is_equal_as_the_contract_says(page: Page) -> None:
    cases = [
        [{"a": 1, "b": [1, {"c": None}]}, {"b": [1, {"c": None}], "a": 1}],
        [[1, 2], [2, 1]],
        [True, 1],
        [{"a": None}, {}],
        [{}, []],
        [0, None],
    ]
    assert run(page, "sameJson", cases) == [True, False, False, False, False, False]
