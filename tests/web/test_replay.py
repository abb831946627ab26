"""The film of a history in a real Chromium."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.harness import Client
from tests.web.people import Person
from tests.web.typing import invented, texts

SLOWEST = """
() => {
  const scrub = document.getElementById('scrub');
  let slowest = 0;
  for (let turn = 0; turn < 40; turn += 1) {
    scrub.value = String(1 + (turn * 7919) % Number(scrub.max));
    const begun = performance.now();
    scrub.dispatchEvent(new Event('input'));
    document.getElementById('text').getBoundingClientRect();
    slowest = Math.max(slowest, performance.now() - begun);
  }
  return slowest;
}
"""
"""Milliseconds of the slowest of many jumps, layout included."""


def film(person: Person, task_id: str) -> Page:
    """The film of a task, loaded."""
    page = person.context.new_page()
    page.on("console", person._note)
    page.on("pageerror", lambda error: person.errors.append(str(error)))
    page.goto(f"{person.url}/replay/{task_id}#token={person._token}")
    expect(page.locator("#stage")).to_be_visible()
    return page


def write(client: Client, task_id: str, *texts: str) -> None:
    for text in texts:
        assert client.patch(f"/api/v1/tasks/{task_id}", json={"description": text}).status_code == 200


def test_the_text_stands_as_it_stood_with_what_just_changed_marked(person: Person) -> None:
    task_id = person.client.new_draft(title="A 😀 title")
    write(person.client, task_id, "One 😀", "One 😀 two", "One two")
    page = film(person, task_id)

    expect(page.locator("#text")).to_have_text("One 😀 two")
    expect(page.locator("#text del")).to_have_text(re.compile("😀"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#text ins")).to_have_text(" two")
    page.keyboard.press("Home")
    expect(page.locator("#moment")).to_contain_text("Version 1 of 5: created")
    expect(page.locator("#text")).to_have_text("Nothing written yet.")
    page.keyboard.press("End")
    expect(page.locator("#heading")).to_have_text("A 😀 title")


def test_the_film_plays_to_the_end_and_says_so(person: Person) -> None:
    task_id = person.client.new_draft()
    write(person.client, task_id, *("typed"[:end] for end in range(1, 6)))
    page = film(person, task_id)

    page.locator("#speed").select_option("64")
    page.locator("#play").click()

    expect(page.locator("#play-words")).to_have_text("Play")
    expect(page.locator("#announcement")).to_contain_text("Version 6 of 6")
    expect(page.locator("#text")).to_have_text("typed")


def test_the_proof_and_the_comparison_are_the_services(person: Person) -> None:
    task_id = person.client.new_draft(description="the quick fox")
    write(person.client, task_id, "the slow fox")
    page = film(person, task_id)

    expect(page.locator("#proof")).to_have_text("Verified: 3 events")
    page.locator("#from").fill("2")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#difference del")).to_have_text("quick")
    expect(page.locator("#difference ins")).to_have_text("slow")
    page.locator("#to").fill("9")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#difference-error")).to_contain_text("no version 9")


def test_what_is_not_there_is_told(person: Person) -> None:
    page = person.context.new_page()
    page.goto(f"{person.url}/replay/00000000-0000-4000-8000-000000000000#token={person._token}")

    expect(page.locator("#waiting-heading")).to_have_text("The history is not here")


def test_without_a_token_one_is_asked_for(new_person: Callable[..., Person]) -> None:
    person = new_person()
    task_id = person.client.new_draft(description="mine")
    page = person.context.new_page()
    page.goto(f"{person.url}/replay/{task_id}")

    page.get_by_label("Access token").fill(person._token)
    page.get_by_role("button", name="Sign in").click()

    expect(page.locator("#text")).to_have_text("mine")


def test_scrubbing_a_long_draft_is_fast_and_each_place_is_right(person: Person) -> None:
    task_id = person.client.new_draft()
    write(person.client, task_id, *texts(invented(3, 400)))
    page = film(person, task_id)
    page.locator("#blame").check()

    assert page.evaluate(SLOWEST) < 100
    for version in (2, 50, 399):
        page.locator("#scrub").fill(str(version))
        shown = page.locator("#text").evaluate("element => element.textContent")
        assert shown == person.client.get(f"/api/v1/tasks/{task_id}", params={"version": version}).json()["description"]
