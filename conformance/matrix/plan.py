"""The plan of a run: which cells, in which order, and what of them the peers do not claim."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

import msgspec

from conformance.errors import UserError
from conformance.matrix.constraints import CONSTRAINTS, first_exclusion
from conformance.matrix.covering import Space, covering_array, missing_tuples
from conformance.matrix.factors import (
    FACTORS,
    Combination,
    all_levels,
    combination_id,
    find_factor,
    plain_combination,
)
from conformance.matrix.manifest import Manifest, find_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MINIMUM_ROWS = 12
"""A plan has at least so many combinations, where the factors allow so many."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pairing and a combination: the unit that runs."""

    id: str
    """Stable, readable and file-safe: ``<initiator>--<responder>--<phase 1>--<phase 2>``."""
    initiator: str
    """The peer that starts the exchanges."""
    responder: str
    """The peer that answers."""
    combination: Combination
    """One level for each factor."""
    undeclared: tuple[str, ...] = ()
    """What a peer does not claim of this cell, as ``"<peer>: <claim>"``."""

    @property
    def pairing(self) -> tuple[str, str]:
        """Initiator and responder."""
        return self.initiator, self.responder


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every cell of a run: its pairings, and what of one list of combinations each is asked for."""

    seed: int
    """What the covering array and the cells' randomness derive from."""
    strength: int
    """How many factors meet in every way (t)."""
    pairings: tuple[tuple[str, str], ...]
    """The columns of the matrix: (initiator, responder), in report order."""
    combinations: tuple[Combination, ...]
    """The rows of the matrix; the first is the plain one."""
    cells: tuple[Cell, ...]
    """Row by row, so that a run that is cut short still shows every pairing."""


def make_plan(
    manifests: Mapping[str, Manifest],
    *,
    peers: Sequence[str] | None = None,
    pairings: Sequence[tuple[str, str]] | None = None,
    restrictions: Mapping[str, tuple[str, ...]] | None = None,
    strength: int = 2,
    seed: int = 1,
    limit: int | None = None,
    wide: bool = False,
) -> Plan:
    """Plan all ordered pairings of ``peers`` (default: all) that go together.

    ``pairings`` are just these instead. ``restrictions`` narrows factors to some of their levels,
    ``wide`` takes the rare levels in, ``limit`` keeps the first rows.
    UserError for an unknown peer, a limit below one, a strength other than 2 or 3, or levels of
    which no combination can stand.
    """
    _check_numbers(strength, limit)
    columns = tuple(_pairings(manifests, peers, pairings))
    fixed = dict(restrictions or {})
    space = Space(all_levels(wide=wide) | fixed, CONSTRAINTS)
    if space.is_empty:
        raise _nothing_left(space)
    common = {(a, b): _common_space(space, fixed, manifests[a], manifests[b]) for a, b in columns}
    usual = all_levels() | fixed
    asked = {pair: _asked(space, usual, part) for pair, part in common.items()}
    rows = tuple(_rows(_parts(common.values(), asked.values()), strength, seed)[:limit])
    cells = tuple(
        make_cell(manifests, pair, row) for row in rows for pair in columns if row in asked[pair]
    )
    return Plan(seed=seed, strength=strength, pairings=columns, combinations=rows, cells=cells)


def make_cell(
    manifests: Mapping[str, Manifest], pairing: tuple[str, str], combination: Combination
) -> Cell:
    """The cell of a pairing and a combination, with what its peers do not claim."""
    initiator, responder = pairing
    undeclared = [
        *manifests[initiator].undeclared(combination, "initiator"),
        *manifests[responder].undeclared(combination, "responder"),
    ]
    return Cell(
        id=f"{initiator}--{responder}--{combination_id(combination)}",
        initiator=initiator,
        responder=responder,
        combination=combination,
        undeclared=tuple(dict.fromkeys(undeclared)),
    )


def parse_pairing(text: str) -> tuple[str, str]:
    """Read ``INITIATOR,RESPONDER`` as given to ``--pairing``."""
    names = tuple(name.strip() for name in text.split(","))
    match names:
        case (initiator, responder) if initiator and responder:
            return initiator, responder
    raise UserError(
        f"--pairing {text!r} is not of the form INITIATOR,RESPONDER",
        "For example --pairing reference,strongswan-5.9.8.",
    )


def repeat_command(cell: Cell, seed: int) -> str:
    """The command that runs this one cell again."""
    pairing = f"{cell.initiator},{cell.responder}"
    factors = factor_options(cell.combination)
    return f"ipsec-conformance matrix --pairing {pairing} {factors} --seed {seed}"


def factor_options(combination: Combination) -> str:
    """The options that restrict a plan to this one combination."""
    return " ".join(
        f"--factor {factor.name}={combination[factor.name]}"
        for factor in FACTORS
        if len(factor.known) > 1
    )


def _check_numbers(strength: int, limit: int | None) -> None:
    if strength not in (2, 3):
        raise UserError(f"strength {strength} is not offered", "Choose 2 (pairs) or 3 (triples).")
    if limit is not None and limit < 1:
        raise UserError(f"a limit of {limit} leaves no combination", "Give a limit of 1 or more.")


