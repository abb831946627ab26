"""What goes wrong around the autosave client: its storage, its token, the device's clock, a form that is another."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.support.people import IMPATIENT, Person, eventually
from tests.support.typed_sessions import replayed
from tests.web.test_client import open_client

PROBLEM = '{"type": "/problems/store-unavailable", "title": "Unavailable", "status": 503, "detail": "later"}'


def unavailable(page: Page, **headers: str) -> list[str]:
    """From now on no save succeeds; returns the list in which their keys are noted."""
    keys: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        keys.append(route.request.headers["idempotency-key"])
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        route.fulfill(status=503, content_type="application/problem+json", headers=named, body=PROBLEM)

    page.route("**/api/**", refuse)
    return keys


def state(page: Page) -> Any:
    return page.evaluate("() => draft.state")


def comes_to(page: Page, name: str) -> None:
    """Wait until the client is in this state."""
    page.wait_for_function("name => draft.state.name === name", arg=name)


def test_a_token_that_never_comes_is_not_waited_for_for_ever(person: Person) -> None:
    task_id = person.client.new_draft()
    page = open_client(person, task_id, poll=0, timeout=300, backoff=50)
    page.evaluate("""() => {
      const good = window.token;
      window.token = new Promise(() => {});
      window.healed = () => { window.token = good; };
      draft.set('title', 'Typed while nobody gave a token');
    }""")
    comes_to(page, "offline")
    page.evaluate("() => healed()")
    comes_to(page, "saved")
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["title"] == "Typed while nobody gave a token"


def test_a_token_that_cannot_be_fetched_now_is_asked_for_again(person: Person) -> None:
    """Without a network, `fetch` throws in the page's own callback; that signs nobody out."""
    task_id = person.client.new_draft()
    page = person.open()
    page.evaluate(
        """async ([id, account]) => {
          const { Autosave } = await import('/static/autosave.js');
          window.reachable = true;
          const token = async () => {
            if (!window.reachable) throw new TypeError('Failed to fetch');
            return sessionStorage.getItem('palimpsest-token');
          };
          window.draft = await Autosave.open({ id, account, token, poll: 0, backoff: 50 });
          window.reachable = false;
          draft.set('title', 'T');
        }""",
        [task_id, str(person.account)],
    )
    page.wait_for_function("() => draft.state.name === 'offline' && draft.state.trouble.attempts > 1")
    page.evaluate("() => { reachable = true; }")
    comes_to(page, "saved")


def test_a_clock_that_is_put_back_stops_nothing(person: Person) -> None:
    page = open_client(person, person.client.new_draft(), poll=100, backoff=50)
    unavailable(page, Retry_After="1")
    page.evaluate("() => draft.set('title', 'T')")
    comes_to(page, "error")
    page.unroute("**/api/**")
    page.evaluate("""() => {
      const now = Date.now;
      Date.now = () => now() - 86_400_000;
    }""")
    comes_to(page, "saved")


@pytest.mark.parametrize(
    "headers", [{"Retry_After": "3000000"}, {"Retry_After": "Wed, 21 Oct 2099 07:28:00 GMT"}], ids=["seconds", "date"]
)
def test_a_service_that_asks_for_weeks_is_not_asked_at_once(person: Person, headers: dict[str, str]) -> None:
    """A timer of more than 24 days fires at once in every browser."""
    page = open_client(person, person.client.new_draft(), poll=0, backoff=50)
    keys = unavailable(page, **headers)
    page.evaluate("""() => {
      window.delays = [];
      const set = window.setTimeout;
      window.setTimeout = (work, delay) => { window.delays.push(delay); return set(work, delay); };
      draft.set('title', 'T');
    }""")
    comes_to(page, "error")
    page.wait_for_function("() => delays.some((delay) => delay > 1_000_000)")
    assert len(keys) == 1
    assert page.evaluate("() => Math.max(...delays)") < 2**31


def test_a_date_to_come_back_at_is_read_by_the_services_clock(person: Person) -> None:
    page = open_client(person, person.client.new_draft(), poll=0, backoff=50)
    unavailable(page, Date="Wed, 21 Oct 2099 07:28:00 GMT", Retry_After="Wed, 21 Oct 2099 07:28:30 GMT")
    page.evaluate("() => draft.set('title', 'T')")
    comes_to(page, "error")
    left = page.evaluate("() => draft.state.trouble.notBefore - Date.now()")
    assert 20_000 < left <= 30_000


def test_storage_that_does_not_open_is_not_waited_for(person: Person) -> None:
    task_id = person.client.new_draft()
    person.context.add_init_script("IDBFactory.prototype.open = () => ({});" + IMPATIENT)
    page = open_client(person, task_id, poll=0)
    after = page.evaluate("() => { draft.set('title', 'T'); return draft.flush(); }")
    assert (after["name"], after["kept"]) == ("saved", False)


FULL_DISK = """() => {
  IDBObjectStore.prototype.put = function () { this.transaction.abort(); return {}; };
}"""


