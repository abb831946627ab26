"""The API page: it renders the whole document under its content security policy, and its "Try it" works."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from service.application import OPERATIONS
from service.http.problems import PROBLEMS
from tests.support.harness import Client, Server


@pytest.fixture(scope="module")
def docs(chromium: Browser, server: Server) -> Iterator[Page]:
    """The page, loaded once; it may neither write errors to the console nor ask anybody but the service."""
    context = chromium.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(server.url) else errors.append(request.url))
    page.goto(f"{server.url}/docs#publish")
    page.wait_for_selector("main:not([aria-busy])")
    yield page
    context.close()
    assert errors == []


def test_every_operation_and_every_problem_is_shown(docs: Page) -> None:
    assert docs.locator("details.card").count() == len(OPERATIONS)
    assert docs.locator("ul.problems li").count() == len(PROBLEMS)
    assert docs.locator("#publish").evaluate("card => card.open")


def test_an_operation_can_be_tried(docs: Page, client: Client) -> None:
    task_id = client.new_draft()
    docs.get_by_label("Access token").fill(client.headers["authorization"].removeprefix("Bearer "))
    card = docs.locator("#autosave")
    card.locator("summary").first.click()
    card.get_by_text("Try it").click()
    card.get_by_label("task_id").fill(task_id)
    card.get_by_label("Body").fill('{"title": "tried"}')

    card.get_by_role("button", name="Send").click()

    expect(card.locator(".output .status")).to_have_text("200")
    expect(card.locator(".output")).to_contain_text('"title": "tried"')
    assert client.get(f"/api/v1/tasks/{task_id}").json()["title"] == "tried"


def test_it_is_accessible(docs: Page) -> None:
    docs.locator("#autosave").evaluate(
        "card => card.querySelectorAll('details').forEach(part => { part.open = true; })"
    )

    assert violations(docs, rules={"color-contrast": {"enabled": False}}) == []
    # Colours are looked at only where they are seen, but axe takes its time to find that out of 40,000 elements.
    docs.evaluate("document.querySelectorAll('details:not([open]) > :not(summary)').forEach((part) => part.remove())")
    for scheme in ("light", "dark"):
        docs.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(docs, runOnly=["color-contrast"]) == [], scheme


def violations(docs: Page, **options: object) -> list[tuple[str, str]]:
    """What axe finds: the rule and the first element of each."""
    found = Axe().run(docs, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]
