"""Checks of ours beside schemathesis' own; loaded by it through SCHEMATHESIS_HOOKS."""

import json
import re

import schemathesis
from schemathesis import Case, CheckContext, Response

from service.api.openapi.components import parameters

SAID_BY_NO_SCHEMA = {"too_large", "too_deep", "too_many"}
"""Codes of violations that depend on the whole of a value, or on the task."""

DECIDED_BY_THE_TASK = {"not-publishable", "idempotency-key-reused"}
IF_MATCH = re.compile(parameters()["If-Match"]["schema"]["pattern"])
TOGETHER = ({"version", "at"}, {"from", "to"}, {"from"}, {"to"}, {"cursor"})
"""Parameters that are right by themselves, and refused for one another or for what they hold."""


@schemathesis.check
def only_what_no_schema_says_is_refused(context: CheckContext, response: Response, case: Case) -> None:
    """A request that fits the document gets 400 or 422 only for what JSON Schema cannot say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 415, 422):
        return
    # For this pattern schemathesis sometimes takes the shortest string instead of one that fits.
    if not IF_MATCH.match(str((case.headers or {}).get("If-Match", "*"))):
        return
    problem = json.loads(response.content)
    slug = problem["type"].removeprefix("/problems/")
    if slug in DECIDED_BY_THE_TASK:
        return
    if slug == "validation" and {error["code"] for error in problem["errors"]} <= SAID_BY_NO_SCHEMA:
        return
    if slug == "malformed-parameter" and any(names <= set(case.query or ()) for names in TOGETHER):
        return
    raise AssertionError(f"a request that fits the document was refused: {problem}")


@schemathesis.check
def every_refusal_is_a_problem(context: CheckContext, response: Response, case: Case) -> None:
    """RFC 9457, with the request's id, and nothing of the machine's insides."""
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code
    assert problem["instance"] == f"urn:uuid:{response.headers['x-request-id'][0]}"
    for inside in ("Traceback", "psycopg", "SELECT ", "/service/", ".py"):
        assert inside not in problem["detail"]
