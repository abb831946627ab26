"""The splice: the one edit that turns an old text into a new one.

Positions and lengths count Unicode code points, as Python strings do.
"""

import re
import unicodedata

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


def with_newlines(text: str) -> str:
    """`text` with U+000A as its only line end, so that the edits of clients with different ones fit together."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def visible_length(text: str) -> int:
    """The code points of the trimmed text that can be seen: without zero-width characters, fillers and the like."""
    seen = _INVISIBLE.sub("", text) if not text.isascii() else text
    return len(seen.strip())


def cut_at_word(text: str, limit: int) -> str:
    """`text` with at most `limit` code points, ending at a word boundary.

    Where the last word alone would take more than half of it away, the word is cut instead, between two characters as
    a person sees them: never within an emoji or before an accent.
    """
    if len(text) <= limit:
        return text
    head = text[:limit]
    if not text[limit].isspace():
        kept = limit - len(head.split()[-1]) if head.split() else 0
        if not head[-1].isspace():
            head = head[:kept] if kept >= limit // 2 else text[: _character_start(text, limit) or limit]
    return head.rstrip()


# Format characters (zero-width ones, marks of direction, tags), variation selectors, fillers and the blank of Braille.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


def _character_start(text: str, index: int) -> int:
    """The beginning of the character, as a person sees it, that `index` lies in (a part of UAX 29)."""
    while index > 0 and _continues(text, index):
        index -= 1
    return index


def _continues(text: str, index: int) -> bool:
    """Whether the code point at `index` belongs to the character before it."""
    code = ord(text[index])
    if (
        unicodedata.category(text[index]) in ("Mn", "Mc", "Me")
        or code in _SKIN_TONES
        or _JOINER in text[index - 1 : index + 1]
    ):
        return True
    if code not in _FLAG_LETTERS:
        return False
    letters = 0
    while letters < index and ord(text[index - 1 - letters]) in _FLAG_LETTERS:
        letters += 1
    return letters % 2 == 1


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
