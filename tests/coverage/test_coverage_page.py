"""The page, what the generator finds lacking, and that only tests which ran and passed count."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.coverage import results
from tests.coverage.inventory import ROWS
from tests.coverage.page import PAGE, ROOT, linked_tests, listed_rows, problems, render
from tests.coverage.results import PASSED, Result

if TYPE_CHECKING:
    from pathlib import Path

DAEMON = "libreswan-4.10"
EVERY = Result(
    "tests/a/test_all.py::test_all[x]", PASSED, frozenset((row, "vector") for row in ROWS)
)


def proof(row: str, by: str = "self", outcome: str = PASSED, test: str = "test_one") -> Result:
    """A test of one proof."""
    return Result(f"tests/b/test_b.py::{test}", outcome, frozenset({(row, by)}))


def line_of(page: str, row: str) -> str:
    """The row's line of a page."""
    return next(line for line in page.splitlines() if line.startswith(f"| `{row}` |"))


def test_the_committed_page_lists_the_inventory() -> None:
    assert listed_rows(PAGE.read_text("utf-8")) == list(ROWS)


def test_the_committed_page_names_tests_that_there_are() -> None:
    linked = linked_tests(PAGE.read_text("utf-8"))
    assert linked
    gone = [
        (path, name)
        for path, name in linked
        if not (ROOT / path).is_file() or f"def {name}(" not in (ROOT / path).read_text("utf-8")
    ]
    assert not gone


def test_links_are_found() -> None:
    """What the test above looks for, it finds."""
    page = render([EVERY])
    assert linked_tests(page) == {("tests/a/test_all.py", "test_all")}
    assert listed_rows(page) == list(ROWS)


def test_a_whole_record_has_no_problems() -> None:
    assert problems([EVERY], set()) == []


@pytest.mark.parametrize("outcome", ["failed", "skipped", "xfailed", "not run"])
def test_only_what_passed_counts(outcome: str) -> None:
    lacking = problems([proof("cipher:7", "vector", outcome)], set())
    assert "cipher:7 (AES-CBC): no test that passed" in lacking
    assert len(lacking) == len(ROWS)
    assert line_of(render([proof("cipher:7", "vector", outcome)]), "cipher:7").endswith(
        "|  |  |  |  |"
    )


def test_self_alone_needs_a_reason() -> None:
    """AES-CBC has no note, IDEA-CBC has one."""
    others = Result(
        "tests/a.py::test_a",
        PASSED,
        frozenset((row, "tshark") for row in ROWS if row not in {"cipher:7", "cipher:2"}),
    )
    found = problems([others, proof("cipher:7"), proof("cipher:2", test="test_two")], set())
    assert found == ["cipher:7 (AES-CBC): proven by this suite alone, and no note says why"]


def test_what_a_daemon_claims_is_due() -> None:
    due = {("cipher:7", f"{DAEMON} as {role}") for role in ("initiator", "responder")}
    one = proof("cipher:7", f"{DAEMON} as initiator")
    assert problems([EVERY, one], due) == [
        f"cipher:7 (AES-CBC): claimed, not proven against {DAEMON} as responder"
    ]


def test_unknown_rows_are_named() -> None:
    found = problems([EVERY, proof("cipher:rot13")], set())
    assert found == ["cipher:rot13: the inventory has no such row"]


def test_a_line_tells_who_proved_it_and_where() -> None:
    proofs = [
        proof("cipher:2", f"{DAEMON} as initiator", test="test_daemon"),
        proof("cipher:2", f"{DAEMON} as responder", test="test_daemon"),
        proof("cipher:2", "strongswan-5.9.8 as responder", test="test_other[x]"),
        proof("cipher:2", test="test_self"),
    ]
    names = ("test_daemon", "test_other", "test_self")
    cells = line_of(render(proofs), "cipher:2").split(" | ")
    assert cells[3:6] == [
        "yes",
        "strongswan-5.9.8 (responder), libreswan-4.10 (both roles), self",
        ", ".join(f"[`{name}`](../tests/b/test_b.py)" for name in names),
    ]
    assert cells[6] == " |"
    note = line_of(render(proofs[3:]), "cipher:2").split(" | ")[6]
    assert note == "Neither daemon has a word for it. |"