def _pairings(
    manifests: Mapping[str, Manifest],
    peers: Sequence[str] | None,
    pairings: Sequence[tuple[str, str]] | None,
) -> Iterable[tuple[str, str]]:
    names = list(manifests) if peers is None else list(peers)
    wanted = [(a, b) for a in names for b in names] if pairings is None else list(pairings)
    for name in [name for pair in wanted for name in pair]:
        find_manifest(manifests, name)
    able = [(a, b) for a, b in wanted if _goes_together(manifests[a], manifests[b])]
    if peers is None:  # two versions of one daemon meet where they are named
        able = [(a, b) for a, b in able if a == b or manifests[a].kind != manifests[b].kind]
    if pairings is None and not able:
        raise UserError(
            f"none of {', '.join(names)} can begin what another of them answers",
            "Name peers of both roles; `ipsec-conformance peers` lists them.",
        )
    return dict.fromkeys(able if pairings is None else wanted)


def _goes_together(initiator: Manifest, responder: Manifest) -> bool:
    """Whether both take their roles, and the one does not end the other."""
    roles = "initiator" in initiator.roles and "responder" in responder.roles
    return roles and initiator.name not in {one.initiator for one in responder.apart}


def _common_space(
    space: Space, fixed: Mapping[str, tuple[str, ...]], first: Manifest, second: Manifest
) -> Space:
    """What of ``space`` both peers claim; a factor without a common level makes it empty.

    Where they share none of a factor's usual levels, and nobody has ``fixed`` it, their rare ones
    stand in: a client that always authenticates its user is planned so.
    """
    levels = {}
    for name, names in space.levels.items():
        both = [one for one in find_factor(name).known if _claim(one, name, first, second)]
        usual = tuple(level for level in names if level in both)
        levels[name] = usual or (() if name in fixed else tuple(both))
    exceptions = (*first.exceptions_as("initiator"), *second.exceptions_as("responder"))
    return Space(levels, (*space.exclusions, *exceptions))


def _claim(level: str, name: str, *manifests: Manifest) -> bool:
    return all(level in manifest.claims[name] for manifest in manifests)


def _asked(space: Space, usual: Mapping[str, tuple[str, ...]], common: Space) -> Space:
    """What a pairing is asked for: the whole, which shows how it refuses what it does not claim.

    Peers that share none of a factor's usual levels would refuse that row by row: they are asked
    for what both claim alone.
    """
    meets = all(set(levels) & set(usual[name]) for name, levels in common.levels.items())
    return space if meets or not common.size else common


def _parts(common: Iterable[Space], asked: Iterable[Space]) -> list[Space]:
    """What the rows have to cover, in order: what each pairing claims, then the whole."""
    claimed = sorted((part for part in common if part.size), key=lambda part: part.size)
    beyond = [part for part in asked if part not in claimed]
    return [*claimed, *beyond[:1]]


def _rows(parts: Sequence[Space], strength: int, seed: int) -> list[Combination]:
    """The rows that cover one part after the other, the plain one of the last part first.

    An array over the whole space alone would not do: a row that a peer refuses for one level
    covers none of the other levels in it, so each pairing gets a complete array of its own claims.
    """
    last = parts[-1]
    plain = plain_combination(last.levels)
    rows = [plain] if plain in last else []
    for part in parts:
        if missing_tuples(rows, part, strength):
            known = [row for row in rows if row in part]
            made = covering_array(part, strength, seed, known)
            rows += made[len(known) :]
            _check_complete(rows, part, strength)
    return _topped_up(rows, last, seed)


def _nothing_left(space: Space) -> UserError:
    excluded = first_exclusion(plain_combination(space.levels), space.exclusions)
    reason, factors = (excluded.reason, excluded.when) if excluded else ("", space.levels)
    return UserError(
        f"no combination is left of these levels: {reason}".rstrip(": "),
        f"Name levels that can stand together, with {' or '.join(_alternatives(factors))}.",
    )


def _alternatives(factors: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """For each factor, the first of its levels that are not among those given."""
    for name, given in factors.items():
        others = [level for level in find_factor(name).known if level not in given]
        yield f"--factor {name}={','.join(others[:3]) or '...'}"


def _check_complete(rows: Sequence[Combination], space: Space, strength: int) -> None:
    missing = missing_tuples(rows, space, strength)
    if missing:
        raise RuntimeError(f"the covering array lacks {len(missing)} tuples, first {missing[0]}")


def _topped_up(rows: list[Combination], space: Space, seed: int) -> list[Combination]:
    """``rows``, filled up to `MINIMUM_ROWS` with seeded further ones where there are any."""
    if len(rows) >= MINIMUM_ROWS:
        return rows
    every = (
        dict(zip(space.levels, levels, strict=True)) for levels in product(*space.levels.values())
    )
    others = [row for row in every if row in space and row not in rows]
    random.Random(seed).shuffle(others)
    return [*rows, *others[: MINIMUM_ROWS - len(rows)]]
