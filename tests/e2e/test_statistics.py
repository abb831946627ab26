"""The statistics over HTTP (docs/api.md, Events; definitions in docs/analytics.md)."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from benchmarks.synthetic_log import FIRST_MOMENT, write_log
from domain.events import DraftCreated, DraftDiscarded, DraftFieldChanged, DraftPublished, Event, Recorded
from domain.text import Edit
from service.store.connections import connect
from service.views.projector import Projector
from service.views.statistics import StatisticsView
from tests.support.harness import Client, Server, wait_until

URL = "/api/v1/statistics"
HOUR = 3_600_000_000


class Story:
    """Events of drafts, told hour by hour from the beginning of 2026."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self._versions: dict[int, int] = {}

    def tell(self, draft: int, hour: float, data: Event, cause: Any = "autosave") -> "Story":
        version = self._versions[draft] = self._versions.get(draft, 0) + 1
        at = FIRST_MOMENT + int(hour * HOUR)
        self.events.append(Recorded(UUID(int=draft), version, at, UUID(int=99), "k", cause, data))
        return self


def a_story() -> list[Recorded]:
    """Two days: three drafts are published after 1, 2 and 10 hours and one at once, one discarded, one just left."""
    story = Story()
    for draft, hours in ((1, 1), (2, 2), (3, 10)):
        story.tell(draft, 0, DraftCreated(9), "create")
        for field in range(draft):
            story.tell(draft, 0.5, DraftFieldChanged("title", Edit(field, 0, "x")))
        story.tell(draft, hours, DraftPublished(), "publish")
    story.tell(4, 3, DraftCreated(9), "create").tell(4, 3, DraftPublished(), "publish")
    story.tell(5, 4, DraftCreated(9), "create")
    story.tell(6, 5, DraftCreated(9), "create").tell(6, 25, DraftFieldChanged("budget_usd", value=5))
    story.tell(5, 26, DraftFieldChanged("description", Edit(0, 0, "y"))).tell(5, 27, DraftDiscarded(), "discard")
    return story.events


@pytest.fixture(scope="module")
def analyst(new_database: Callable[[], str], shared_server: Callable[..., Server]) -> Iterator[Client]:
    database = new_database()
    write_log(database, a_story())
    with connect(database) as connection:
        Projector(database, [StatisticsView()]).catch_up(connection)
    with shared_server(PALIMPSEST_DATABASE_URL=database).client(scope="analytics") as client:
        yield client


def test_the_figures_of_a_period_and_its_days(analyst: Client) -> None:
    body = analyst.get(URL, params={"from": "2026-01-01", "to": "2026-01-03"}).json()

    assert (body["from"], body["to"], body["position"]) == ("2026-01-01", "2026-01-03", 19)
    assert body["total"] == {
        "created": 6,
        "published": 4,
        "published_at_once": 1,
        "discarded": 1,
        "expired": 0,
        "edits": 8,
        "edits_per_draft": 1.333,
        "time_to_publish_seconds": {"median": 7200.0, "p90": pytest.approx(8.4 * 3600)},
        "last_field_before_left": {"budget_usd": 1, "description": 1},
        "funnel": {"created": 6, "typed": 6, "publishable": 4, "published": 4},
    }
    first, second, third = body["days"]
    assert [day["day"] for day in body["days"]] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert (first["created"], first["published"], first["edits"], first["discarded"]) == (6, 4, 6, 0)
    assert (second["created"], second["edits"], second["discarded"]) == (0, 2, 1)
    assert second["last_field_before_left"] == {"budget_usd": 1, "description": 1}
    assert second["edits_per_draft"] is None
    assert second["time_to_publish_seconds"] is None
    assert third == {**second, "day": "2026-01-03", "edits": 0, "discarded": 0, "last_field_before_left": {}}


def test_a_day_on_its_own_has_the_figures_that_it_has_in_a_period(analyst: Client) -> None:
    period = analyst.get(URL, params={"from": "2026-01-01T10:00:00Z", "to": "2026-01-02T01:00:00+02:00"}).json()

    assert (period["from"], period["to"]) == ("2026-01-01", "2026-01-01")
    assert {**period["total"], "day": "2026-01-01"} == period["days"][0]


def test_where_nothing_is_said_the_last_thirty_days_are_meant(server: Server) -> None:
    with server.client(scope="audit") as auditor:
        auditor.new_draft()
        wait_until(lambda: auditor.get(URL).json()["total"]["created"], "the view has the draft")

        body = auditor.get(URL).json()

    assert len(body["days"]) == 30
    assert body["days"][-1]["day"] == body["to"]
    assert body["days"][-1]["created"] == body["total"]["created"] > 0


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"to": "2026-01-01T00:00:00"}, "to"),
        ({"to": ""}, "to"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "from"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, "from"),
    ],
)
def test_a_period_that_cannot_be_read_is_refused(server: Server, params: dict[str, str], name: str) -> None:
    with server.client(scope="analytics") as analyst:
        response = analyst.get(URL, params=params)

    assert response.status_code == 400
    assert response.json()["type"] == "/problems/malformed-parameter"
    assert response.json()["detail"].startswith(name)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_are_days(server: Server, day: str) -> None:
    with server.client(scope="analytics") as analyst:
        assert analyst.get(URL, params={"to": day}).status_code == 200
        assert analyst.get(URL, params={"from": day, "to": day}).status_code == 200


def test_the_statistics_need_a_scope(client: Client) -> None:
    assert client.get(URL).status_code == 403
