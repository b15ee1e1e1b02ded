"""Covering arrays: few combinations in which every t levels that can meet do meet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING

import covertable

from conformance.matrix.constraints import Exclusion, as_condition, first_exclusion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from conformance.matrix.factors import Combination

Tuple = tuple[tuple[str, str], ...]
"""Some (factor, level) pairs, each factor at most once."""


@dataclass(frozen=True, slots=True)
class Space:
    """The combinations that the levels span, less those excluded."""

    levels: Mapping[str, tuple[str, ...]]
    """For every factor, its levels here."""
    exclusions: tuple[Exclusion, ...] = ()
    """What cannot be combined."""

    def __contains__(self, combination: Mapping[str, str]) -> bool:
        inside = all(combination[name] in levels for name, levels in self.levels.items())
        return inside and first_exclusion(combination, self.exclusions) is None

    @property
    def size(self) -> int:
        """How many combinations there are before exclusions."""
        return prod(len(levels) for levels in self.levels.values())

    @property
    def is_empty(self) -> bool:
        """Whether the exclusions leave no combination at all."""
        return not _fits((), self)


def covering_array(
    space: Space, strength: int, seed: int, presets: Sequence[Combination] = ()
) -> list[Combination]:
    """The ``presets``, then the rows that complete a ``strength``-way array of ``space``.

    The same arguments give the same rows.
    """
    rows = covertable.make(
        {name: list(levels) for name, levels in space.levels.items()},
        strength=strength,
        salt=str(seed),
        presets=[dict(row) for row in presets],
        constraints=[as_condition(exclusion) for exclusion in space.exclusions],
    )
    made = [{name: row[name] for name in space.levels} for row in rows]
    return [*presets, *(row for row in made if row not in presets)]


def missing_tuples(rows: Iterable[Mapping[str, str]], space: Space, strength: int) -> list[Tuple]:
    """The tuples of ``strength`` levels that can stand in ``space`` but in none of ``rows``.

    Made by plain enumeration, independent of whatever made the rows; empty for a complete array.
    """
    seen = {
        tuple((name, row[name]) for name in names)
        for row in rows
        if row in space
        for names in combinations(space.levels, strength)
    }
    return [
        entry for entry in _tuples(space, strength) if entry not in seen and _fits(entry, space)
    ]


def _tuples(space: Space, strength: int) -> Iterator[Tuple]:
    for names in combinations(space.levels, strength):
        for levels in product(*(space.levels[name] for name in names)):
            yield tuple(zip(names, levels, strict=True))


def _fits(entry: Tuple, space: Space) -> bool:
    """Whether some combination of ``space`` holds ``entry``; only excluded factors matter."""
    fixed = dict(entry)
    concerned = {name for exclusion in space.exclusions for name in exclusion.when}
    return _completes(fixed, sorted(concerned - set(fixed)), space)


def _completes(candidate: Mapping[str, str], names: Sequence[str], space: Space) -> bool:
    """Whether levels of ``names`` can be added to ``candidate`` without exclusion."""
    if any(_applies(exclusion, candidate) for exclusion in space.exclusions):
        return False
    if not names:
        return True
    name, rest = names[0], names[1:]
    levels = space.levels[name]
    return any(_completes({**candidate, name: level}, rest, space) for level in levels)


def _applies(exclusion: Exclusion, candidate: Mapping[str, str]) -> bool:
    return all(candidate.get(name) in levels for name, levels in exclusion.when.items())
