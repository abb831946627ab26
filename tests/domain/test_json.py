"""JSON values: equality, depth, merging (docs/api.md, Lifecycle.1, RFC 7396)."""

import pytest

from domain import json_values as json


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (True, 1, False),
        (False, 0, False),
        (1, 1.0, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}, True),
        ({"a": [1, True]}, {"a": [1, 1]}, False),
        ({"a": None}, {}, False),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
        (None, None, True),
        ({}, [], False),
    ],
)
def test_values_are_compared_as_json(left: object, right: object, same: bool) -> None:
    assert json.equal(left, right) is same
    assert json.equal(right, left) is same


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [  # the examples of RFC 7396, appendix A, that have an object for a patch or none
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_follows_rfc_7396(target: object, patch: object, merged: object) -> None:
    assert json.merge(target, patch) == merged


def test_depth_counts_the_outermost_object_as_the_first_level() -> None:
    assert json.depth({}) == 1
    assert json.depth({"a": [1, {"b": 2}]}) == 3
    assert json.depth("a") == 0


def test_depth_needs_no_recursion() -> None:
    value: object = 1
    for _ in range(50_000):
        value = [value]
    assert json.depth(value) == 50_000
    while isinstance(value, list):  # taken apart from outside, or freeing it would recurse
        value = value.pop()
