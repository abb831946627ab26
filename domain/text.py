"""The splice: the one edit that turns an old text into a new one.

Positions and lengths count Unicode code points, as Python strings do.
"""

import msgspec


class Edit(msgspec.Struct, frozen=True, array_like=True):
    """Replace `cut` code points from position `at` of the old text by `insert`."""

    at: int
    cut: int
    insert: str


def find_edit(old: str, new: str) -> Edit:
    """The shortest single edit that turns `old` into `new`, as far to the right as it can stand.

    Runs in the time of comparing the texts slice by slice; no loop visits single characters.
    """
    at = _common_prefix(old, new)
    tail = _common_suffix(old, new, min(len(old), len(new)) - at)
    return Edit(at, len(old) - at - tail, new[at : len(new) - tail])


def apply_edit(text: str, edit: Edit) -> str:
    """`text` after the edit. An edit that reaches past the end is clipped, as slices are."""
    return text[: edit.at] + edit.insert + text[edit.at + edit.cut :]


def cut_at_word(text: str, limit: int) -> str:
    """`text` with at most `limit` code points, ending at a word boundary.

    Where the last word alone would take more than half of it away, the word is cut instead.
    """
    if len(text) <= limit:
        return text
    head = text[:limit]
    if not text[limit].isspace():
        kept = limit - len(head.split()[-1]) if head.split() else 0
        if not head[-1].isspace() and kept >= limit // 2:
            head = head[:kept]
    return head.rstrip()


def _common_prefix(old: str, new: str) -> int:
    high = min(len(old), len(new))
    if old[:high] == new[:high]:
        return high
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _common_suffix(old: str, new: str, limit: int) -> int:
    old_end, new_end = len(old), len(new)
    if old[old_end - limit :] == new[new_end - limit :]:
        return limit
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        if old[old_end - middle : old_end - low] == new[new_end - middle : new_end - low]:
            low = middle
        else:
            high = middle
    return low