def test_runs_add_up(tmp_path: Path) -> None:
    """A later run's outcome of a test replaces the earlier one's; other tests stay."""
    path = tmp_path / "deep" / "rows.json"
    results.add(path, [proof("cipher:7"), proof("hash:4", test="test_two")])
    results.add(path, [proof("cipher:7", outcome="failed")])
    read = results.read(path)
    assert {one.test.rpartition(":")[2]: one.outcome for one in read.values()} == {
        "test_one": "failed",
        "test_two": "passed",
    }
    assert set(results.proven(read.values())) == {"hash:4"}


TESTS = """
import pytest

@pytest.mark.covers("cipher:{name}", by="vector")
@pytest.mark.parametrize("name", ["aes128", "des", "rot13"])
def test_pass(name): pass

@pytest.mark.covers("hash:1", by="self")
def test_fail(): assert False

@pytest.mark.covers("hash:2", by="self")
@pytest.mark.skip
def test_skip(): pass

@pytest.mark.covers("hash:3", by="self")
@pytest.mark.xfail(strict=False)
def test_expected(): assert False

@pytest.mark.covers("hash:3", by="self")
@pytest.mark.xfail(strict=False)
def test_unexpected(): pass

@pytest.fixture
def broken():
    yield
    raise OSError

@pytest.mark.covers("hash:4", by="self")
def test_teardown(broken): pass

@pytest.mark.covers("hash:5", by="self")
def test_deselected(): pass

@pytest.mark.covers("hash:6", by="self")
def test_interrupted(): raise KeyboardInterrupt

@pytest.mark.covers("group:{pfs}", "hash:{hsh}", by="self")
@pytest.mark.parametrize("pfs", [None, "none", "modp768"])
def test_none(pfs): pass

def test_nothing(): pass
"""


def run(folder: Path, *options: str) -> dict[str, tuple[str, set[results.Proof]]]:
    """What pytest with the plugin writes of TESTS."""
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = covers\n")
    rows = folder / "rows.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.coverage.plugin", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*command, "-p", "no:cacheprovider", "--coverage-rows", str(rows)],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    return {
        test.partition("::")[2]: (one.outcome, set(one.proofs))
        for test, one in results.read(rows).items()
    }


def test_the_plugin_writes_what_became_of_each_test(tmp_path: Path) -> None:
    written = run(tmp_path, "-k", "not deselected and not interrupted")
    assert written["test_pass[aes128]"] == ("passed", {("cipher:7", "vector")})
    assert written["test_pass[rot13]"] == ("passed", {("cipher:rot13", "vector")})
    outcomes = {name: outcome for name, (outcome, _) in written.items() if "[" not in name}
    assert outcomes == {
        "test_fail": "failed",
        "test_skip": "skipped",
        "test_expected": "xfailed",
        "test_unexpected": "xfailed",
        "test_teardown": "failed",
    }


def test_an_interrupted_test_has_not_passed(tmp_path: Path) -> None:
    written = run(tmp_path, "-k", "interrupted or pass")
    assert written["test_pass[des]"][0] == "passed"
    assert written.get("test_interrupted", ("not run",))[0] == "not run"


def test_no_row_for_none_and_the_template_for_an_unknown_parameter(tmp_path: Path) -> None:
    written = run(tmp_path, "-k", "none")
    assert written["test_none[None]"][1] == {("hash:{hsh}", "self")}
    assert written["test_none[none]"][1] == {("hash:{hsh}", "self")}
    assert written["test_none[modp768]"][1] == {("group:1", "self"), ("hash:{hsh}", "self")}


def test_collecting_tells_what_markers_promise(tmp_path: Path) -> None:
    written = run(tmp_path, "--collect-only", "-k", "not deselected")
    assert {outcome for outcome, _ in written.values()} == {"not run"}
    assert "test_deselected" in written
