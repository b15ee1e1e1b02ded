"""Which levels cannot stand in one combination, whoever the peers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels that cannot be combined: one of each factor's levels together is excluded."""

    when: dict[str, tuple[str, ...]]
    """For each factor of the exclusion, the levels it speaks of."""
    reason: str
    """Why, in one sentence."""
    source: str
    """Where this is written: an RFC section, a manual page, a source file at a version."""

    def matches(self, combination: Mapping[str, str]) -> bool:
        """Whether ``combination`` (all factors of ``when`` present) is excluded."""
        return all(combination[factor] in levels for factor, levels in self.when.items())


CONSTRAINTS: tuple[Exclusion, ...] = ()
"""Exclusions that hold for every peer: among the present levels there are none."""


def first_exclusion(
    combination: Mapping[str, str], exclusions: Iterable[Exclusion]
) -> Exclusion | None:
    """The first of ``exclusions`` that speaks of ``combination``."""
    return next((entry for entry in exclusions if entry.matches(combination)), None)


def as_condition(exclusion: Exclusion) -> dict[str, Any]:
    """The exclusion in covertable's constraint notation."""
    parts = [
        {"operator": "in", "left": factor, "values": list(levels)}
        for factor, levels in exclusion.when.items()
    ]
    return {"operator": "not", "condition": {"operator": "and", "conditions": parts}}
