"""JSON values: when two are equal, how deep and how large one is, and RFC 7396 merging."""

import math

import msgspec

from domain.events import Json


def equal(left: Json, right: Json) -> bool:
    """Whether two values are the same JSON: `true` is not `1`, `1` is `1.0`, key order does not matter."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(equal(value, right[key]) for key, value in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def merge(target: Json, patch: Json) -> Json:
    """`target` after the JSON merge patch `patch` (RFC 7396); neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def depth(value: Json) -> int:
    """The levels of nesting: 0 for a scalar, 1 for an object or array of scalars. No recursion."""
    deepest, level = 0, [value]
    while nested := [item for item in level if isinstance(item, dict | list)]:
        deepest += 1
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
    return deepest


def size(value: Json) -> int:
    """Bytes of the value as compact UTF-8 JSON; what JSON cannot hold counts as `null`."""
    return len(msgspec.json.encode(value, enc_hook=lambda _: None))


def canonical_number(value: int | float) -> int | float:
    """A finite number in one spelling: `5.0` and `5` are both `5`, `-0.0` is `0`."""
    return int(value) if isinstance(value, float) and math.isfinite(value) and value == int(value) else value
