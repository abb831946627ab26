"""What hypothesis draws from: texts with all that Unicode has, and what people do to them."""

from hypothesis import strategies as st

from domain.text import Edit

SNIPPETS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.text("ab \n", max_size=12),
    st.sampled_from(["e\u0301", "👩‍👩‍👧", "\U00010348", "दो", "ด้วย", "漢字", "\u200f", "a\u0308\u0323", "😀"]),
    st.lists(st.sampled_from(["the ", "quick ", "fox. ", "漢", "Ünï "]), max_size=8).map("".join),
)
"""Short texts: any code points, few letters often repeated, astral and combining ones, words."""

TEXTS = st.lists(SNIPPETS, max_size=12).map("".join)
"""Texts of some length."""

EDITS = st.tuples(st.integers(0, 200), st.integers(0, 30), SNIPPETS).map(lambda drawn: Edit(*drawn))
"""Edits; where a text is too short for one, it is clipped as slices are."""
