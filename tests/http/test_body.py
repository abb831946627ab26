"""Bodies of any kind: every violation is found in work that the size of the body bounds."""

import json
from typing import Any

import pytest

from domain.errors import MAX_VIOLATIONS, Invalid
from service.http import body as bodies
from service.http.body import MAX_POINTER, NEW_DRAFT, TASK_CHANGES, TASK_PATCH, Shape
from service.http.problems import Problem


def refusal(body: bytes | dict[str, Any], shape: Shape = TASK_CHANGES) -> Invalid:
    with pytest.raises(Invalid) as refused:
        bodies.read(body if isinstance(body, bytes) else json.dumps(body).encode(), shape)
    return refused.value


def array(item: bytes, count: int) -> bytes:
    return b'{"requirements":{"a":[' + b",".join([item] * count) + b"]}}"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"requirements": {"k" * 120_000: [0] * 20_000}}).encode(),
        array(b'"\\u0000"', 16_000),
        array(b"1e999", 20_000),
        array(b"{}", 60_000),
    ],
    ids=["long pointers", "nul characters", "huge numbers", "many values"],
)
def test_requirements_are_measured_before_they_are_looked_through(body: bytes) -> None:
    refused = refusal(body)

    assert [(one.pointer, one.code) for one in refused.violations] == [("/requirements", "too_large")]


@pytest.mark.parametrize(
    ("body", "at_least"),
    [
        (array(b'"\\u0000"', 1_500), 101),
        ({"requirements": {f"{number}\0": 1 for number in range(900)}}, 101),
        ({f"field{number}": 1 for number in range(15_000)}, 15_000),
        ({"y" * 2_000 + str(number): 1 for number in range(120)}, 120),
    ],
    ids=["values", "keys", "unknown fields", "long names"],
)
def test_at_most_a_hundred_violations_are_listed_with_pointers_of_bounded_length(
    body: bytes | dict[str, Any], at_least: int
) -> None:
    refused = refusal(body)

    assert len(refused.violations) == MAX_VIOLATIONS
    assert refused.total >= at_least
    assert str(refused.total) in str(refused)
    assert max(len(violation.pointer) for violation in refused.violations) <= 2 * MAX_POINTER


@pytest.mark.parametrize("shape", [TASK_CHANGES, TASK_PATCH, NEW_DRAFT])
def test_integers_have_at_most_64_bits(shape: Shape) -> None:
    assert bodies.read(b'{"requirements": {"a": 9223372036854775807, "b": -9223372036854775808}}', shape)
    for number in (2**63, -(2**63) - 1, 10**30):
        refused = refusal({"requirements": {"a": [number]}}, shape)
        assert [(one.pointer, one.code) for one in refused.violations] == [("/requirements/a/0", "out_of_range")]


def test_the_size_of_a_merge_patch_is_not_that_of_the_merged_object() -> None:
    deletions = {f"{number:050}": None for number in range(1_000)}

    assert bodies.read(json.dumps({"requirements": deletions}).encode(), TASK_PATCH) == {"requirements": deletions}
    assert refusal({"requirements": deletions}).violations[0].code == "too_large"
    assert refusal({"requirements": {"a": "\0" * 20_000}}, TASK_PATCH).violations[0].code == "nul_character"
    deep = b'{"requirements":' + b'{"a":' * 40 + b"1" + b"}" * 41
    assert refusal(deep, TASK_PATCH).violations[0].code == "too_deep"


def test_a_byte_order_mark_is_named() -> None:
    with pytest.raises(Problem, match="byte order mark"):
        bodies.read(b'\xef\xbb\xbf{"title": "a"}', TASK_CHANGES)
