"""What is typed, at a person's speed and at an absurd one, is what page, view and replay hold in the end."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.harness import wait_until
from tests.support.people import Person, edit, says, told, watch_words
from tests.support.typed_sessions import Edit, invented, recorded, replayed, texts

RECORDINGS = ("clownschool_flat.json.gz", "json-crdt-blog-post.json.gz")
KEYS_A_SECOND = 15

SELECT = """
offsets => {
  const area = document.getElementById('description');
  const points = Array.from(area.value);
  area.setSelectionRange(...offsets.map((offset) => points.slice(0, offset).join('').length));
}
"""


def agree(person: Person, page: Page, task_id: str, text: str) -> None:
    """Page, view and replay hold this text, and the page says so."""
    says(page, "Saved")
    assert page.locator("#description").input_value() == text
    assert person.description(task_id) == text
    versions = replayed(person.client.history(task_id))
    assert versions[max(versions)] == text


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_typed_at_absurd_speed_arrives_to_the_character(
    person: Person, traces: Path, recording: str
) -> None:
    type_like_nobody(person, recorded(traces / recording))


def test_several_scripts_typed_at_absurd_speed_arrive_to_the_character(person: Person) -> None:
    type_like_nobody(person, invented(seed=2, count=2_000))


def type_like_nobody(person: Person, edits: list[Edit]) -> None:
    """Without waiting between the edits."""
    task_id = person.client.new_draft()
    page = person.open(task_id)
    for start in range(0, len(edits), 250):
        edit(page, edits[start : start + 250])
    agree(person, page, task_id, texts(edits)[-1])


def test_a_recording_typed_at_a_persons_speed_arrives_to_the_character(person: Person, traces: Path) -> None:
    type_like_a_person(person, recorded(traces / RECORDINGS[1], limit=30))


def test_several_scripts_typed_at_a_persons_speed_arrive_to_the_character(person: Person) -> None:
    type_like_a_person(person, invented(seed=1, count=30))


def type_like_a_person(person: Person, edits: list[Edit]) -> None:
    """With the keyboard, the cursor where the last edit left it."""
    task_id = person.client.new_draft()
    page = person.open(task_id)
    page.locator("#description").focus()
    watch_words(page)
    cursor = 0
    for each in edits:
        if each.cut or each.at != cursor:
            page.evaluate(SELECT, [each.at, each.at + each.cut])
        if each.cut:
            page.keyboard.press("Backspace")
        if each.insert:
            page.keyboard.insert_text(each.insert)
        cursor = each.at + len(each.insert)
        page.wait_for_timeout(1000 / KEYS_A_SECOND)
    states = texts(edits)
    agree(person, page, task_id, states[-1])
    history = replayed(person.client.history(task_id))
    assert len(history) > 1  # how many depends on how fast the machine types
    for moment in told(page):
        if moment["words"] == "Saved":
            assert history[moment["version"]] == moment["text"]  # type: ignore[index]


def test_what_is_typed_just_before_the_page_is_left_arrives(person: Person) -> None:
    task_id = person.client.new_draft()
    page = person.open(task_id)
    page.locator("#description").fill("The last words")
    page.close()
    wait_until(lambda: person.description(task_id) == "The last words", "the last words arrived")
