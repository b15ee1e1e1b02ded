"""Every exchange, authentication, cipher, hash and group of phase 1 against every daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.matrix import Cell, Plan, load_manifests
from conformance.matrix.factors import all_levels, find_factor, plain_combination
from conformance.matrix.plan import make_cell
from conformance.record import Run, Verdict
from conformance.resources import peers_root
from conformance.runner.host import run_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.lab import Lab
    from conformance.record import Record

pytestmark = pytest.mark.lab

MANIFESTS = load_manifests(peers_root())
DAEMONS = ("strongswan-5.9.8", "libreswan-4.10")
PAIRINGS = [pair for name in DAEMONS for pair in (("reference", name), (name, "reference"))]
PLAIN = plain_combination(all_levels())
CHANGES = [
    (name, level)
    for name in ("exchange", "auth", "cipher", "hash", "group")
    for level in find_factor(name).known
]
"""One level at a time, all else plain: what fails is named by its level."""


@pytest.fixture(scope="module")
def run(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A cell for every change and pairing, the plain one once."""
    rows = list({tuple((PLAIN | {name: level}).items()) for name, level in CHANGES})
    cells = tuple(make_cell(MANIFESTS, pair, dict(row)) for row in rows for pair in PAIRINGS)
    plan = Plan(
        seed=1,
        strength=2,
        pairings=tuple(PAIRINGS),
        combinations=tuple(dict(row) for row in rows),
        cells=cells,
    )
    made = Run.create(tmp_path_factory.mktemp("results"), plan, lab.describe())
    run_cells(lab, MANIFESTS, made, cells, started=lambda _: None, finished=lambda _: None)
    return made


@pytest.mark.parametrize(("name", "level"), CHANGES, ids="=".join)
@pytest.mark.parametrize("pairing", PAIRINGS, ids=" to ".join)
def test_a_level_passes_where_it_is_claimed(
    run: Run,
    pairing: tuple[str, str],
    name: str,
    level: str,
    prove_cell: Callable[[Run, Record], None],
) -> None:
    """What a peer claims passes; what it does not claim it refuses, in so many words."""
    cell: Cell = make_cell(MANIFESTS, pairing, PLAIN | {name: level})
    record = run.record(cell.id)
    expected = Verdict.UNSUPPORTED if cell.undeclared else Verdict.PASS
    assert record.verdict is expected, record.reason
    prove_cell(run, record)
