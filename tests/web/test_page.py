"""The compose page as somebody uses it: signing in, finding, writing, publishing, by keyboard and on a phone."""

import re
from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.support.people import Person, eventually, says

AXE = files("axe_playwright_python") / "axe.min.js"
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def test_the_link_signs_in_and_the_token_leaves_the_address_at_once(person: Person) -> None:
    page = person.open()
    assert "token" not in page.url
    page.go_back()
    assert "token" not in page.url
    page = person.open()
    page.reload()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_a_token_can_be_pasted_and_a_wrong_one_is_told(person: Person) -> None:
    page = person.context.new_page()
    page.goto(f"{person.url}/")
    field = page.get_by_label("Access token")
    expect(field).to_be_focused()
    field.fill("nonsense")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_have_text("This is not an access token.")
    field.fill(person.client.headers["Authorization"].removeprefix("Bearer "))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_signing_out_leaves_nothing_of_the_drafts_on_the_device(person: Person) -> None:
    task_id = person.client.new_draft(title="Private")
    page = person.open(task_id)
    says(page, "Saved")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access token")).to_be_visible()
    kept = page.evaluate(
        """() => new Promise((resolve) => {
          indexedDB.open('palimpsest-autosave').onsuccess = ({ target }) => {
            target.result.transaction('drafts').objectStore('drafts').getAllKeys().onsuccess
              = ({ target }) => resolve(target.result);
          };
        })"""
    )
    assert kept == []


def test_a_new_draft_is_there_only_once_something_is_typed(person: Person) -> None:
    page = person.open()
    page.get_by_role("button", name="New draft").first.click()
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    says(page, "Nothing to save yet")
    assert person.client.get("/api/v1/tasks").json()["items"] == []
    page.keyboard.type("A poster")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Description", exact=True)).to_be_focused()
    says(page, "Saved")
    expect(page.get_by_role("link", name="A poster")).to_have_attribute("aria-current", "page")
    expect(page).to_have_title("A poster · Palimpsest")


def test_every_field_is_saved_and_shown_again(person: Person) -> None:
    page = person.open(person.client.new_draft())
    page.get_by_label("Title", exact=True).fill("Title")
    page.get_by_label("Description", exact=True).fill("Words 🦊 and שלום")
    page.locator("#transcript-details summary").click()
    page.get_by_role("textbox", name="Voice transcript").fill("Spoken words")
    page.locator("#category").fill("Design")
    page.get_by_label("Task type").fill("Poster")
    page.get_by_label("Budget").fill("99,50")
    page.get_by_label("Experimentation").fill("0.75")
    page.get_by_label("Brand kit").fill("3c90c3cc-0d44-4b50-8888-8dd25736052a")
    page.get_by_label("Requirements").fill('{"z": [1, 2], "a": {"b": null}}')
    says(page, "Saved")
    page.get_by_label("Link or storage key").fill("https://example.com/a.png")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="https://example.com/a.png")).to_be_visible()
    says(page, "Saved")
    task_id = page.url[-36:]
    task = person.client.get(f"/api/v1/tasks/{task_id}").json()
    assert {name: task[name] for name in ("title", "description", "category", "task_type")} == {
        "title": "Title",
        "description": "Words 🦊 and שלום",
        "category": "Design",
        "task_type": "Poster",
    }
    assert (task["budget_usd"], task["experimentation"]) == (99.5, 0.75)
    assert task["brand_kit_id"] == "3c90c3cc-0d44-4b50-8888-8dd25736052a"
    assert list(task["requirements"].items()) == [("z", [1, 2]), ("a", {"b": None})]
    assert task["attachments"] == ["https://example.com/a.png"]
    assert person.client.get(f"/api/v1/tasks/{task_id}/transcript").json() == {"text": "Spoken words"}

    page.get_by_label("Budget").fill("")
    page.get_by_label("Requirements").fill("")
    page.get_by_role("textbox", name="Voice transcript").fill("")
    page.get_by_role("button", name="Remove https://example.com/a.png").click()
    expect(page.locator("#attachments li")).to_have_count(0)
    says(page, "Saved")
    task = person.client.get(f"/api/v1/tasks/{task_id}").json()
    assert (task["budget_usd"], task["requirements"], task["attachments"]) == (0, {}, [])
    assert person.client.get(f"/api/v1/tasks/{task_id}/transcript").status_code == 404


