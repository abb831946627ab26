"""Input that no honest client sends: each gets its problem, and records no event (docs/api.md)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from service.http.request import MAX_BODY
from tests.support.harness import Client

JSON = {"Content-Type": "application/json"}


class Draft(NamedTuple):
    """A draft that nothing in a test may change, and its path."""

    id: str
    path: str


@pytest.fixture
def draft(client: Client) -> Iterator[Draft]:
    """Afterwards its history, its view and the list of its user's tasks must be what they were before."""

    def everything() -> tuple[Any, ...]:
        return client.history(task_id), client.get(path).json(), client.get("/api/v1/tasks").json()

    task_id = client.new_draft(title="as it was", requirements={"a": [1, {"b": None}]})
    path = f"/api/v1/tasks/{task_id}"
    before = everything()
    yield Draft(task_id, path)
    assert everything() == before


def refused(response: httpx.Response) -> tuple[int, str]:
    """Status and slug of a problem that is whole."""
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert problem["instance"] == f"urn:uuid:{response.headers['x-request-id']}"
    return response.status_code, problem["type"].removeprefix("/problems/")


def errors(response: httpx.Response) -> dict[str, str]:
    """The codes of a problem by their pointers."""
    return {error["pointer"]: error["code"] for error in response.json()["errors"]}


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * levels + closing * levels


