"""The matrix command against the lab: what it prints, and what a kill leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("lab")]

COMMAND = [sys.executable, "-m", "conformance", "matrix", "--keep-lab"]
PAIRING = ("--pairing", "reference,strongswan-5.9.8")


def records(results: Path) -> dict[str, str]:
    """Every record on disk, by cell, as it is written."""
    return {path.parent.name: path.read_text() for path in results.glob("2*/cells/*/record.json")}


def cut_short(results: Path, how: signal.Signals) -> tuple[dict[str, str], int]:
    """Start a run of 12 cells, end it with ``how`` once three are recorded."""
    command = [*COMMAND, *PAIRING, "--limit", "12", "--results", str(results)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(records(results)) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    return records(results), process.wait(timeout=60)


def test_json_is_all_that_goes_to_standard_output(tmp_path: Path) -> None:
    """One record a line, of the pairing asked for and no other."""
    command = [*COMMAND, *PAIRING, "--limit", "2", "--json", "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    pairings = {(record["initiator"]["peer"], record["responder"]["peer"]) for record in told}
    assert len(told) == 2
    assert pairings == {("reference", "strongswan-5.9.8")}
    assert (tmp_path / "latest" / "index.html").is_file()


@pytest.mark.parametrize(
    ("how", "status"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)],
    ids=["kill -9", "Ctrl-C"],
)
def test_what_is_recorded_survives(tmp_path: Path, how: signal.Signals, status: int) -> None:
    """No record is lost or changed, none is half-written; --resume runs just the rest."""
    before, ended = cut_short(tmp_path, how)
    assert ended == status
    assert 3 <= len(before) < 12
    resumed = subprocess.run(
        [*COMMAND, "--resume", "--json", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    rerun = {json.loads(line)["cell"] for line in resumed.stdout.splitlines()}
    after = records(tmp_path)
    assert len(after) == 12
    assert {cell: after[cell] for cell in before} == before
    assert rerun.isdisjoint(before)
    assert not list(tmp_path.rglob("*.tmp"))
