"""What users send: texts, fields and requests of every kind, drawn by hypothesis."""

from typing import Any

from hypothesis import strategies as st

from tests.support.model import OPERATIONS, Request

WORDS = ("logo", "Bäckerei", "warm", "and", "simple", "🦊", "two words", "O'Hara", "naïve\nline", "  ")
characters = st.characters(
    exclude_categories=["Cs", "Cf"], exclude_characters="\0\r\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
)
"""Without what the service normalizes (line ends) or does not count (what cannot be seen): the model need not know."""

phrases = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
long = phrases.map(lambda phrase: f"A logo for a bakery. {phrase}")
texts = st.text(characters, max_size=30) | phrases
names = st.sampled_from(("", " ", "design", "code")) | st.text(characters, max_size=10)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(characters, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("abcdé"), values, max_size=4)
fields = st.fixed_dictionaries(
    {},
    optional={
        "title": st.none() | texts.map(lambda text: text[:200]),
        "description": st.none() | texts | st.just("x" * 5000),
        "category": st.none() | names,
        "task_type": st.none() | names,
        "requirements": st.none() | objects,
        "budget_usd": st.none() | st.integers(3, 300) | st.floats(3, 300),
        "experimentation": st.none() | st.floats(0, 1),
        "brand_kit_id": st.none() | st.uuids().map(str),
    },
)
complete = st.fixed_dictionaries(
    {
        "category": st.just("design"),
        "task_type": st.sampled_from(("logo", "site")),
        "budget_usd": st.integers(3, 300) | st.floats(3, 300),
    },
    optional={"title": texts.map(lambda text: text[:200]), "description": long | phrases},
)
transcripts = phrases | st.integers(10, 4000).map(lambda count: " ".join(["voice"] * count)[:20_000])
references = st.integers(1, 6).map(lambda number: f"s3://bucket/{number}?a=b&c=ü")
keys = st.none() | st.none() | st.integers(1, 40).map(lambda number: f"key-{number}")
conditions = st.sampled_from((None, None, None, None, "current", "weak", "stale", "list", "*"))
users = st.integers(0, 2)
picks = st.integers(0, 50)
processes = st.integers(0, 1)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request on some task; its versions are counted modulo those of the task."""
    name = draw(st.sampled_from(["patch"] * 4 + ["merge_patch", "type", "type", "publish", *OPERATIONS]))
    arguments: dict[str, st.SearchStrategy[Any]] = {
        "patch": fields | fields | complete,
        "merge_patch": fields,
        "type": st.tuples(st.integers(0, 400), st.integers(0, 5), st.text(characters, max_size=3)),
        "transcribe": transcripts,
        "attach": references,
        "detach": references,
        "revert": st.integers(1, 30),
    }
    return Request(name, draw(arguments.get(name, st.none())), draw(conditions), draw(keys))