MALFORMED = {
    "nothing": b"",
    "blanks": b" \n",
    "a word": b"title",
    "cut short": b'{"title": "a',
    "a trailing comma": b'{"title": "a",}',
    "single quotes": b"{'title': 'a'}",
    "two values": b'{"title": "a"} {}',
    "a comment": b'{"title": "a"} // why',
    "a byte order mark": b'\xef\xbb\xbf{"title": "a"}',
    "UTF-16": '{"title": "a"}'.encode("utf-16"),
    "Latin-1": b'{"title": "caf\xe9"}',
    "an overlong U+0000": b'{"title": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
    "half a character": b'{"title": "\xf0\x9f\x98"}',
    "an unpaired high surrogate": rb'{"title": "\ud800"}',
    "an unpaired low surrogate": rb'{"title": "\udc00 and on"}',
    "a surrogate in a key": rb'{"requirements": {"\ud83d": 1}}',
    "a surrogate deep down": rb'{"requirements": {"a": [{"b": "\ud83d"}]}}',
    "a surrogate beside a huge number": rb'{"requirements": {"a": "\ud83d", "b": 1e999}}',
    "a raw control character": b'{"title": "a\nb"}',
    "an unknown escape": rb'{"title": "\x41"}',
    "NaN": b'{"budget_usd": NaN}',
    "Infinity": b'{"budget_usd": Infinity}',
    "-Infinity": b'{"requirements": {"a": -Infinity}}',
    "NaN beside a huge number": b'{"requirements": {"a": NaN, "b": 1e999}}',
    "a hexadecimal number": b'{"budget_usd": 0x10}',
    "a leading zero": b'{"budget_usd": 010}',
    "a leading plus": b'{"budget_usd": +10}',
    "no digit after the point": b'{"budget_usd": 10.}',
    "brackets that never close": b'{"requirements": {"a": ' + b"[" * 100_000,
    "brackets that do not match": b'{"requirements": {"a": %s}}' % nested(50_000, closing=b"}"),
    "a string that never ends, deep down": b'{"requirements": {"a": ' + b"[" * 50_000 + b'"' + rb"\"" * 50_000,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_json_in_utf_8_is_malformed(client: Client, draft: Draft, body: bytes) -> None:
    for method, path in [
        ("PATCH", draft.path),
        ("PUT", f"{draft.path}/transcript"),
        ("POST", f"{draft.path}/attachments"),
        ("POST", f"{draft.path}/revert"),
        ("POST", "/api/v1/tasks"),
        ("POST", "/api/v1/tasks/drafts"),
    ]:
        if body == b"" and path.endswith("/drafts"):
            continue
        assert refused(client.request(method, path, content=body, headers=JSON)) == (400, "malformed-json"), path


REFUSED: dict[str, tuple[bytes, dict[str, str]]] = {
    "an array": (b"[]", {"": "type"}),
    "a string": (b'"title"', {"": "type"}),
    "a number": (b"1", {"": "type"}),
    "a huge number": (b"1e999", {"": "type"}),
    "null": (b"null", {"": "type"}),
    "true": (b"true", {"": "type"}),
    "a deep array": (nested(50_000), {"": "type"}),
    "U+0000 in a title": (rb'{"title": "a\u0000b"}', {"/title": "nul_character"}),
    "U+0000 in a description": (rb'{"description": "\u0000"}', {"/description": "nul_character"}),
    "U+0000 in a category": (rb'{"category": "\u0000"}', {"/category": "nul_character"}),
    "U+0000 in a type": (rb'{"task_type": "\u0000"}', {"/task_type": "nul_character"}),
    "U+0000 in a value": (rb'{"requirements": {"a": ["\u0000"]}}', {"/requirements/a/0": "nul_character"}),
    "U+0000 in a key": (rb'{"requirements": {"a~/\u0000": 1}}', {"/requirements/a~0~1\0": "nul_character"}),
    "U+0000 in an unknown field": (rb'{"\u0000": 1}', {"/\0": "unknown_field"}),
    "a number as a string": (b'{"budget_usd": "50"}', {"/budget_usd": "type"}),
    "a string as a number": (b'{"title": 5}', {"/title": "type"}),
    "a boolean as a number": (b'{"budget_usd": true}', {"/budget_usd": "type"}),
    "a boolean between 0 and 1": (b'{"experimentation": true}', {"/experimentation": "type"}),
    "an empty string as a number": (b'{"experimentation": ""}', {"/experimentation": "type"}),
    "a string as an object": (b'{"requirements": "{}"}', {"/requirements": "type"}),
    "below the range": (b'{"budget_usd": 2.999}', {"/budget_usd": "out_of_range"}),
    "above the range": (b'{"budget_usd": 300.0001}', {"/budget_usd": "out_of_range"}),
    "far above the range": (b'{"budget_usd": 1e308}', {"/budget_usd": "out_of_range"}),
    "no double": (b'{"budget_usd": 1e999}', {"/budget_usd": "out_of_range"}),
    "no double, negative": (b'{"budget_usd": -1e999}', {"/budget_usd": "out_of_range"}),
    "a long number": (b'{"budget_usd": ' + b"9" * 5000 + b"}", {"/budget_usd": "out_of_range"}),
    "a negative share": (b'{"experimentation": -1e-300}', {"/experimentation": "out_of_range"}),
    "no double deep down": (b'{"requirements": {"a": [1e999]}}', {"/requirements/a/0": "out_of_range"}),
    "a huge uuid": (b'{"brand_kit_id": "' + b"a" * 100_000 + b'"}', {"/brand_kit_id": "format"}),
    "half a uuid": (b'{"brand_kit_id": "3c90c3cc-0d44"}', {"/brand_kit_id": "format"}),
    "a uuid in braces": (b'{"brand_kit_id": "{3c90c3cc-0d44-4b50-8888-8dd25736052a}"}', {"/brand_kit_id": "format"}),
    "a uuid with U+0000": (
        rb'{"brand_kit_id": "3c90c3cc-0d44-4b50-8888-8dd25736052\u0000"}',
        {"/brand_kit_id": "format"},
    ),
    "a number as a uuid": (b'{"brand_kit_id": 5}', {"/brand_kit_id": "type"}),
    "too long": (b'{"title": "%s"}' % ("🦊" * 201).encode(), {"/title": "too_long"}),
    "an unknown field": (b'{"colour": null}', {"/colour": "unknown_field"}),
    "a read-only field": (b'{"status": "draft", "id": null}', {"/status": "read_only", "/id": "read_only"}),
    "a field in capitals": (b'{"Title": "a"}', {"/Title": "unknown_field"}),
    "33 levels": (b'{"requirements": {"a": %s}}' % nested(32), {"/requirements": "too_deep"}),
    "1,000 levels": (b'{"requirements": {"a": %s}}' % nested(999), {"/requirements": "too_deep"}),
    "100,000 levels": (b'{"requirements": {"a": %s}}' % nested(99_999), {"/requirements": "too_deep"}),
    "30,000 objects": (b'{"requirements": %s1%s}' % (b'{"a":' * 30_000, b"}" * 30_000), {"/requirements": "too_deep"}),
    "too large": (b'{"requirements": {"a": "%s"}}' % (b"x" * 16_400), {"/requirements": "too_large"}),
}


@pytest.mark.parametrize(("body", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_breaks_a_rule_is_named_by_its_pointer(
    client: Client, draft: Draft, body: bytes, expected: dict[str, str]
) -> None:
    for media_type in ("application/json", "application/merge-patch+json"):
        response = client.patch(draft.path, content=body, headers={"Content-Type": media_type})
        assert refused(response) == (422, "validation")
        assert errors(response) == expected
    if "/id" not in expected:
        response = client.post("/api/v1/tasks/drafts", content=body, headers=JSON)
        assert refused(response) == (422, "validation")
        assert errors(response) == expected


def test_only_what_is_wrong_is_listed_beside_what_is_right(client: Client, draft: Draft) -> None:
    response = client.patch(draft.path, json={"title": "right", "budget_usd": 1, "category": "right"})

    assert refused(response) == (422, "validation")
    assert response.json()["errors"] == [
        {"pointer": "/budget_usd", "code": "out_of_range", "message": "From 3 to 300.", "limit": 3, "actual": 1}
    ]


OTHER_BODIES: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "no text": ("PUT", "/transcript", b"{}", {"/text": "required"}),
    "a null text": ("PUT", "/transcript", b'{"text": null}', {"/text": "type"}),
    "U+0000 in a transcript": ("PUT", "/transcript", rb'{"text": "\u0000"}', {"/text": "nul_character"}),
    "a long transcript": ("PUT", "/transcript", b'{"text": "%s"}' % (b"x" * 20_001), {"/text": "too_long"}),
    "a deep transcript": ("PUT", "/transcript", b'{"text": %s}' % nested(100_000), {"/text": "type"}),
    "no reference": ("POST", "/attachments", b"{}", {"/reference": "required"}),
    "an empty reference": ("POST", "/attachments", b'{"reference": ""}', {"/reference": "too_short"}),
    "a long reference": ("POST", "/attachments", b'{"reference": "%s"}' % (b"x" * 2049), {"/reference": "too_long"}),
    "U+0000 in a reference": ("POST", "/attachments", rb'{"reference": "\u0000"}', {"/reference": "nul_character"}),
    "no version": ("POST", "/revert", b"{}", {"/version": "required"}),
    "a boolean version": ("POST", "/revert", b'{"version": true}', {"/version": "type"}),
    "a version as a string": ("POST", "/revert", b'{"version": "1"}', {"/version": "type"}),
    "half a version": ("POST", "/revert", b'{"version": 1.5}', {"/version": "type"}),
    "an unknown field": ("POST", "/revert", b'{"version": 1, "why": ""}', {"/why": "unknown_field"}),
}


@pytest.mark.parametrize(("method", "path", "body", "expected"), OTHER_BODIES.values(), ids=OTHER_BODIES)
def test_the_other_bodies_are_as_strict(
    client: Client, draft: Draft, method: str, path: str, body: bytes, expected: dict[str, str]
) -> None:
    response = client.request(method, draft.path + path, content=body, headers=JSON)

    assert refused(response) == (422, "validation")
    assert errors(response) == expected


@pytest.mark.parametrize("version", [0, -1, 2**31, 2**63, 2**64, -(2**63), 10**400])
def test_a_version_that_never_was_is_not_found(client: Client, draft: Draft, version: int) -> None:
    body = b'{"version": %d}' % version
    assert refused(client.post(f"{draft.path}/revert", content=body, headers=JSON))[0] in (404, 422)
    assert refused(client.get(f"{draft.path}?version={version}"))[0] in (400, 404)


def test_32_levels_are_taken_and_of_a_key_that_comes_twice_the_last_counts(client: Client) -> None:
    task_id = client.new_draft()
    body = b'{"title": "first", "title": "last", "requirements": {"a": %s, "b": 1, "b": 2}}' % nested(31)

    task = client.patch(f"/api/v1/tasks/{task_id}", content=body, headers=JSON).json()

    assert task["title"] == "last"
    assert task["requirements"]["b"] == 2
    assert len(client.history(task_id)) == 3


def padded(size: int) -> bytes:
    """A valid body of so many bytes."""
    return b'{"title": "a"%s}' % (b" " * (size - 14))


def test_a_body_of_256_kib_is_taken(client: Client) -> None:
    path = f"/api/v1/tasks/{client.new_draft()}"

    assert len(padded(MAX_BODY)) == MAX_BODY
    assert client.patch(path, content=padded(MAX_BODY), headers=JSON).status_code == 200
    assert client.patch(path, content=iter([padded(MAX_BODY)]), headers=JSON).status_code == 200


@pytest.mark.parametrize("size", [MAX_BODY + 1, 4 * MAX_BODY])
def test_a_larger_body_is_refused_with_and_without_a_length(client: Client, draft: Draft, size: int) -> None:
    body = padded(size)
    for method, path in [("PATCH", ""), ("POST", "/publish"), ("DELETE", ""), ("POST", "/attachments")]:
        for content in (body, iter([body[:1000], body[1000:]])):
            response = client.request(method, draft.path + path, content=content, headers=JSON)
            assert refused(response) == (413, "body-too-large")


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json-patch+json",
        "application",
        "json",
        "application/json, text/plain",
    ],
)
def test_another_media_type_is_not_supported(client: Client, draft: Draft, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    for method, path in [("PATCH", draft.path), ("POST", "/api/v1/tasks"), ("POST", "/api/v1/tasks/drafts")]:
        response = client.request(method, path, content=b'{"title": "a"}', headers=headers)
        assert refused(response) == (415, "unsupported-media-type")


def test_a_merge_patch_is_for_the_patch_alone(client: Client, draft: Draft) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    for path in ("/api/v1/tasks", "/api/v1/tasks/drafts", f"{draft.path}/revert"):
        response = client.post(path, content=b"{}", headers=headers)
        assert refused(response) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"; x=y']
)
def test_parameters_and_capitals_of_a_media_type_do_not_matter(client: Client, media_type: str) -> None:
    path = f"/api/v1/tasks/{client.new_draft()}"

    assert client.patch(path, content=b'{"title": "a"}', headers={"Content-Type": media_type}).status_code == 200


