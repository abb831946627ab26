"""The autosave client as another frontend would use it, without the compose page."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.support.people import Person, says

OPEN = """
async ([id, account, options]) => {
  const { Autosave } = await import('/static/autosave.js');
  window.states = [];
  window.token = sessionStorage.getItem('palimpsest-token');
  window.draft = await Autosave.open({ id, account, token: () => window.token, ...options });
  window.draft.addEventListener('state', ({ detail }) => window.states.push(detail));
}
"""


def open_client(person: Person, task_id: str, **options: Any) -> Page:
    """A page with the client on this draft as `draft`."""
    page = person.open()
    page.evaluate(OPEN, [task_id, str(person.account), options])
    return page


def test_a_value_that_the_service_refuses_is_told_and_holds_no_other_up(person: Person) -> None:
    task_id = person.client.new_draft()
    page = open_client(person, task_id)
    state = page.evaluate("""async () => {
      draft.set('title', 'x'.repeat(201));
      draft.set('description', 'fine');
      return draft.flush();
    }""")
    assert state["name"] == "rejected"
    assert [(error["pointer"], error["limit"]) for error in state["errors"]] == [("/title", 200)]
    assert person.description(task_id) == "fine"
    before = person.client.history(task_id)
    assert page.evaluate("() => draft.flush()")["name"] == "rejected"
    assert person.client.history(task_id) == before
    assert page.evaluate("() => { draft.set('title', 'short'); return draft.flush(); }")["name"] == "saved"


def test_a_token_that_runs_out_is_renewed_without_a_word(person: Person) -> None:
    task_id = person.client.new_draft()
    page = person.open()
    result = page.evaluate(
        """async ([id, account]) => {
          const { Autosave } = await import('/static/autosave.js');
          const good = sessionStorage.getItem('palimpsest-token');
          let token = good;
          let renewed = 0;
          const names = [];
          const source = ({ refresh }) => {
            if (refresh) { renewed++; token = good; }
            return token;
          };
          const draft = await Autosave.open({ id, account, token: source });
          draft.addEventListener('state', ({ detail }) => names.push(detail.name));
          token = good.slice(0, -4) + 'AAAA';
          draft.set('description', 'Typed with an old token');
          await draft.flush();
          return { names, renewed };
        }""",
        [task_id, str(person.account)],
    )
    assert result["names"] == ["saving", "saved"]
    assert result["renewed"] == 1
    assert person.description(task_id) == "Typed with an old token"


def test_states_carry_the_acknowledged_version(person: Person) -> None:
    page = open_client(person, person.client.new_draft())
    states = page.evaluate("async () => { draft.set('title', 'T'); await draft.flush(); return states; }")
    assert states[0]["name"] == "saving"
    assert (states[0]["version"], states[0]["unsent"]) == (1, ["title"])
    assert (states[-1]["name"], states[-1]["version"], states[-1]["unsent"]) == ("saved", 2, [])


def test_publishing_waits_for_what_is_typed(person: Person) -> None:
    task_id = person.client.new_draft(category="c", task_type="t", budget_usd=5)
    page = open_client(person, task_id)
    task = page.evaluate("""() => {
      draft.set('description', 'Typed in the same moment as Publish.');
      return draft.command('POST', '/publish', { complete: true });
    }""")
    assert task["status"] == "open"
    assert task["description"] == "Typed in the same moment as Publish."
    assert page.evaluate("() => [draft.values.title, draft.state.name]") == [task["title"], "saved"]


def test_publishing_does_not_go_over_somebody_elses_change(person: Person) -> None:
    task_id = person.client.new_draft(
        description="Long enough to be published.", category="c", task_type="t", budget_usd=5
    )
    page = open_client(person, task_id, poll=0)
    person.client.patch(f"/api/v1/tasks/{task_id}", json={"budget_usd": 300})
    slug = page.evaluate("() => draft.command('POST', '/publish', { complete: true }).catch(({ slug }) => slug)")
    assert slug == "version-mismatch"
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "draft"
    assert page.evaluate("() => draft.values.budget_usd") == 300


def test_half_an_emoji_is_no_reason_to_stop_saving(person: Person) -> None:
    task_id = person.client.new_draft()
    page = open_client(person, task_id)
    assert page.evaluate("() => { draft.set('title', 'a\\ud83d'); return draft.flush(); }")["name"] == "saved"
    assert person.client.get(f"/api/v1/tasks/{task_id}").json()["title"] == "a\ufffd"


def test_a_word_being_composed_is_left_alone_and_others_words_come_after(person: Person) -> None:
    task_id = person.client.new_draft(description="First.\n\nLast.")
    page, other = person.open(task_id), person.open(task_id)
    page.bring_to_front()
    area = page.locator("#description")
    area.press("Control+End")
    devtools = person.context.new_cdp_session(page)
    devtools.send("Input.imeSetComposition", {"text": "にほ", "selectionStart": 2, "selectionEnd": 2})
    expect(area).to_have_value("First.\n\nLast.にほ")
    other.locator("#description").fill("Note: First.\n\nLast.にほ")
    other.locator("#title").fill("Has arrived")
    expect(page.locator("#title")).to_have_value("Has arrived")
    expect(area).to_have_value("First.\n\nLast.にほ")
    devtools.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    devtools.send("Input.insertText", {"text": "日本"})
    expect(area).to_have_value("Note: First.\n\nLast.日本")
    assert area.evaluate("(area) => area.selectionStart === area.value.length")
    says(page, "Saved")
    assert person.description(task_id) == "Note: First.\n\nLast.日本"