def test_what_cannot_be_sent_is_told_kept_and_holds_nothing_else_up(person: Person) -> None:
    task_id = person.client.new_draft()
    page = person.open(task_id)
    page.get_by_label("Requirements").fill('{"a": 1,')
    page.get_by_label("Budget").fill("2")
    page.get_by_label("Description", exact=True).fill("Saved all the same")
    says(page, "Not saved: Requirements and Budget")
    expect(page.locator("#requirements-error")).to_contain_text("Not JSON yet")
    expect(page.locator("#budget_usd-error")).to_have_text("From 3 to 300 dollars.")
    expect(page.get_by_label("Budget")).to_have_attribute("aria-invalid", "true")
    eventually(page, lambda: person.description(task_id) == "Saved all the same", "the rest is saved")
    page.reload()
    expect(page.get_by_label("Requirements")).to_have_value('{"a": 1,')
    page.get_by_label("Requirements").fill('{"a": 1}')
    page.get_by_label("Budget").fill("25")
    says(page, "Saved")
    expect(page.locator("#budget_usd-error")).to_be_hidden()


def test_fifty_thousand_pasted_characters_are_refused_kept_and_can_be_cut_down(person: Person) -> None:
    task_id = person.client.new_draft(description="Before")
    page = person.open(task_id)
    page.evaluate("""() => {
      const area = document.getElementById('description');
      area.focus();
      area.select();
      document.execCommand('insertText', false, '😀'.repeat(50_000));
    }""")
    says(page, "Not saved: Description")
    expect(page.locator("#description-count")).to_have_text("50,000 / 5,000")
    expect(page.locator("#description-error")).to_have_text("45,000 characters too many.")
    assert person.description(task_id) == "Before"
    page.get_by_label("Description", exact=True).fill("😀" * 5_000)
    says(page, "Saved")
    assert person.description(task_id) == "😀" * 5_000


def test_what_is_missing_for_publishing_is_live_and_leads_to_its_field(person: Person) -> None:
    task_id = person.client.new_draft(title="Poster", description="Too short")
    page = person.open(task_id)
    missing = page.locator("#check-list")
    expect(missing).to_contain_text("Description or voice transcript: 9 of at least 20 characters")
    expect(missing).to_contain_text("Category")
    page.get_by_role("button", name="Task type").click()
    expect(page.get_by_label("Task type")).to_be_focused()
    page.keyboard.type("Print")
    page.locator("#category").fill("Design")
    page.get_by_label("Budget").fill("120")
    page.get_by_label("Description", exact=True).fill("A poster for the autumn market, A2, two colours.")
    expect(page.locator("#check-words")).to_have_text("Ready to publish.")
    page.get_by_role("button", name="Publish", exact=True).click()
    dialog = page.get_by_role("dialog", name="Publish this task?")
    dialog.get_by_role("button", name="Publish").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#closed-words")).to_have_text("This task is published and can no longer be changed.")
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "open"
    assert page.get_by_label("Description", exact=True).get_attribute("readonly") is not None
    expect(page.get_by_role("link", name="History")).to_have_attribute("href", f"/replay/{task_id}")


def test_publishing_too_early_leads_to_what_is_missing(person: Person) -> None:
    page = person.open(person.client.new_draft(description="A description that is long enough."))
    expect(page.locator("#check-list")).to_contain_text("Category")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator("#category")).to_be_focused()
    expect(page.locator("#toast")).to_contain_text("Not yet: Category; Task type; Budget.")


def test_words_typed_after_somebody_published_are_not_lost(new_person: Callable[..., Person]) -> None:
    person = new_person()
    task_id = person.client.new_draft(
        title="T", description="Long enough for publishing.", category="c", task_type="t", budget_usd=5
    )
    page = person.open(task_id)
    says(page, "Saved")
    person.context.set_offline(True)
    page.get_by_label("Description", exact=True).fill("Long enough for publishing. And one thought more.")
    assert person.client.post(f"/api/v1/tasks/{task_id}/publish").status_code == 200
    person.context.set_offline(False)
    says(page, "Not saved, kept on this device")
    page.get_by_role("button", name="Keep my changes in a new draft").click()
    says(page, "Saved")
    assert not page.url.endswith(task_id)
    assert person.description(page.url[-36:]) == "Long enough for publishing. And one thought more."
    assert person.description(task_id) == "Long enough for publishing."


def test_the_list_is_searched_and_filtered(person: Person) -> None:
    person.client.new_draft(title="Autumn poster", category="Design")
    person.client.new_draft(title="Winter song", category="Music")
    gone = person.client.new_draft(title="Spring walk")
    person.client.delete(f"/api/v1/tasks/{gone}")
    page = person.open()
    names = page.locator("#draft-list .name")
    expect(names).to_have_text(["Winter song", "Autumn poster"])
    page.get_by_label("Search titles and descriptions").fill("aut")
    expect(names).to_have_text(["Autumn poster"])
    expect(page.locator("#drafts-count")).to_have_text("1 task")
    page.get_by_label("Search titles and descriptions").fill("")
    page.locator("#find-category").fill("Music")
    expect(names).to_have_text(["Winter song"])
    page.locator("#find-category").fill("")
    page.get_by_label("Status").select_option("Discarded")
    expect(names).to_have_text(["Spring walk"])