def test_json_is_utf_8_whatever_charset_is_named(client: Client, draft: Draft) -> None:
    """RFC 8259: the media type has no such parameter, and it has no effect."""
    headers = {"Content-Type": "application/json; charset=iso-8859-1"}

    response = client.patch(draft.path, content=b'{"title": "caf\xe9"}', headers=headers)

    assert refused(response) == (400, "malformed-json")


@pytest.mark.parametrize(
    "task_id",
    [
        "1",
        "null",
        "%00",
        "a" * 36,
        "a" * 5000,
        "3c90c3cc0d444b5088888dd25736052a",
        "3c90c3cc-0d44-4b50-8888-8dd25736052a%0a",
        "%ff",
    ],
)
def test_what_is_no_uuid_is_malformed_on_every_route(client: Client, task_id: str) -> None:
    path = f"{client.base_url}/api/v1/tasks/{task_id}"
    for method, rest in [
        ("GET", ""),
        ("GET", "/history"),
        ("GET", "/transcript"),
        ("GET", "/publish-check"),
        ("DELETE", ""),
        ("POST", "/publish"),
        ("POST", "/restore"),
        ("POST", "/duplicate"),
    ]:
        assert refused(client.request(method, path + rest)) == (400, "malformed-parameter")
    assert refused(client.patch(path, json={})) == (400, "malformed-parameter")


