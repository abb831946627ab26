"""The analytics page: its numbers are those of the statistics, its stream is live, and everybody can read it."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.harness import Client, Server
from tests.support.people import IMPATIENT, eventually
from tests.web.conftest import CALM
from tests.web.test_page import DESK, PHONE, examine

COMPLETE = {"category": "Design", "task_type": "Poster", "budget_usd": 50, "description": "A poster about the sea."}


@pytest.fixture(scope="module")
def analyst(server: Server) -> Iterator[Client]:
    """Somebody who may see statistics and events without their text."""
    with server.client(scope="analytics") as client:
        yield client


@pytest.fixture(scope="module")
def drafts(server: Server, analyst: Client) -> list[str]:
    """Drafts at every step, already in the statistics: empty, typed, publishable and published."""
    with server.client() as writer:
        made = [writer.new_draft(), writer.new_draft(title="Typed"), writer.new_draft(**COMPLETE)]
        for number in range(3):
            made.append(writer.new_draft(title=f"Poster {number}"))
            writer.patch(f"/api/v1/tasks/{made[-1]}", json=COMPLETE).raise_for_status()
            writer.post(f"/api/v1/tasks/{made[-1]}/publish").raise_for_status()
    return made


@pytest.fixture
def open_page(chromium: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Opens the page with a token of a scope; what its console complains about fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_with(scope: str = "analytics", query: str = "", script: str = "", **context: Any) -> Page:
        contexts.append(chromium.new_context(**{**CALM, **context}))
        contexts[-1].add_init_script(script)
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
        token = server.bearer(uuid4(), scope).removeprefix("Bearer ")
        page.goto(f"{server.url}/analytics{query}#token={token}")
        return page

    yield open_with
    for each in contexts:
        each.close()
    assert not errors


def statistics(analyst: Client, page: Page, drafts: list[str], **period: str) -> dict[str, Any]:
    """What the service answers, once it has followed all that has happened."""
    head = analyst.get("/api/v1/events", params={"limit": 1}).json()["head"]
    answer: dict[str, Any] = {}

    def has_followed() -> bool:
        answer.update(analyst.get("/api/v1/statistics", params=period).json())
        return bool(answer["position"] >= head)

    eventually(page, has_followed, f"the statistics follow {len(drafts)} drafts")
    return answer


def table(page: Page, name: str) -> dict[str, list[float | None]]:
    """The numbers of a table by the name of their row, null where it has a dash."""
    rows: list[tuple[str, list[float | None]]] = page.evaluate(
        """(id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => [
          row.cells[0].textContent,
          [...row.cells].slice(1).map((cell) => cell.querySelector('data') && Number(cell.querySelector('data').value)),
        ])""",
        name,
    )
    return dict(rows)


def test_the_tables_say_what_the_statistics_say(
    open_page: Callable[..., Page], analyst: Client, drafts: list[str]
) -> None:
    page = open_page()
    expected = statistics(analyst, page, drafts)
    page.reload()
    expect(page.locator("#followed")).to_contain_text(f"as of event {expected['position']:,}")

    figures = ("created", "published", "published_at_once", "discarded", "expired", "edits", "edits_per_draft")
    activity = table(page, "activity-table")
    assert activity.pop("Whole period") == [expected["total"][name] for name in figures]
    assert activity == {day["day"]: [day[name] for name in figures] for day in expected["days"]}

    funnel = {name.lower(): numbers[0] for name, numbers in table(page, "funnel-table").items()}
    assert funnel == expected["total"]["funnel"]
    assert funnel["created"] > funnel["typed"] > funnel["publishable"] > funnel["published"] >= 3

    left = [numbers[0] for numbers in table(page, "left-table").values()]
    assert left == list(expected["total"]["last_field_before_left"].values())

    time = expected["total"]["time_to_publish_seconds"]
    assert table(page, "time-table")["Whole period"] == [time["median"], time["p90"]]
    for name in ("activity", "edits", "funnel", "left", "time"):
        expect(page.locator(f"#{name}-chart").get_by_role("img")).to_be_visible()


def test_events_arrive_live_and_the_figures_follow(
    open_page: Callable[..., Page], client: Client, drafts: list[str]
) -> None:
    page = open_page(script=IMPATIENT)
    expect(page.locator("#live-words")).to_have_text("Connected")
    before = table(page, "activity-table")["Whole period"][0]
    task_id = client.new_draft(title="Seen at once")
    expect(page.locator("#events li").filter(has_text=task_id[:8])).to_have_count(2)
    expect(page.locator("#events")).not_to_contain_text("Seen at once")
    expect(page.locator("#events li").first).to_contain_text("+12")
    eventually(page, lambda: table(page, "activity-table")["Whole period"][0] == before + 1, "the figures follow")
    expect(page.get_by_role("status")).to_contain_text("new event", timeout=15_000)
    positions = page.locator("#events li").evaluate_all("(all) => all.map((each) => Number(each.dataset.position))")
    assert positions == sorted(positions, reverse=True)


def test_what_is_typed_into_a_field_stands_in_one_row(
    open_page: Callable[..., Page], client: Client, drafts: list[str]
) -> None:
    page = open_page()
    expect(page.locator("#live-words")).to_have_text("Connected")
    task_id, other = client.new_draft(), client.new_draft()
    for text in ("S", "Se", "Sea", "Se"):
        for each in (task_id, other):
            client.patch(f"/api/v1/tasks/{each}", json={"title": text}).raise_for_status()
    client.patch(f"/api/v1/tasks/{task_id}", json={"description": "W"}).raise_for_status()
    rows = page.locator("#events li").filter(has_text=task_id[:8])
    expect(rows.locator(".what")).to_have_text(["Edited description", "Edited title × 4", "Created"])  # noqa: RUF001
    expect(rows.locator(".size")).to_have_text(["+1", "+3 −1", ""])  # noqa: RUF001


def test_the_pages_lead_to_each_other_for_those_who_may_see_both(
    open_page: Callable[..., Page], chromium: Browser, server: Server, drafts: list[str]
) -> None:
    page = open_page("audit", viewport=PHONE)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Drafts").click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    examine(page, "the drafts of who may see analytics")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Analytics").click()
    expect(page.get_by_role("heading", name="Analytics", exact=True)).to_be_visible()

    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.url}/#token={server.bearer(uuid4()).removeprefix('Bearer ')}")
        expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
        expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()


def test_a_lost_network_is_told_at_once_and_nothing_of_the_meantime_is_missing(
    open_page: Callable[..., Page], client: Client, drafts: list[str]
) -> None:
    page = open_page()
    expect(page.locator("#live-words")).to_have_text("Connected")
    page.context.set_offline(True)
    expect(page.locator("#live-words")).to_have_text("Connection lost, trying again")
    task_id = client.new_draft()
    page.context.set_offline(False)
    expect(page.locator("#live-words")).to_have_text("Connected")
    expect(page.locator("#events li").filter(has_text=task_id[:8])).to_have_count(1)


def test_figures_that_cannot_be_read_now_are_told_and_read_again(
    open_page: Callable[..., Page], drafts: list[str]
) -> None:
    page = open_page(script=IMPATIENT)
    expect(page.locator("#live-words")).to_have_text("Connected")
    page.route("**/api/v1/**", lambda route: route.abort())
    page.get_by_role("button", name="7 days").click()
    expect(page.locator("#followed")).to_contain_text("The service does not answer.")
    examine(page, "no answer")
    page.unroute("**/api/v1/**")
    expect(page.locator("#followed")).to_contain_text("as of event")


def test_a_paused_stream_stands_still_and_says_what_it_holds_back(
    open_page: Callable[..., Page], client: Client, drafts: list[str]
) -> None:
    page = open_page()
    expect(page.locator("#live-words")).to_have_text("Connected")
    expect(page.locator("#events")).to_contain_text(client.new_draft()[:8])  # all that came before has come
    page.get_by_role("button", name="Pause").click()
    task_id = client.new_draft()
    expect(page.get_by_role("button", name="Resume (1 new)")).to_be_visible()
    expect(page.locator("#events")).not_to_contain_text(task_id[:8])
    page.get_by_role("button", name="Resume (1 new)").click()
    expect(page.locator("#events li").first).to_contain_text(task_id[:8])
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_period_is_chosen_kept_in_the_address_and_refused_with_a_reason(
    open_page: Callable[..., Page], analyst: Client, drafts: list[str]
) -> None:
    page = open_page()
    expect(page.locator("#activity-table tbody tr")).to_have_count(31)
    expect(page.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="7 days").click()
    expect(page.locator("#activity-table tbody tr")).to_have_count(8)
    today = datetime.now(UTC).date()
    page.get_by_label("From", exact=True).fill(str(today - timedelta(days=1)))
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#activity-table tbody tr")).to_have_count(3)
    page.reload()
    expect(page.locator("#activity-table tbody tr")).to_have_count(3)
    page.get_by_label("From", exact=True).fill(str(today + timedelta(days=2)))
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#range-error")).to_have_text("from must not be later than to.")


@pytest.mark.parametrize("scope", ["", "publish"])
def test_a_token_without_the_scope_is_told_so_and_another_can_be_pasted(
    open_page: Callable[..., Page], analyst: Client, scope: str
) -> None:
    page = open_page(scope)
    expect(page.get_by_role("alert").first).to_contain_text("neither the scope “analytics” nor “audit”")
    expect(page.locator("#analytics")).to_be_hidden()
    page.get_by_label("Access token").fill(analyst.headers["Authorization"].removeprefix("Bearer "))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Analytics", exact=True)).to_be_visible()


def test_a_token_that_is_not_accepted_is_told(open_page: Callable[..., Page], analyst: Client) -> None:
    page = open_page()
    expect(page.locator("#live-words")).to_have_text("Connected")
    page.get_by_role("button", name="Sign out").click()
    forged = analyst.headers["Authorization"].removeprefix("Bearer ")[:-6] + "AAAAAA"
    page.get_by_label("Access token").fill(forged)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("This token is not accepted here")


def test_an_auditor_can_go_on_to_the_history(open_page: Callable[..., Page], client: Client) -> None:
    page = open_page("audit")
    expect(page.locator("#live-words")).to_have_text("Connected")
    task_id = client.new_draft(title="Not shown")
    link = page.locator("#events").get_by_role("link", name=task_id[:8]).first
    expect(link).to_have_attribute("href", f"/replay/{task_id}")
    expect(page.locator("#events")).not_to_contain_text("Not shown")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(open_page: Callable[..., Page], drafts: list[str], viewport: dict[str, int]) -> None:
    page = open_page(viewport=viewport)
    expect(page.locator("#live-words")).to_have_text("Connected")
    expect(page.locator("#events li").first).to_be_visible()
    examine(page, "the figures")
    for summary in page.locator("details summary").all():
        summary.click()
    examine(page, "the tables")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    page.get_by_role("button", name=re.compile("Sign out")).click()
    expect(page.get_by_label("Access token")).to_be_visible()
    examine(page, "signing in")