def test_a_long_list_is_shown_in_parts(person: Person) -> None:
    for number in range(35):
        person.client.new_draft(title=f"Task {number}")
    page = person.open()
    expect(page.locator("#draft-list li")).to_have_count(30)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#draft-list li")).to_have_count(35)
    expect(page.get_by_role("link", name="Task 4 ")).to_be_focused()


def test_discarding_can_be_undone_and_duplicating_opens_the_copy(person: Person) -> None:
    task_id = person.client.new_draft(title="Poster", description="Its text")
    page = person.open(task_id)
    page.get_by_role("button", name="Discard “Poster”").click()
    expect(page.locator("#closed-words")).to_have_text("This draft is discarded.")
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "discarded"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#closed-notice")).to_be_hidden()
    expect(page.get_by_role("link", name="Poster")).to_be_focused()
    page.get_by_label("Description", exact=True).fill("Its text, changed")
    says(page, "Saved")
    page.get_by_role("button", name="Duplicate “Poster”").click()
    expect(page).not_to_have_url(re.compile(task_id))
    expect(page.get_by_label("Description", exact=True)).to_have_value("Its text, changed")
    assert person.client.get("/api/v1/tasks").json()["items"][0]["id"] == page.url[-36:]


def test_the_keyboard_reaches_all_and_saves_at_once(person: Person) -> None:
    person.client.new_draft(title="Second")
    person.client.new_draft(title="First")
    page = person.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the draft")).to_be_focused()
    page.get_by_role("link", name="First").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Second")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Description", exact=True)).to_be_focused()
    page.keyboard.type("x")
    page.keyboard.press("Control+s")
    says(page, "Saved", seconds=1)


def test_saving_is_announced_once_and_never_untruly(person: Person) -> None:
    page = person.open(person.client.new_draft())
    page.evaluate("""() => {
      window.announced = [];
      const region = document.querySelector('[role=status]');
      new MutationObserver(() => region.textContent && window.announced.push(region.textContent))
        .observe(region, { childList: true });
    }""")
    page.get_by_label("Description", exact=True).focus()
    page.keyboard.type("Several words, typed with pauses between them", delay=40)
    expect(page.get_by_role("status")).to_have_text("Saved")
    assert page.evaluate("() => window.announced") == ["Saved"]


def test_a_phone_shows_list_or_draft_and_nothing_runs_off_the_side(new_person: Callable[..., Person]) -> None:
    person = new_person(viewport=PHONE, has_touch=True, is_mobile=True)
    task_id = person.client.new_draft(title="A title that is long enough to need more than a single line on a phone")
    page = person.open()
    page.get_by_role("link", name="A title").tap()
    expect(page.get_by_label("Description", exact=True)).to_be_visible()
    expect(page.locator("#drafts")).to_be_hidden()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("link", name="Tasks").tap()
    expect(page.get_by_role("link", name="A title")).to_be_focused()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    assert task_id not in page.url


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(new_person: Callable[..., Person], viewport: dict[str, int]) -> None:
    person = new_person(viewport=viewport)
    person.client.new_draft(title="Another", category="Design")
    page = person.context.new_page()
    page.goto(f"{person.url}/")
    expect(page.get_by_label("Access token")).to_be_visible()
    examine(page, "signing in")
    page.close()
    task_id = person.client.new_draft(title="Poster", description="The colour is red.")
    person.client.post(f"/api/v1/tasks/{task_id}/attachments", json={"reference": "https://example.com/a.png"})
    page = person.open()
    expect(page.get_by_role("link", name="Poster")).to_be_visible()
    examine(page, "the list")
    page.evaluate("id => { location.hash = `#/${id}`; }", task_id)
    expect(page.locator("#check-list")).to_contain_text("Category")
    examine(page, "a draft")
    page.get_by_label("Requirements").fill("{")
    page.get_by_label("Description", exact=True).fill("The colour is green.")
    person.client.patch(f"/api/v1/tasks/{task_id}", json={"description": "The colour is blue."})
    expect(page.locator(".conflict")).to_be_visible()
    expect(page.locator("#requirements-error")).to_be_visible()
    examine(page, "a conflict and an error")


def examine(page: Page, what: str) -> None:
    """All of axe's rules, best practices included; those on colours also in the dark."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += violations(page, runOnly=["color-contrast"])
    page.emulate_media(color_scheme="light")
    assert not found, f"{what}:\n" + "\n".join(found)


def violations(page: Page, **options: object) -> list[str]:
    """What axe finds, each with its element."""
    run = "async options => (await axe.run({ resultTypes: ['violations'], ...options })).violations"
    found = page.evaluate(run, options)
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]