@pytest.mark.parametrize(
    "query",
    [
        "version=x",
        "version=1.0",
        "version=%00",
        "version=%D9%A1",
        "at=yesterday",
        "at=2026-11-23",
        "at=2026-11-23T12:00:00",
        "at=99999-01-01T00:00:00Z",
        "at=2026-02-30T00:00:00Z",
        "version=1&at=2026-11-23T12:00:00Z",
        "a=%00",
        "%00=a",
        "a=%ff",
        "a=%ed%a0%80",
        "&".join(f"a{number}=1" for number in range(200)),
    ],
)
def test_a_query_that_cannot_be_read_is_malformed(client: Client, draft: Draft, query: str) -> None:
    assert refused(client.get(f"{draft.path}?{query}")) == (400, "malformed-parameter")


@pytest.mark.parametrize("query", ["", "reference=", "reference=%00", "reference=" + "x" * 2049])
def test_a_reference_in_a_query_is_checked_as_in_a_body(client: Client, draft: Draft, query: str) -> None:
    assert refused(client.delete(f"{draft.path}/attachments?{query}"))[0] in (400, 422)


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP"])
def test_a_compressed_body_is_an_unsupported_media_type(client: Client, encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}

    response = client.post("/api/v1/tasks/drafts", content=b"{}", headers=headers)

    assert (response.status_code, response.json()["type"]) == (415, "/problems/unsupported-media-type")
