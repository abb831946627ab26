"""Whatever bytes come in where JSON, a token, a header or a query is expected: refused as the contract says, or read.

The short form runs with the other tests; `make fuzz` tries thirty times as much.
"""

import json
import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import Invalid
from service.http import body as schemas
from service.http.auth import Key, Verifier
from service.http.problems import Problem
from service.http.request import Request

SECRET = "a secret of at least thirty-two bytes"
USER = "3c90c3cc-0d44-4b50-8888-8dd25736052a"

SHAPES = {
    "changes": schemas.TASK_CHANGES,
    "new draft": schemas.NEW_DRAFT,
    "new task": schemas.NEW_TASK,
    "transcript": schemas.TRANSCRIPT,
    "attachment": schemas.ATTACHMENT,
    "revert": schemas.REVERT,
}

names = st.sampled_from([name for shape in SHAPES.values() for name in shape.checks]) | st.text(max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from([10**400, -(10**310), 5e-324, 2**63, "x" * 5001, "\0", USER, "\ud800", 3, 300, 0.5])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=20
)
nested = st.integers(1, 3000).map(lambda depth: '{"requirements":' + '{"a":' * depth + "1" + "}" * depth + "}")
documents = st.dictionaries(names, values, max_size=6).map(json.dumps) | values.map(json.dumps) | nested


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document with some bytes changed, cut out or put in."""
    body = bytearray(draw(documents).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"\\u0000"])
        )
    return bytes(body)


def tried(read: Callable[[], Any]) -> Any:
    """What was read, or the refusal; anything else that is raised is a defect."""
    try:
        return read()
    except (Problem, Invalid) as refusal:
        return refusal


@pytest.mark.parametrize("name", SHAPES)
@given(body=damaged() | st.binary(max_size=60))
@example(body=b'{"budget_usd": 1e400}')
@example(body=b'{"title": "\\ud800"}')
@example(body=b'\xef\xbb\xbf{"title": "a byte order mark"}')
@example(body=b'{"title": "a", "title": "b"}')
def test_a_body_is_read_or_refused(name: str, body: bytes) -> None:
    shape = SHAPES[name]
    found = tried(lambda: schemas.read(body, shape))
    if isinstance(found, Invalid):
        assert found.violations
        for violation in found.violations:
            assert violation.pointer == "" or violation.pointer.startswith("/")
            msgspec.json.encode(violation)
        return
    if isinstance(found, Problem):
        assert found.slug == "malformed-json"
        with pytest.raises((ValueError, RecursionError)):
            _strictly(body)
        return
    # What was taken can be stored and rendered: UTF-8 without U+0000, finite numbers, within the limits.
    stored = msgspec.json.encode(found)
    assert b"\\u0000" not in stored
    assert found.keys() <= shape.checks.keys()
    assert all(math.isfinite(found[name]) for name in ("budget_usd",) if isinstance(found.get(name), int | float))
    # Of a repeated key the last counts: the same as the standard library reads.
    expected = json.loads(body)
    for field, value in found.items():
        assert (str(value) if isinstance(value, UUID) else value) == (
            expected[field].lower() if isinstance(value, UUID) else expected[field]
        )


def _strictly(body: bytes) -> Any:
    """RFC 8259 to the letter: UTF-8, no NaN, no unpaired surrogates, nothing too deep to be read."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    value = json.loads(body.decode(), parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()
    if body.startswith(b"\xef\xbb\xbf"):
        raise ValueError("a byte order mark")
    return value


verifier = Verifier([Key("HS256", SECRET)])
claims = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.just(USER) | scalars,
        "exp": st.just(4_000_000_000) | scalars,
        "scope": st.just("audit") | values,
        "nbf": scalars,
        "aud": values,
        "iss": values,
    },
)


def user_of(header: bytes) -> object:
    user = tried(lambda: verifier.user(header))
    if not isinstance(user, Problem):
        return user
    assert user.slug == "unauthorized"
    assert user.headers["www-authenticate"].startswith("Bearer")
    return None


@given(header=st.binary(max_size=200) | st.binary(max_size=200).map(lambda token: b"Bearer " + token))
@example(header=b"Bearer " + b"a" * 100_000)
@example(header=b"Bearer ..")
@example(header=b"Bearer e30.e30.")
def test_bytes_that_are_no_token_let_nobody_in(header: bytes) -> None:
    assert user_of(header) is None


@given(claims=claims)
def test_signed_claims_let_in_only_whom_they_name(claims: dict[str, Any]) -> None:
    try:
        token = jwt.api_jws.encode(json.dumps(claims).encode(), SECRET, algorithm="HS256")
    except ValueError:
        return
    user = user_of(b"Bearer " + token.encode())
    if user is not None:
        assert claims["sub"] == USER or UUID(claims["sub"])
        assert claims["exp"] > 0


@given(at=st.integers(0), new=st.binary(min_size=1, max_size=2), cut=st.integers(0, 2))
def test_a_token_that_was_tampered_with_lets_nobody_else_in(at: int, new: bytes, cut: int) -> None:
    token = jwt.encode({"sub": USER, "exp": 4_000_000_000}, SECRET, algorithm="HS256").encode()
    at %= len(token) + 1
    user = user_of(b"Bearer " + token[:at] + new + token[at + cut :])
    # Bits that base64 leaves over, and blanks at the end, change nothing; all else must be refused.
    assert user in (None, verifier.user(b"Bearer " + token))


@given(header=st.dictionaries(st.sampled_from([b"alg", b"typ", b"kid", b"crit", b"jwk", b"x5u"]), scalars, max_size=4))
@example(header={b"alg": "none"})
@example(header={b"alg": "NONE"})
@example(header={b"alg": "HS512"})
def test_no_header_of_a_token_talks_the_check_out_of_its_algorithm(header: dict[bytes, Any]) -> None:
    head = jwt.utils.base64url_encode(json.dumps({k.decode(): v for k, v in header.items()}).encode())
    body = jwt.utils.base64url_encode(json.dumps({"sub": USER, "exp": 4_000_000_000}).encode())
    for signature in (b"", b"AAAA"):
        assert user_of(b"Bearer " + head + b"." + body + b"." + signature) is None


async def _nothing() -> None:
    raise AssertionError("the body is not asked for")


@given(
    headers=st.dictionaries(
        st.sampled_from([b"if-match", b"if-none-match", b"idempotency-key", b"x-request-id", b"content-type"]),
        st.binary(max_size=40) | st.sampled_from([b'"1"', b'W/"2", "3"', b"*", b'"99999999999999999999"']),
    ),
    query=st.binary(max_size=40) | st.sampled_from([b"version=1", b"at=2026-01-01T00:00:00%2B99:00", b"limit=%00"]),
)
def test_headers_and_queries_are_read_or_refused(headers: dict[bytes, bytes], query: bytes) -> None:
    request = Request(
        {"method": "GET", "path": "/", "query_string": query, "headers": list(headers.items())}, _nothing, lambda: 0
    )
    request.parameters = dict.fromkeys(("version", "at", "limit", "user_id", "reference"), False)
    UUID(request.request_id)
    request.media_type()
    request.matches_none(1)
    for read in (
        request.expected,
        lambda: request.query().version("version"),
        lambda: request.query().moment("at"),
        lambda: request.query().whole("limit", 20, 1, 100),
        lambda: request.query().identifier("user_id"),
        lambda: request.query().required("reference"),
    ):
        found = tried(read)
        assert not isinstance(found, Problem) or found.slug == "malformed-parameter"
