"""Pages of other origins: none may call the API from a browser, but those that the setting names."""

from collections.abc import Callable

import httpx
import pytest

from tests.support.harness import Client, Server

PAGE = "https://app.example"
ASKING = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}


def cors(answer: httpx.Response) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.startswith("access-control") or name == "vary"
    }


def test_by_default_no_page_of_another_origin_is_let_in(client: Client) -> None:
    assert cors(client.options("/api/v1/tasks", headers=ASKING)) == {}
    assert cors(client.get("/api/v1/tasks", headers={"Origin": PAGE})) == {}


@pytest.fixture
def open_server(shared_server: Callable[..., Server]) -> Server:
    return shared_server(PALIMPSEST_CORS_ORIGINS=f"http://localhost:3000, {PAGE}")


def test_a_page_that_is_named_may_autosave_and_see_what_it_needs(open_server: Server) -> None:
    with open_server.client() as client:
        path = f"/api/v1/tasks/{client.new_draft()}"
        asked = client.options(path, headers=ASKING)
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        for name in ("Authorization", "If-Match", "Idempotency-Key", "Content-Type"):
            assert name in asked.headers["access-control-allow-headers"]

        for answer in (
            client.patch(path, json={"title": "from afar"}, headers={"Origin": PAGE}),
            client.get(path, headers={"Origin": PAGE}),
            client.get(path, headers={"Origin": PAGE, "Authorization": "Bearer x"}),
            client.get("/api/v1/nowhere", headers={"Origin": PAGE}),
        ):
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert answer.headers["vary"] == "origin"
            assert {"ETag", "Retry-After"} <= set(answer.headers["access-control-expose-headers"].split(", "))
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil.example", ""])
def test_other_pages_are_not_let_in_and_caches_are_told(open_server: Server, origin: str) -> None:
    with open_server.client() as client:
        for answer in (
            client.options("/api/v1/tasks", headers={**ASKING, "Origin": origin}),
            client.get("/api/v1/tasks", headers={"Origin": origin}),
            client.get("/api/v1/tasks"),
        ):
            assert cors(answer) == {"vary": "origin"}
