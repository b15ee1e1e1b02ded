"""The probing plan: every level that there is, claimed or not, as a change of one combination."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, NamedTuple

from conformance.matrix.constraints import CONSTRAINTS, first_exclusion
from conformance.matrix.factors import FACTORS, Combination, all_levels, plain_combination

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from conformance.matrix.constraints import Exclusion, Role
    from conformance.matrix.manifest import Manifest

PLAIN = plain_combination(all_levels())
"""What a change is told against."""
COMPANIONS = 2
"""So many further factors may have to change with one, that its level can stand at all."""


class Probe(NamedTuple):
    """What shows whether a peer does one level of one factor."""

    factor: str
    level: str
    combination: Combination

    @property
    def companions(self) -> str:
        """What is not plain besides the level itself, as ``factor=level factor=level``."""
        return change_of({**self.combination, self.factor: PLAIN[self.factor]})


def probes(
    manifest: Manifest,
    role: Role,
    other: Manifest,
    wanted: Mapping[str, tuple[str, ...]] | None = None,
) -> list[Probe]:
    """A probe of each level for the peer in this role; ``other`` is at the other end.

    What stands beside the level is what the peer claims, as near to the plain combination as can
    be. ``wanted`` names the levels of some factors; no other factor is probed then.
    """
    claims = {
        factor.name: tuple(level for level in factor.known if level in manifest.claims[factor.name])
        for factor in FACTORS
    }
    far: Role = "responder" if role == "initiator" else "initiator"
    exceptions = (*manifest.exceptions_as(role), *other.exceptions_as(far))
    base = _nearest(plain_combination(claims), claims, (*CONSTRAINTS, *exceptions))
    levels = wanted or all_levels(wide=True)
    return [
        Probe(name, level, _probing(base, claims, exceptions, (name, level)))
        for name, known in levels.items()
        for level in known
    ]


def changes() -> list[str]:
    """Each level's least change from the plain combination, whoever the peers are; once each."""
    everything, plain = all_levels(wide=True), dict(PLAIN)
    made = (
        _probing(plain, everything, (), (name, level))
        for name, levels in everything.items()
        for level in levels
    )
    return list(dict.fromkeys(map(change_of, made)))


def change_of(combination: Mapping[str, str]) -> str:
    """How a combination differs from the plain one, as ``factor=level factor=level``."""
    return " ".join(
        f"{name}={level}" for name, level in combination.items() if level != PLAIN[name]
    )


def changed(change: str) -> Combination:
    """The plain combination with a change."""
    return PLAIN | dict(pair.split("=") for pair in change.split())


def _probing(
    base: Combination,
    levels: Mapping[str, tuple[str, ...]],
    exceptions: Sequence[Exclusion],
    probed: tuple[str, str],
) -> Combination:
    """The base with a level, within the exceptions where that can be, else without regard to them.

    A level that is excepted altogether is refused then, and that is what the exception says. So is
    one that only stands with levels that are not claimed either.
    """
    every = all_levels(wide=True)
    within = ((levels, (*CONSTRAINTS, *exceptions)), (levels, CONSTRAINTS), (every, CONSTRAINTS))
    for known, exclusions in within:
        found = _nearest(base, known, exclusions, probed)
        if first_exclusion(found, exclusions) is None:
            return found
    raise ValueError(f"{'='.join(probed)} cannot stand in any combination")


def _nearest(
    base: Combination,
    levels: Mapping[str, tuple[str, ...]],
    exclusions: Sequence[Exclusion],
    *fixed: tuple[str, str],
) -> Combination:
    """The base with what is fixed and the fewest further changes; the base where none helps."""
    start = base | dict(fixed)
    free = [name for name in levels if name not in dict(fixed)]
    near = _near(start, levels, free)
    return next((one for one in near if first_exclusion(one, exclusions) is None), start)


def _near(
    start: Combination, levels: Mapping[str, tuple[str, ...]], free: Iterable[str]
) -> Iterator[Combination]:
    """The combinations that differ from ``start`` in no, one or a few of the free factors."""
    for count in range(COMPANIONS + 1):
        for names in combinations(free, count):
            for chosen in product(*(levels[name] for name in names)):
                yield start | dict(zip(names, chosen, strict=True))
