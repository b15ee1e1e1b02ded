"""Covering arrays, judged by code that did not make them."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.matrix.constraints import Exclusion
from conformance.matrix.covering import Space, covering_array, missing_tuples
from conformance.matrix.factors import all_levels

TINY = Space({"a": ("1", "2"), "b": ("1", "2"), "c": ("1", "2")})


def exclusion(**when: tuple[str, ...]) -> Exclusion:
    return Exclusion(when=when, reason="test", source="test")


def test_the_check_finds_what_is_missing() -> None:
    rows = [dict(zip("abc", levels, strict=True)) for levels in ("111", "122", "212")]
    assert missing_tuples(rows, TINY, 2) == [
        (("a", "2"), ("b", "2")),
        (("a", "2"), ("c", "1")),
        (("b", "2"), ("c", "1")),
    ]
    assert missing_tuples([*rows, dict(zip("abc", "221", strict=True))], TINY, 2) == []


def test_a_row_outside_the_space_covers_nothing() -> None:
    space = Space(TINY.levels, (exclusion(a=("1",), b=("1",)),))
    rows = [dict(zip("abc", levels, strict=True)) for levels in ("111", "112")]
    assert (("a", "1"), ("c", "1")) in missing_tuples(rows, space, 2)
    assert (("a", "1"), ("b", "1")) not in missing_tuples([], space, 2)


@pytest.mark.parametrize("strength", [2, 3])
def test_the_whole_space_is_covered(strength: int) -> None:
    space = Space(all_levels())
    rows = covering_array(space, strength, seed=1)
    assert missing_tuples(rows, space, strength) == []
    assert len(rows) < {2: 40, 3: 130}[strength]


def test_the_same_seed_gives_the_same_rows_after_the_presets() -> None:
    space = Space(all_levels())
    preset = {name: levels[-1] for name, levels in all_levels().items()}
    first, again = (covering_array(space, 2, 7, [preset]) for _ in range(2))
    assert first == again
    assert first[0] == preset
    assert first != covering_array(space, 2, 8, [preset])


LEVELS = ("1", "2", "3")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_arrays_under_constraints_are_complete_and_legal(data: st.DataObject) -> None:
    """Against brute force over every row: nothing excluded is made, nothing possible is missing."""
    names = "abcd"
    levels = {name: LEVELS[: data.draw(st.integers(1, 3))] for name in names}
    pair = st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True)
    excluded = [
        exclusion(**{name: (data.draw(st.sampled_from(levels[name])),) for name in drawn})
        for drawn in data.draw(st.lists(pair, max_size=2))
    ]
    space = Space(levels, tuple(excluded))
    legal = [
        row
        for choice in product(*levels.values())
        if (row := dict(zip(names, choice, strict=True))) in space
    ]
    if not legal:
        return
    rows = covering_array(space, 2, seed=3)
    assert all(row in space for row in rows)
    assert tuples_of(rows) == tuples_of(legal)
    assert missing_tuples(rows, space, 2) == []


def tuples_of(rows: list[dict[str, str]]) -> set[tuple[tuple[str, str], ...]]:
    return {pair for row in rows for pair in combinations(sorted(row.items()), 2)}
