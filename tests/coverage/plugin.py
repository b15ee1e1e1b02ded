"""pytest's part: which rows of the inventory the tests name, and what became of the tests.

``--coverage-rows FILE`` adds the outcomes to FILE; with ``--collect-only`` all are "not run".
A marker's rows may hold the test's parameters, ``@pytest.mark.covers("cipher:{name}", by="self")``;
a parameter that is none makes no row.
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
_OUTCOMES: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""The outcome of each phase that ran; without one of the call the test has not run."""
COLLECTED = pytest.StashKey[list[Result]]()
"""Every collected test with the proofs that its markers promise, also those deselected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, metavar="FILE", help="add what the tests prove of the inventory")


def marked(item: pytest.Item) -> Iterator[Proof]:
    """The proofs that an item's markers promise; an unknown row stands as it is written."""
    callspec = getattr(item, "callspec", None)
    parameters: dict[str, Any] = callspec.params if callspec else {}
    for marker in item.iter_markers("covers"):
        for text in marker.args:
            row = _row(text, parameters)
            if not row.lower().endswith(":none"):
                yield row, marker.kwargs["by"]


def _row(text: str, parameters: dict[str, Any]) -> str:
    try:
        written = text.format_map(parameters)
    except (LookupError, AttributeError, TypeError):
        return text
    try:
        return row_id(written)
    except UnknownRowError:
        return written


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.stash[_PROOFS], item.stash[_OUTCOMES] = set(marked(item)), {}
    config.stash[COLLECTED] = [_result(item) for item in items]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected = hasattr(report, "wasxfail")
    item.stash[_OUTCOMES][report.when] = "xfailed" if expected else report.outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption(OPTION)
    if target and COLLECTED in session.config.stash:
        if session.config.option.collectonly:
            results = session.config.stash[COLLECTED]
        else:
            results = [_result(item) for item in session.items if item.stash[_OUTCOMES]]
        add(Path(target), [result for result in results if result.proofs])


def _result(item: pytest.Item) -> Result:
    outcomes: dict[str, str] = item.stash[_OUTCOMES]
    worse = [one for one in outcomes.values() if one != PASSED]
    proofs: set[Proof] = item.stash[_PROOFS]
    outcome = worse[0] if worse else outcomes.get("call", NOT_RUN)
    return Result(item.nodeid, outcome, frozenset(proofs))


@pytest.fixture
def prove_cell(request: pytest.FixtureRequest) -> Callable[[Run, Record], None]:
    """To be called with a cell that passed: its levels and what its transcript shows are proven."""

    def prove(run: Run, record: Record) -> None:
        request.node.stash[_PROOFS] |= cell_proofs(run, record)

    return prove
