"""The rate limits of docs/api.md, Rate limits: the table alone, and the service in several processes."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from service.api.rings import kind_of
from service.http.rate_limit import ALL, AUTOSAVE, CREATING, LIMITS, MINUTE, PROBES, RateLimit, key_of_address
from service.processes.worker import claim_slot
from tests.support.harness import Client, Server

NOW = 1_800_000_000


def passed(limit: RateLimit, key: int, kind: int, now: int = NOW, tries: int = 2000) -> int:
    return sum(limit.take(key, kind, now).allowed for _ in range(tries))


@pytest.mark.parametrize("kind", [ALL, CREATING, AUTOSAVE])
def test_each_kind_has_its_limit(kind: int) -> None:
    assert passed(RateLimit(), 7, kind) == LIMITS[kind]


def test_creating_counts_among_all_and_autosaves_by_themselves() -> None:
    limit = RateLimit()
    assert passed(limit, 7, CREATING) == LIMITS[CREATING]
    assert passed(limit, 7, AUTOSAVE) == LIMITS[AUTOSAVE]
    assert passed(limit, 7, ALL) == LIMITS[ALL] - LIMITS[CREATING]
    assert passed(limit, 7, CREATING) == 0


def test_what_is_left_is_said_and_the_tighter_limit_counts() -> None:
    limit = RateLimit()
    first = limit.take(7, CREATING, NOW)
    assert (first.limit, first.remaining, first.reset) == (LIMITS[CREATING], LIMITS[CREATING] - 1, MINUTE)
    passed(limit, 7, ALL, tries=LIMITS[ALL] - 10)
    then = limit.take(7, CREATING, NOW + 5)
    assert (then.limit, then.remaining, then.reset) == (LIMITS[ALL], 8, MINUTE - 5)


def test_a_minute_later_all_is_forgotten_and_not_before() -> None:
    limit = RateLimit()
    passed(limit, 7, ALL)
    assert not limit.take(7, ALL, NOW + MINUTE - 1).allowed
    assert passed(limit, 7, ALL, NOW + MINUTE) == LIMITS[ALL]


def test_a_clock_that_was_set_back_locks_no_user_out() -> None:
    limit = RateLimit()
    passed(limit, 7, ALL)
    assert limit.take(7, ALL, NOW - 3600).allowed
    assert limit.take(7, ALL, NOW - 3600).reset <= MINUTE


def test_users_do_not_share_a_limit() -> None:
    limit = RateLimit()
    passed(limit, 7, ALL)
    assert passed(limit, 8, ALL) == LIMITS[ALL]


def test_more_users_than_rows_forget_the_oldest_and_refuse_no_user() -> None:
    limit = RateLimit(rows=PROBES * 4)
    keys = [uuid4().int for _ in range(1000)]
    assert all(limit.take(key, CREATING, NOW).remaining == LIMITS[CREATING] - 1 for key in keys)


def test_processes_share_what_was_counted(tmp_path: Path) -> None:
    processes = [RateLimit(tmp_path / "limits", number, 3) for number in range(3)]
    shared = sum(processes[turn % 3].take(7, ALL, NOW).allowed for turn in range(1000))
    assert shared == LIMITS[ALL]
    assert [passed(process, 7, ALL, NOW + MINUTE) for process in processes] == [LIMITS[ALL], 0, 0]


def test_a_successor_goes_on_counting(tmp_path: Path) -> None:
    passed(RateLimit(tmp_path / "limits", 0, 2), 7, ALL, tries=100)
    assert passed(RateLimit(tmp_path / "limits", 0, 2), 7, ALL) == LIMITS[ALL] - 100


def test_slots_are_given_out_once(tmp_path: Path) -> None:
    assert [claim_slot(tmp_path, 2).number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="taken"):
        claim_slot(tmp_path, 2)


def test_addresses_of_one_ipv6_network_are_one() -> None:
    assert key_of_address("2001:db8::1") == key_of_address("2001:db8::ffff:2")
    assert key_of_address("2001:db8::1") != key_of_address("2001:db8:0:1::1")
    assert key_of_address("192.0.2.1") != key_of_address("192.0.2.2")


def test_what_creates_a_task_counts_as_creating() -> None:
    creating = ["/api/v1/tasks", "/api/v1/tasks/drafts", f"/api/v1/tasks/{uuid4()}/duplicate"]
    assert {kind_of("POST", path) for path in creating} == {CREATING}
    assert kind_of("POST", f"/api/v1/tasks/{uuid4()}/publish") == ALL
    assert kind_of("GET", "/api/v1/tasks") == ALL


@pytest.fixture
def limited(shared_server: Callable[..., Server]) -> Server:
    return shared_server(PALIMPSEST_RATE_LIMIT="on", PALIMPSEST_WORKERS="2")


def test_the_service_says_what_is_left_and_refuses_what_is_too_much(limited: Server) -> None:
    with limited.client() as client:
        client.headers["connection"] = "close"  # so that both processes are met
        answers = [client.post("/api/v1/tasks/drafts") for _ in range(LIMITS[CREATING] + 3)]
        # Two processes may count the same moment: one too many for each at most.
        created = [answer for answer in answers if answer.status_code == 201]
        assert LIMITS[CREATING] <= len(created) <= LIMITS[CREATING] + 1
        first, refused = answers[0], answers[-1]
        assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("60", "59")
        assert refused.status_code == 429
        assert refused.json()["type"] == "/problems/too-many-requests"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 0 < int(refused.headers["retry-after"]) <= MINUTE
        assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"]

        task = created[0].json()["id"]
        saved = client.patch(f"/api/v1/tasks/{task}", json={"title": "still typing"})
        assert (saved.status_code, saved.headers["x-ratelimit-limit"]) == (200, "1200")
        assert client.get(f"/api/v1/tasks/{task}").headers["x-ratelimit-limit"] == "300"


def test_without_a_token_the_address_counts_and_exempt_paths_do_not(limited: Server) -> None:
    with Client(base_url=limited.url) as stranger:
        answers = [stranger.get("/api/v1/tasks") for _ in range(LIMITS[ALL] + 3)]
        assert [answers[0].status_code, answers[-1].status_code] == [401, 429]
        for path in ("/health/live", "/health/ready", "/problems/too-many-requests", "/nowhere"):
            assert "x-ratelimit-limit" not in stranger.get(path).headers
        assert "x-ratelimit-limit" not in stranger.options("/api/v1/tasks").headers
    with limited.client() as client:
        assert client.get("/api/v1/tasks").status_code == 200
