"""The inventory itself, the words for its rows, and that every row is in a test's marker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.matrix.factors import FACTORS, all_levels, plain_combination
from tests.coverage import results
from tests.coverage.cells import level_rows
from tests.coverage.inventory import ROWS, SECTIONS, UnknownRowError, row_id
from tests.coverage.names import NAMES
from tests.coverage.plugin import COLLECTED, OPTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.coverage.results import Result

ROOT = Path(__file__).parents[2]
PLAIN = plain_combination(all_levels(wide=True))
LEVELS = [(factor.name, level) for factor in FACTORS for level in factor.known]


@pytest.fixture(scope="module")
def promised(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterable[Result]:
    """What the markers of all tests promise, whichever of them were asked for."""
    collected = request.config.stash[COLLECTED]
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    if files <= {result.place[0] for result in collected}:
        return collected
    target = tmp_path_factory.mktemp("promised") / "rows.json"
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", OPTION, str(target), "tests"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return results.read(target).values()


def test_every_marker_names_rows_that_there_are(promised: Iterable[Result]) -> None:
    unknown = {(row, one.place) for one in promised for row, _ in one.proofs if row not in ROWS}
    assert not unknown


def test_every_row_is_in_a_marker(promised: Iterable[Result]) -> None:
    named = {row for result in promised for row, _ in result.proofs}
    assert not ROWS.keys() - named


def test_ids_are_unique() -> None:
    assert sum(len(section.rows) for section in SECTIONS) == len(ROWS)


def test_rows_have_a_name_and_a_source() -> None:
    assert not [row.id for row in ROWS.values() if not (row.name and row.source)]


def test_what_is_not_spoken_says_why() -> None:
    assert not [row.id for row in ROWS.values() if row.state != "yes" and not row.note]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("cipher:7", "cipher:7"),
        ("cipher:aes256", "cipher:7"),
        ("cipher:rc5-2040", "cipher:4"),
        ("esp:aes192gcm16", "esp:20"),
        ("ah:sha256", "ah:5"),
        ("integ:sha256", "integ:5"),
        ("auth:rsa-sig", "auth:3"),
        ("group:ecp256bp", "group:28"),
        ("encap:transport", "encap:2"),
        ("notify:NO-PROPOSAL-CHOSEN", "notify:14"),
        ("id:IPV4-ADDR-SUBNET", "id:4"),
        ("attr2:encapsulation mode", "attr2:4"),
        ("unity:unity-banner", "unity:28672"),
        ("vid:DPD", "vid:DPD"),
    ],
)
def test_rows_by_the_suites_words(text: str, row: str) -> None:
    assert row_id(text) == row


@pytest.mark.parametrize("text", ["cipher:rot13", "cypher:7", "cipher", "", "cipher:None"])
def test_rows_that_there_are_not(text: str) -> None:
    with pytest.raises(UnknownRowError, match="no row"):
        row_id(text)


@pytest.mark.parametrize("kind", NAMES)
def test_every_word_is_of_a_kind(kind: str) -> None:
    assert kind in {section.kind for section in SECTIONS}


@pytest.mark.parametrize(("factor", "level"), LEVELS, ids=lambda value: value)
def test_every_level_stands_for_rows(factor: str, level: str) -> None:
    """A new factor or level needs its entry in LEVEL_ROWS."""
    rows = level_rows(factor, PLAIN | {factor: level})
    assert set(rows) <= ROWS.keys()
