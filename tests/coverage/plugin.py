"""pytest's part: which rows of the inventory the tests name, and what became of the tests.

``--coverage-rows FILE`` adds the outcomes to FILE. A marker's rows may hold the test's parameters:
``@pytest.mark.covers("cipher:{name}", by="vector")``; a parameter that is none makes no row.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.coverage.cells import cell_proofs
from tests.coverage.inventory import UnknownRowError, row_id
from tests.coverage.results import PASSED, Proof, Result, add

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from conformance.record import Record, Run

OPTION = "--coverage-rows"
NOT_RUN = "not run"
_PROOFS: pytest.StashKey[set[Proof]] = pytest.StashKey()
_OUTCOMES = pytest.StashKey[list[str]]()
UNKNOWN = pytest.StashKey[list[str]]()
"""What markers name and the inventory lacks, with the test."""
COLLECTED = pytest.StashKey[list[Result]]()
"""Every collected test with the proofs that its markers promise, also those deselected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, metavar="FILE", help="add what the tests prove of the inventory")


def marked(item: pytest.Item) -> Iterator[Proof]:
    """The proofs that an item's markers promise; raises UnknownRowError."""
    for marker in item.iter_markers("covers"):
        callspec = getattr(item, "callspec", None)
        parameters: dict[str, Any] = callspec.params if callspec else {}
        for text in (row.format_map(parameters) for row in marker.args):
            if not text.lower().endswith(":none"):
                yield row_id(text), marker.kwargs["by"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unknown, collected = [], []
    for item in items:
        try:
            proofs = set(marked(item))
        except (UnknownRowError, KeyError) as error:
            unknown.append(f"{item.nodeid}: {error}")
            proofs = set()
        item.stash[_PROOFS], item.stash[_OUTCOMES] = proofs, []
        collected.append(Result(item.nodeid, NOT_RUN, frozenset(proofs)))
    config.stash[UNKNOWN] = unknown
    config.stash[COLLECTED] = collected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected = hasattr(report, "wasxfail")
    item.stash[_OUTCOMES].append("xfailed" if expected else report.outcome)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption(OPTION)
    if target and hasattr(session, "items"):
        ran = (item for item in session.items if item.stash.get(_OUTCOMES, None))
        add(Path(target), [_result(item) for item in ran if item.stash[_PROOFS]])


def _result(item: pytest.Item) -> Result:
    worse = [one for one in item.stash[_OUTCOMES] if one != PASSED]
    proofs: set[Proof] = item.stash[_PROOFS]
    return Result(item.nodeid, worse[0] if worse else PASSED, frozenset(proofs))


@pytest.fixture
def prove_cell(request: pytest.FixtureRequest) -> Callable[[Run, Record], None]:
    """To be called with a cell that passed: its levels and what its transcript shows are proven."""

    def prove(run: Run, record: Record) -> None:
        request.node.stash[_PROOFS] |= cell_proofs(run, record)

    return prove
