"""What the compose page says where something is wrong, how each such state is left, and where the focus goes."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.people import IMPATIENT, Person, says
from tests.support.proxy import Proxy, Treatment, refusing
from tests.web.test_page import PHONE

READY = {
    "title": "Poster",
    "description": "A poster for the autumn market.",
    "category": "Design",
    "task_type": "Poster",
    "budget_usd": 120,
}


def token(person: Person) -> str:
    return person.client.headers["Authorization"].removeprefix("Bearer ")


def focused(page: Page) -> str:
    """The id of what has the focus."""
    found: str = page.evaluate("() => document.activeElement.id || document.activeElement.tagName")
    return found


def test_a_link_whose_token_has_run_out_says_so(person: Person) -> None:
    page = person.context.new_page()
    expired = "e30.eyJzdWIiOiJhIiwiZXhwIjoxfQ.x"
    page.goto(f"{person.url}/#token={expired}")
    expect(page.get_by_role("alert").first).to_have_text("This token has run out.")
    expect(page.get_by_label("Access token")).to_have_attribute("aria-invalid", "true")


def test_a_token_that_the_service_refuses_signs_nobody_in(person: Person) -> None:
    task_id = person.client.new_draft(title="Poster")
    page = person.context.new_page()
    page.goto(f"{person.url}/#token={token(person)[:-6]}AAAAAA")
    expect(page.get_by_role("alert").first).to_have_text("The service does not accept this token.")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    expect(page.locator("#workspace")).to_be_hidden()
    page.evaluate("id => { location.hash = `#/${id}`; }", task_id)
    page.get_by_label("Access token").fill(token(person))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title", exact=True)).to_have_value("Poster")


def test_the_next_person_sees_nothing_of_the_one_before(new_person: Callable[..., Person]) -> None:
    anna, ben = new_person(), new_person()
    task_id = anna.client.new_draft(title="Private", category="Secret")
    page = anna.open(task_id)
    expect(page.get_by_role("link", name="Private")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access token")).to_be_focused()
    expect(page).to_have_title("Palimpsest")
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_label("Access token").fill(token(ben))
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("The list could not be loaded")
    assert "Private" not in page.locator("body").inner_text()
    assert page.locator("#known-categories option").count() == 0


def test_signing_out_does_not_wait_for_a_service_that_does_not_answer(person: Person) -> None:
    person.context.add_init_script(IMPATIENT)
    page = person.open(person.client.new_draft())
    page.route("**/api/**", lambda route: None if route.request.method == "PATCH" else route.continue_())
    page.get_by_label("Description", exact=True).fill("Said to nobody")
    says(page, "Saving…")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access token")).to_be_visible(timeout=5_000)
    expect(page.locator("#toast")).to_contain_text("kept on this device until you sign in again")


def test_an_empty_list_is_told_from_a_search_without_result(person: Person) -> None:
    page = person.open()
    expect(page.locator("#drafts-count")).to_have_text("No tasks yet.")
    page.get_by_label("Search titles and descriptions").fill("poster")
    expect(page.locator("#drafts-count")).to_have_text("Nothing found.")


def test_a_phone_gets_back_from_a_draft_that_is_not_there(new_person: Callable[..., Person]) -> None:
    person = new_person(viewport=PHONE, has_touch=True, is_mobile=True)
    page = person.open()
    page.evaluate("() => { location.hash = '#/3c90c3cc-0d44-4b50-8888-8dd25736052a'; }")
    expect(page.get_by_role("heading", name="There is no such draft")).to_be_visible()
    page.get_by_role("link", name="Back to the tasks").tap()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_what_is_wrong_is_one_step_away(person: Person) -> None:
    page = person.open(person.client.new_draft(**READY))
    expect(page.locator("#check-words")).to_have_text("Ready to publish.")
    page.get_by_label("Requirements").fill("{")
    says(page, "Not saved: Requirements")
    expect(page.locator("#check-words")).to_have_text("Your last changes have to be saved first.")
    expect(page.locator("#check")).not_to_have_class(re.compile("ready"))
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("Requirements")).to_be_focused()
    page.get_by_label("Requirements").fill("{}")
    says(page, "Saved")
    expect(page.locator("#check-words")).to_have_text("Ready to publish.")
    expect(page.get_by_role("button", name="Show")).to_be_hidden()


def test_the_check_is_said_to_be_of_what_is_saved(person: Person) -> None:
    page = person.open(person.client.new_draft(**{**READY, "description": ""}))
    expect(page.locator("#check-words")).to_have_text("Still missing:")
    page.get_by_label("Description", exact=True).fill("x" * 5_001)
    says(page, "Not saved: Description")
    expect(page.locator("#check-words")).to_have_text("What is saved still lacks:")


def test_one_drafts_check_is_not_shown_for_the_next(person: Person) -> None:
    page = person.open(person.client.new_draft(**READY))
    expect(page.locator("#check-words")).to_have_text("Ready to publish.")
    page.route("**/publish-check", lambda route: None)
    page.get_by_role("button", name="New draft").first.click()
    expect(page.locator("#check-words")).to_have_text("Nothing saved yet.")
    expect(page.locator("#check")).not_to_have_class(re.compile("ready"))
    page.keyboard.type("Typed")
    says(page, "Saved")
    page.evaluate("id => { location.hash = `#/${id}`; }", person.client.new_draft(title="Another"))
    expect(page.get_by_label("Title", exact=True)).to_have_value("Another")
    expect(page.locator("#check-words")).to_have_text("Checking…")


def test_a_conflict_can_be_reached_by_keyboard_and_its_heading_is_not_hidden(
    new_person: Callable[..., Person],
) -> None:
    person = new_person(viewport=PHONE)
    task_id = person.client.new_draft(description="The colour is red.", budget_usd=10)
    page = person.open(task_id)
    person.context.set_offline(True)
    page.get_by_label("Description", exact=True).fill("The colour is green.")
    page.get_by_label("Budget").fill("20")
    says(page, re.compile("Offline"))
    person.client.patch(f"/api/v1/tasks/{task_id}", json={"description": "The colour is blue.", "budget_usd": 30})
    person.context.set_offline(False)
    heading = page.get_by_role("heading", name="Description: two versions")
    expect(heading).to_be_visible()
    bar = page.locator("#draft-bar").bounding_box()
    box = heading.bounding_box()
    assert bar
    assert box
    assert box["y"] >= bar["y"] + bar["height"]
    expect(page.locator(".conflict").first).to_contain_text("The same words were changed")
    expect(page.locator(".conflict").last).to_contain_text("It was changed here and elsewhere.")
    page.get_by_role("button", name="Show").press("Enter")
    expect(heading).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Keep yours").first).to_be_focused()


def test_the_focus_stays_in_the_draft_when_its_button_goes(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy]
) -> None:
    proxy = new_proxy(refusing(503))
    person = new_person(url=proxy.url)
    task_id = person.client.new_draft(**READY)
    page = person.open(task_id)
    page.get_by_label("Description", exact=True).fill("Changed a little, but long enough.")
    says(page, re.compile("The service has trouble"))
    proxy.treatment = lambda request, forward: forward()
    page.get_by_role("button", name="Try again").press("Enter")
    says(page, "Saved")
    assert focused(page) == "editor"

    person.client.delete(f"/api/v1/tasks/{task_id}")
    page.evaluate("() => dispatchEvent(new Event('online'))")
    expect(page.locator("#closed-words")).to_have_text("This draft is discarded.")
    expect(page.locator("#draft-list")).not_to_contain_text("Poster")
    page.get_by_role("button", name="Restore", exact=True).press("Enter")
    expect(page.locator("#closed-notice")).to_be_hidden()
    assert focused(page) == "editor"
    expect(page.get_by_role("link", name="Poster")).to_be_visible()


def test_after_signing_in_again_the_cursor_is_where_it_was(person: Person) -> None:
    page = person.open(person.client.new_draft())
    good = token(person)

    def expired(route: Route) -> None:
        body = '{"type": "/problems/unauthorized", "title": "Unauthorized", "status": 401, "detail": "expired"}'
        route.fulfill(status=401, content_type="application/problem+json", body=body)

    page.route("**/api/**", expired)
    page.get_by_label("Description", exact=True).focus()
    page.keyboard.type("One")
    says(page, re.compile("Signed out"))
    page.unroute("**/api/**")
    page.get_by_label("Access token").fill(good)
    page.keyboard.press("Enter")
    says(page, "Saved")
    expect(page.get_by_label("Description", exact=True)).to_be_focused()
    page.keyboard.type(" and two")
    says(page, "Saved")
    expect(page.get_by_label("Description", exact=True)).to_have_value("One and two")


def test_text_that_runs_from_right_to_left_does(person: Person) -> None:
    page = person.open(person.client.new_draft(title="שלום", description="مرحبا.\nEnglish."))
    assert page.locator("#title").evaluate("(area) => getComputedStyle(area).direction") == "rtl"
    assert page.locator("#description").evaluate("(area) => getComputedStyle(area).unicodeBidi") == "plaintext"


def test_the_whole_way_goes_by_keyboard_alone(person: Person) -> None:
    """Sign in, begin, write every required field, publish: tabs and typing, and each stop has a name."""
    page = person.context.new_page()
    page.goto(f"{person.url}/")
    page.keyboard.insert_text(token(person))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="New draft").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    wanted = {"category": "Design", "task_type": "Poster", "budget_usd": "120"}
    page.keyboard.type("A poster")
    page.keyboard.press("Tab")
    page.keyboard.type("A poster for the autumn market, A2.")
    deadline = time.monotonic() + 20
    while wanted and time.monotonic() < deadline:
        page.keyboard.press("Tab")
        if text := wanted.pop(focused(page), None):
            page.keyboard.type(text)
    assert not wanted
    says(page, "Saved")
    expect(page.locator("#check-words")).to_have_text("Ready to publish.")
    while focused(page) != "publish" and time.monotonic() < deadline:
        assert named(page), page.evaluate("() => document.activeElement.outerHTML")
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Publish this task?")).to_be_visible()
    page.keyboard.press("Tab")
    assert focused(page) == "publish-now"
    page.keyboard.press("Enter")
    expect(page.locator("#closed-words")).to_have_text("This task is published and can no longer be changed.")
    assert focused(page) == "editor"


def named(page: Page) -> bool:
    """Whether a screen reader has words for what has the focus."""
    tree = page.locator("*:focus").aria_snapshot()
    return bool(re.search(r"\"[^\"]+\"|text: \S", tree))


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE], ids=["desk", "phone"])
def test_the_count_stays_in_sight_however_long_the_text(
    new_person: Callable[..., Person], viewport: dict[str, int]
) -> None:
    page = (person := new_person(viewport=viewport)).open(person.client.new_draft())
    page.get_by_label("Description", exact=True).fill("word " * 1_000)
    page.evaluate("() => scrollTo(0, 0)")
    expect(page.locator("#description-count")).to_be_in_viewport()
