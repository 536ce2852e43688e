"""Values of every kind for fields, and damage for bytes."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -1, 1e308, 1e-308, float("nan"), float("inf"), 10**400, True]),
)
texts = st.one_of(st.text(max_size=20), st.sampled_from(["", "nan", "1", "true", "\x1b[31m", "../..", "a" * 10_000]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


class Edit(NamedTuple):
    """A change of bytes.

    Attributes:
        place: Where, as a share of the length.
        length: How many bytes are replaced.
        new: What comes in their place; None doubles them.
    """

    place: float
    length: int
    new: bytes | None


edits = st.lists(
    st.builds(Edit, st.floats(0, 1), st.integers(0, 40), st.one_of(st.none(), st.just(b""), st.binary(max_size=12))),
    max_size=3,
)


def damaged(content: bytes, changes: list[Edit], kept: float) -> bytes:
    """The bytes with changes, and cut off after a share of them."""
    for change in changes:
        first = int(change.place * len(content))
        part = content[first : first + change.length]
        content = content[:first] + (2 * part if change.new is None else change.new) + content[first + change.length :]
    return content[: int(kept * len(content))]


kept = st.one_of(st.just(1.0), st.just(1.0), st.floats(0, 1))