def test_a_disk_that_is_full_in_the_middle_is_told_and_loses_nothing(person: Person) -> None:
    task_id = person.client.new_draft()
    page = open_client(person, task_id, poll=0, backoff=50)
    unavailable(page)
    page.evaluate("() => draft.set('title', 'Before')")
    comes_to(page, "error")
    assert state(page)["kept"]
    page.evaluate(FULL_DISK)
    page.evaluate("() => draft.set('title', 'Before and after')")
    page.wait_for_function("() => !draft.state.kept")
    page.unroute("**/api/**")
    comes_to(page, "saved")
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["title"] == "Before and after"
    person.errors.clear()  # the console's warning that nothing is kept


def test_an_older_copy_of_what_was_kept_takes_no_key_again(person: Person) -> None:
    """As after a disk that was full for a while, or a profile that came back from a backup."""
    task_id = person.client.new_draft()
    page = open_client(person, task_id, poll=0)
    page.evaluate(FULL_DISK)
    for title in ("Red", "Green"):
        page.evaluate("title => { draft.set('title', title); return draft.flush(); }", title)
    person.errors.clear()
    page.close()
    page = open_client(person, task_id, poll=0)
    assert page.evaluate("() => draft.values.title") == "Green"
    assert page.evaluate("() => { draft.set('title', 'Red'); return draft.flush(); }")["name"] == "saved"
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["title"] == "Red"
    assert list(replayed(person.client.history(task_id), "title").values()) == ["", "Red", "Green", "Red"]


def test_letting_go_while_a_change_is_kept_is_no_trouble(person: Person) -> None:
    page = open_client(person, person.client.new_draft(), poll=0)
    page.evaluate("""async () => {
      for (let round = 0; round < 20; round++) {
        draft.set('title', `T${round}`);
        const closing = draft.close();
        const refreshing = draft.refresh();
        await closing;
        await Promise.all([refreshing, draft.refresh(), draft.retry()]);
      }
    }""")
    assert person.errors == []


def test_nobody_is_told_that_others_changed_what_nobody_changed(person: Person) -> None:
    page = open_client(person, person.client.new_draft(requirements={"a": [1]}), poll=0)
    told = page.evaluate("""async () => {
      const told = [];
      draft.addEventListener('values', ({ detail }) => told.push(detail));
      draft.set('title', 'T');
      draft.set('requirements', { a: [2], b: { c: null } });
      await draft.flush();
      await draft.refresh();
      draft.set('title', 'Ti');
      await draft.flush();
      return told;
    }""")
    assert told == []


def test_a_form_with_more_fields_takes_up_what_one_with_fewer_kept(person: Person) -> None:
    """As after an update of the page."""
    task_id = person.client.new_draft(category="Design", description="D")
    page = person.open()
    result = page.evaluate(
        """async ([id, account]) => {
          const { Autosave, TASK_FIELDS } = await import('/static/autosave.js');
          const token = () => sessionStorage.getItem('palimpsest-token');
          const { title } = TASK_FIELDS;
          const old = await Autosave.open({ id, account, token, fields: { title }, poll: 0 });
          old.set('title', 'T');
          await old.close();
          window.draft = await Autosave.open({ id, account, token, poll: 0 });
          return { state: draft.state, values: draft.values };
        }""",
        [task_id, str(person.account)],
    )
    assert result["state"]["name"] == "saved"
    assert (result["values"]["category"], result["values"]["description"]) == ("Design", "D")
    assert len(person.client.history(task_id)) == 4


def test_whoever_types_the_other_version_is_not_asked_again(person: Person) -> None:
    task_id = person.client.new_draft(description="The colour is red.")
    page = open_client(person, task_id, poll=0)
    unavailable(page)
    page.evaluate("() => draft.set('description', 'The colour is green.')")
    comes_to(page, "error")
    person.client.patch(f"/api/v1/tasks/{task_id}", json={"description": "The colour is blue."})
    page.unroute("**/api/**")
    page.evaluate("() => draft.retry()")
    comes_to(page, "conflict")
    page.evaluate("() => draft.set('description', 'The colour is blue.')")
    eventually(page, lambda: state(page)["name"] == "saved", "no question is left")
    page.evaluate("() => draft.flush()")
    page.evaluate("() => draft.set('description', 'The colour is blue. Or not.')")
    assert page.evaluate("() => draft.flush()")["name"] == "saved"
    assert person.description(task_id) == "The colour is blue. Or not."


def test_a_select_is_tied_like_an_input_and_nothing_is_shown_as_nothing(person: Person) -> None:
    task_id = person.client.new_draft(category="Music")
    page = open_client(person, task_id, poll=0)
    shown = page.evaluate("""() => {
      document.body.insertAdjacentHTML('afterbegin',
        '<select id="pick"><option>Design<option>Music<option>Print</select><input id="kit">');
      draft.bind('category', document.getElementById('pick'));
      draft.bind('brand_kit_id', document.getElementById('kit'));
      return [document.getElementById('pick').value, document.getElementById('kit').value];
    }""")
    assert shown == ["Music", ""]
    page.locator("#pick").focus()
    person.client.patch(f"/api/v1/tasks/{task_id}", json={"category": "Print"})
    page.evaluate("() => draft.refresh()")
    assert page.locator("#pick").input_value() == "Print"
    page.locator("#pick").select_option("Design")
    assert page.evaluate("() => draft.flush()")["name"] == "saved"
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["category"] == "Design"
