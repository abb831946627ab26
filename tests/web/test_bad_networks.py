"""Whatever the network and the service do, nothing typed is lost or doubled, and the page says nothing untrue."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.people import IMPATIENT, Person, edit, eventually, says, told, watch_words
from tests.support.proxy import Answer, Chaos, Proxy, Request, Slow, Treatment, faithful, refusing, unreachable
from tests.support.typed_sessions import Edit, invented, replayed, texts

OFFLINE = "Offline, kept on this device"


@pytest.mark.parametrize("seed", [3])
def test_hundreds_of_edits_survive_a_network_that_loses_delays_doubles_and_reorders(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy], seed: int
) -> None:
    chaos = Chaos(seed, share=0.4)
    proxy = new_proxy(chaos)
    person = new_person(url=proxy.url)
    person.context.add_init_script(IMPATIENT)
    task_id = person.client.new_draft()
    page = person.open(task_id)
    watch_words(page)
    edits = invented(seed, count=300)
    states = texts(edits)
    for number, each in enumerate(edits):
        edit(page, [each])
        if number % 5 == 0:
            page.keyboard.press("Control+s")
        page.wait_for_timeout(10)
    says(page, "Saved", seconds=60)

    assert page.locator("#description").input_value() == states[-1]
    assert person.description(task_id) == states[-1]
    history = replayed(person.client.history(task_id))
    arrived = [history[version] for version in sorted(history)]
    assert arrived[-1] == states[-1]
    at = -1
    for text in arrived:
        assert text in states[at + 1 :], "recorded twice, or after a newer text, or never typed"
        at = states.index(text, at + 1)
    for moment in told(page):
        if moment["words"] == "Saved":
            assert history[moment["version"]] == moment["text"], "the page said Saved of what was not"  # type: ignore[index]
    saves = [request for request in proxy.seen if request.method == "PATCH"]
    keys: dict[tuple[bytes, str], str] = {}
    for save in saves:
        request = save.body, save.headers["If-Match"]
        assert keys.setdefault(request, save.headers["Idempotency-Key"]) == save.headers["Idempotency-Key"]
    assert len(set(keys.values())) == len(keys), "a key was used for two requests"
    assert chaos.most == 1
    assert len(set(arrived)) > 10, "hardly anything was sent while typing went on"
    assert len(chaos.done) > 4, chaos.done


@pytest.mark.parametrize("status", [500, 503])
def test_a_failing_service_is_called_so_and_gets_the_text_later(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy], status: int
) -> None:
    proxy = new_proxy(refusing(status))
    person = new_person(url=proxy.url)
    person.context.add_init_script(IMPATIENT)
    task_id = person.client.new_draft()
    page = person.open(task_id)
    page.locator("#description").fill("Kept through the trouble")
    says(page, "The service has trouble, kept on this device")
    expect(page.get_by_role("status")).to_have_text("The service has trouble, kept on this device")
    proxy.treatment = faithful
    says(page, "Saved")
    assert person.description(task_id) == "Kept through the trouble"


def test_a_service_that_asks_for_patience_is_left_alone_for_so_long(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy]
) -> None:
    refuse = refusing(429, Retry_After="2")
    saves: list[float] = []

    def treat(request: Request, forward: Callable[[], Answer]) -> Answer | None:
        if request.method != "PATCH":
            return forward()
        saves.append(time.monotonic())
        return refuse(request, forward) if len(saves) == 1 else forward()

    person = new_person(url=new_proxy(treat).url)
    page = person.open(person.client.new_draft())
    page.locator("#description").fill("Not so fast")
    says(page, "Too much at once, kept on this device")
    page.locator("#description").fill("Not so fast, please")
    page.get_by_role("button", name="Try again").click()
    says(page, "Saved")
    assert saves[1] - saves[0] >= 2


@pytest.mark.parametrize("renamed", [lambda tag: tag[:-1] + '-gzip"', lambda tag: None], ids=["renamed", "dropped"])
def test_a_proxy_that_spoils_the_etag_leaves_every_save_acknowledged(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy], renamed: Callable[[str], str | None]
) -> None:
    def spoiling(request: Request, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        spoilt = [(name, renamed(value) if name.lower() == "etag" else value) for name, value in answer.headers]
        answer.headers = [(name, value) for name, value in spoilt if value is not None]
        return answer

    person = new_person(url=new_proxy(spoiling).url)
    task_id = person.client.new_draft()
    page = person.open(task_id)
    for words in ("One", "One and two", "One and two and three"):
        page.locator("#description").fill(words)
        says(page, "Saved")
        assert person.description(task_id) == words


def saves_of(proxy: Proxy) -> list[Request]:
    return [request for request in proxy.seen if request.method == "PATCH"]


def test_an_unanswered_request_is_sent_again_as_the_same_request(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy]
) -> None:
    proxy = new_proxy(faithful)
    person = new_person(url=proxy.url)
    person.context.add_init_script(IMPATIENT)
    task_id = person.client.new_draft()
    page = person.open(task_id)
    # Only saves fail: a page whose poll had failed before would wait with its save.
    proxy.treatment = lambda request, forward: (unreachable if request.method == "PATCH" else faithful)(
        request, forward
    )
    page.locator("#description").fill("One")
    says(page, OFFLINE)
    page.locator("#description").fill("One and more")
    proxy.treatment = faithful
    says(page, "Saved")
    saves = saves_of(proxy)
    keys = [request.headers["Idempotency-Key"] for request in saves]
    assert len(set(keys)) == 2
    first = [request for request in saves if request.headers["Idempotency-Key"] == keys[0]]
    assert len(first) > 1
    assert {request.body for request in first} == {b'{"description":"One"}'}
    assert {request.headers["If-Match"] for request in first} == {'"1"'}
    assert saves[-1].body == b'{"description":"One and more"}'


def test_only_one_request_is_under_way_and_typing_goes_on_meanwhile(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy]
) -> None:
    slow = Slow(0.8)
    proxy = new_proxy(slow)
    person = new_person(url=proxy.url)
    task_id = person.client.new_draft()
    page = person.open(task_id)
    area = page.locator("#description")
    area.fill("start end")
    page.evaluate("() => document.getElementById('description').setSelectionRange(5, 5)")
    area.focus()
    page.keyboard.type(" and middle", delay=120)
    assert area.input_value() == "start and middle end"
    assert page.evaluate("() => document.getElementById('description').selectionStart") == len("start and middle")
    says(page, "Saved")
    assert person.description(task_id) == "start and middle end"
    assert slow.most == 1
    assert slow.statuses == [200] * len(slow.statuses)
    assert len(slow.statuses) > 1


@pytest.mark.parametrize(
    ("media_type", "words"),
    [("text/html", OFFLINE), ("application/json", "The service has trouble, kept on this device")],
)
def test_what_somebody_else_answers_in_the_services_place_acknowledges_nothing(
    new_person: Callable[..., Person], new_proxy: Callable[[Treatment], Proxy], media_type: str, words: str
) -> None:
    proxy = new_proxy(refusing(200, media_type))
    person = new_person(url=proxy.url)
    person.context.add_init_script(IMPATIENT)
    page = person.open(person.client.new_draft())
    page.locator("#description").fill("Hotel network")
    says(page, words)
    proxy.treatment = faithful
    says(page, "Saved")


def test_an_answer_that_takes_longer_than_a_try_is_still_heard(person: Person, new_proxy: Callable[..., Proxy]) -> None:
    def sluggish(request: object, forward: Callable[[], object]) -> object:
        time.sleep(0.8 if getattr(request, "method", "") == "PATCH" else 0)
        return forward()

    proxy = new_proxy(sluggish)
    person.url = proxy.url
    task_id = person.client.new_draft()
    page = person.open()
    state = page.evaluate(
        """async ([id, account]) => {
          const { Autosave } = await import('/static/autosave.js');
          const token = () => sessionStorage.getItem('palimpsest-token');
          const draft = await Autosave.open({ id, account, token, timeout: 300, backoff: 50 });
          const names = [];
          draft.addEventListener('state', ({ detail }) => names.push(detail.name));
          draft.set('description', 'Slow but sure');
          await draft.flush();
          while (draft.state.name !== 'saved') await new Promise((resolve) => setTimeout(resolve, 50));
          await draft.close();
          return { names, version: draft.state.version };
        }""",
        [task_id, str(person.account)],
    )
    assert "offline" in state["names"]
    assert state["names"][-1] == "saved"
    assert state["version"] == 2
    assert [event["version"] for event in person.client.history(task_id)] == [1, 2]


def test_offline_words_are_kept_and_arrive_when_the_network_is_back(person: Person) -> None:
    task_id = person.client.new_draft(description="Before.")
    page = person.open(task_id)
    person.context.set_offline(True)
    page.locator("#description").press("End")
    page.keyboard.type(" During.")
    says(page, OFFLINE)
    assert person.description(task_id) == "Before."
    person.context.set_offline(False)
    says(page, "Saved")
    assert person.description(task_id) == "Before. During."


def test_a_draft_begun_offline_arrives_too(person: Person) -> None:
    page = person.open()
    person.context.set_offline(True)
    page.get_by_role("button", name="New draft").first.click()
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.type("Begun in a tunnel")
    says(page, OFFLINE)
    person.context.set_offline(False)
    says(page, "Saved")
    task_id = re.search(r"#/(.+)$", page.url)[1]  # type: ignore[index]
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["title"] == "Begun in a tunnel"


def test_a_token_that_expires_in_the_middle_asks_without_taking_the_words(person: Person) -> None:
    task_id = person.client.new_draft()
    page = person.open(task_id)
    fresh = page.evaluate("() => sessionStorage.getItem('palimpsest-token')")
    page.route("**/api/**", _unauthorized)
    page.locator("#description").focus()
    page.keyboard.type("Typed by nobody?")
    says(page, "Signed out, kept on this device")
    expect(page.get_by_role("heading", name="Sign in again")).to_be_visible()
    page.keyboard.type(" No, by me.")
    assert page.locator("#description").input_value() == "Typed by nobody? No, by me."
    page.unroute("**/api/**")
    page.get_by_label("Access token").fill(fresh)
    page.get_by_role("button", name="Sign in").click()
    says(page, "Saved")
    assert person.description(task_id) == "Typed by nobody? No, by me."


def _unauthorized(route: Route) -> None:
    problem = '{"type": "/problems/unauthorized", "title": "Unauthorized", "status": 401, "detail": "expired"}'
    route.fulfill(status=401, content_type="application/problem+json", body=problem)


def test_a_write_whose_answer_was_lost_for_days_is_known_as_ones_own(person: Person) -> None:
    """The key is forgotten by then, so the service answers 412; nobody else edited, and so nobody is asked."""
    task_id = person.client.new_draft()
    page = person.open(task_id)
    page.locator("#description").fill("alpha")
    says(page, "Saved")
    lost: list[str] = []

    def unheard(route: Route) -> None:
        request = route.request
        if request.method != "PATCH":
            route.continue_()
        elif not lost:
            lost.append(request.headers["idempotency-key"])
            route.fetch()
            route.abort()
        elif request.headers["idempotency-key"] == lost[0]:
            headers = {**request.headers, "idempotency-key": f"{lost[0]}-forgotten"}
            route.continue_(headers=headers)
        else:
            route.continue_()

    page.route("**/api/**", unheard)
    page.locator("#description").fill("alpha beta")
    eventually(page, lambda: lost, "the first attempt")
    page.locator("#description").fill("alpha gamma")
    says(page, "Saved")
    assert page.locator("#description").input_value() == "alpha gamma"
    assert person.description(task_id) == "alpha gamma"
    history = replayed(person.client.history(task_id))
    assert list(dict.fromkeys(history.values())) == ["", "alpha", "alpha beta", "alpha gamma"]


def unsent(page: Page, account: str) -> list[str]:
    """The drafts that this device has to deliver."""
    found: list[str] = page.evaluate(
        "async account => (await import('/static/autosave.js')).Autosave.unsent(account)", account
    )
    return found


def test_a_browser_that_keeps_nothing_is_not_said_to_keep_it(new_person: Callable[..., Person]) -> None:
    person = new_person()
    person.context.add_init_script(IMPATIENT)
    person.context.add_init_script("""
      delete window.indexedDB;
      delete window.BroadcastChannel;
      delete Navigator.prototype.locks;
    """)
    task_id = person.client.new_draft()
    page = person.open(task_id)
    person.context.set_offline(True)
    page.locator("#description").fill("Only in this page")
    says(page, "Offline, keep this page open")
    person.context.set_offline(False)
    says(page, "Saved")
    assert person.description(task_id) == "Only in this page"


def test_nothing_stays_behind_on_the_device_once_all_is_acknowledged(person: Person) -> None:
    task_id = person.client.new_draft()
    page = person.open(task_id)
    edit(page, [Edit(0, 0, "Delivered")])
    says(page, "Saved")
    eventually(page, lambda: not unsent(page, str(person.account)), "nothing is left")
