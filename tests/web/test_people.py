"""Tabs and people at one draft: words in different places are all kept, the same words are a question."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.people import Person, eventually, says
from tests.support.proxy import Proxy, Slow, Treatment
from tests.support.typed_sessions import replayed

TEXT = "The first line is mine.\n\nThe second line is yours.\n"


def insert(page: Page, before: str, words: str) -> None:
    """Types words at the keyboard, just before others."""
    area = page.locator("#description")
    area.focus()
    area.evaluate(
        "(area, before) => { const at = area.value.indexOf(before); area.setSelectionRange(at, at); }", before
    )
    page.keyboard.type(words, delay=30)


def becomes(page: Page, text: str) -> None:
    expect(page.locator("#description")).to_have_value(text, timeout=15_000)


def test_two_tabs_share_what_is_typed_even_before_it_is_saved(person: Person) -> None:
    task_id = person.client.new_draft(description=TEXT)
    one, other = person.open(task_id), person.open(task_id)
    person.context.set_offline(True)
    insert(one, "mine", "really ")
    becomes(other, TEXT.replace("mine", "really mine"))
    insert(other, "yours", "truly ")
    both = TEXT.replace("mine", "really mine").replace("yours", "truly yours")
    becomes(one, both)
    person.context.set_offline(False)
    says(one, "Saved")
    says(other, "Saved")
    assert person.description(task_id) == both


def test_two_tabs_typing_in_turns_are_one_writer(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy]
) -> None:
    slow = Slow(0.3)
    person = new_person(url=new_proxy(slow).url)
    task_id = person.client.new_draft(description=TEXT)
    one, other = person.open(task_id), person.open(task_id)
    for number in range(5):
        insert(one, "mine", f"a{number} ")
        insert(other, "yours", f"b{number} ")
    both = TEXT.replace("mine", "a0 a1 a2 a3 a4 mine").replace("yours", "b0 b1 b2 b3 b4 yours")
    becomes(one, both)
    becomes(other, both)
    says(one, "Saved")
    says(other, "Saved")
    assert person.description(task_id) == both
    assert slow.most == 1
    assert set(slow.statuses) == {200}


def test_a_tab_that_is_closed_leaves_its_words_to_the_other(person: Person) -> None:
    task_id = person.client.new_draft(description=TEXT)
    one, other = person.open(task_id), person.open(task_id)
    person.context.set_offline(True)
    insert(one, "mine", "last words, ")
    becomes(other, TEXT.replace("mine", "last words, mine"))
    one.close()
    person.context.set_offline(False)
    says(other, "Saved")
    assert person.description(task_id) == TEXT.replace("mine", "last words, mine")


def test_two_browsers_in_different_places_end_up_equal_with_both_peoples_words(
    new_person: Callable[..., Person],
) -> None:
    anna = new_person()
    ben = new_person(account=anna.account)
    task_id = anna.client.new_draft(description=TEXT)
    one, other = anna.open(task_id), ben.open(task_id)
    for number in range(4):
        insert(one, "mine", f"a{number} ")
        insert(other, "yours", f"b{number} ")
    both = TEXT.replace("mine", "a0 a1 a2 a3 mine").replace("yours", "b0 b1 b2 b3 yours")
    becomes(one, both)
    becomes(other, both)
    says(one, "Saved")
    says(other, "Saved")
    assert anna.description(task_id) == both


def test_the_cursor_stays_where_it_is_when_others_words_arrive(new_person: Callable[..., Person]) -> None:
    anna = new_person()
    ben = new_person(account=anna.account)
    task_id = anna.client.new_draft(description=TEXT)
    one, other = anna.open(task_id), ben.open(task_id)
    insert(one, "yours", "")
    insert(other, "The first", "Note: ")
    becomes(one, f"Note: {TEXT}")
    one.keyboard.type("really ")
    becomes(other, f"Note: {TEXT}".replace("yours", "really yours"))


def conflict(new_person: Callable[..., Person]) -> tuple[Person, Page, Page, str]:
    """Two browsers that changed the same word while one was offline."""
    anna = new_person()
    ben = new_person(account=anna.account)
    task_id = anna.client.new_draft(description="The colour is red.")
    one, other = anna.open(task_id), ben.open(task_id)
    ben.context.set_offline(True)
    one.locator("#description").fill("The colour is blue.")
    other.locator("#description").fill("The colour is green.")
    says(one, "Saved")
    says(other, "Offline, kept on this device")
    ben.context.set_offline(False)
    says(other, "Description changed elsewhere too: please choose")
    expect(other.get_by_role("status")).to_have_text("Description changed elsewhere too: please choose")
    expect(other.locator(".conflict")).to_contain_text("The colour is green.")
    expect(other.locator(".conflict")).to_contain_text("The colour is blue.")
    assert anna.description(task_id) == "The colour is blue."
    return anna, one, other, task_id


def test_the_same_word_is_asked_about_and_ones_own_can_be_kept(new_person: Callable[..., Person]) -> None:
    person, one, other, task_id = conflict(new_person)
    other.locator("#title").fill("Saved meanwhile")
    eventually(
        other,
        lambda: person.client.get(f"/api/v1/tasks/{task_id}").json()["title"],
        "other fields are saved while the question stands",
    )
    other.get_by_role("button", name="Keep yours").click()
    says(other, "Saved")
    expect(other.locator("#description")).to_be_focused()
    becomes(one, "The colour is green.")
    assert "The colour is blue." in replayed(person.client.history(task_id)).values()


def test_the_question_survives_a_reload_and_ones_own_version_stays_in_the_history_if_it_loses(
    new_person: Callable[..., Person],
) -> None:
    person, one, other, task_id = conflict(new_person)
    other.reload()
    says(other, "Description changed elsewhere too: please choose")
    becomes(other, "The colour is green.")
    other.get_by_role("button", name="Take the other").click()
    says(other, "Saved")
    becomes(other, "The colour is blue.")
    becomes(one, "The colour is blue.")
    assert person.description(task_id) == "The colour is blue."
    assert "The colour is green." in replayed(person.client.history(task_id)).values()


def test_both_can_be_kept(new_person: Callable[..., Person]) -> None:
    person, _, other, task_id = conflict(new_person)
    other.get_by_role("button", name="Keep both").click()
    says(other, "Saved")
    assert person.description(task_id) == "The colour is blue.\n\nThe colour is green."
