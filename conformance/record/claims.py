"""Claims held against what was observed: agrees, declared but fails, undeclared but works."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from conformance.matrix.probing import changed
from conformance.record.observed import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.matrix.constraints import Role
    from conformance.matrix.manifest import Manifest
    from conformance.record.observed import Observed, Seen


class Agreement(StrEnum):
    """Whether a claim and what was seen fit."""

    AGREES = "agrees"
    """Claimed and it works, or neither."""
    FAILS = "declared but fails"
    WORKS = "undeclared but works"
    OPEN = "inconclusive"
    """Nothing was proven, or the peer took what it does not claim, and it did not go well."""


class Held(NamedTuple):
    """A claim beside what was seen of it."""

    role: Role
    factor: str
    level: str
    claimed: bool
    seen: Seen
    agreement: Agreement
    explanation: str
    """The known fault of the manifest that explains a disagreement; empty where none does."""

    @property
    def is_open(self) -> bool:
        """Whether somebody must still look at it: nothing explains it, or nothing was proven."""
        return self.agreement is not Agreement.AGREES and not self.explanation


def hold_claims(manifest: Manifest, observed: Observed) -> list[Held]:
    """Every level that was observed, in the order of the observations."""
    return list(_held(manifest, observed))


def _held(manifest: Manifest, observed: Observed) -> Iterator[Held]:
    for role, factors in observed.roles.items():
        for factor, levels in factors.items():
            for level, seen in levels.items():
                combination = changed(seen.beside) | {factor: level}
                claimed = not manifest.undeclared(combination, role)
                agreement = _agreement(seen.outcome, claimed=claimed)
                known = manifest.deviation(combination, role)
                differs = agreement is not Agreement.AGREES and seen.outcome is not Outcome.OPEN
                why = f"{known.reason} ({known.source})" if known and differs else ""
                yield Held(role, factor, level, claimed, seen, agreement, why)


def _agreement(outcome: Outcome, *, claimed: bool) -> Agreement:
    if outcome is Outcome.OPEN or (outcome is Outcome.BREAKS and not claimed):
        return Agreement.OPEN
    if claimed == (outcome is Outcome.WORKS):
        return Agreement.AGREES
    return Agreement.FAILS if claimed else Agreement.WORKS
