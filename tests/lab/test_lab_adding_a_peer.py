"""docs/adding-a-peer.md, followed to the letter: its files, its commands, and what they promise."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.lab import open_lab
from conformance.matrix.manifest import load_manifest
from conformance.record import Run, Verdict
from conformance.record.claims import Agreement, hold_claims
from conformance.record.observed import Outcome, load_observed
from conformance.resources import peers_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.lab import Lab

pytestmark = pytest.mark.lab

TEXT = (Path(__file__).parents[2] / "docs" / "adding-a-peer.md").read_text("utf-8")
FILES = dict(re.findall(r"^`(peers/[^`]+)`:\n\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ ipsec-conformance (.*)$", TEXT, re.MULTILINE)
NAME = "starter-5.9.8"


@pytest.fixture(scope="module")
def place(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the page is followed: a folder with the peers of the checkout, and the new one.

    Afterwards the lab is again as it was for the other tests.
    """
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(peers_root(), folder / "peers")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    yield folder
    lab.containers.update(open_lab().containers)


@pytest.fixture(scope="module")
def followed(place: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """What each command of the page printed, in the order of the page."""
    environment = os.environ | {"IPSEC_CONFORMANCE_PEERS": str(place / "peers"), "COLUMNS": "250"}
    return {
        command: subprocess.run(
            [sys.executable, "-m", "conformance", *shlex.split(command)],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in COMMANDS
    }


def test_the_page_has_all_that_a_peer_needs() -> None:
    """The new peer is one that the suite does not have, made of files of the page alone."""
    parts = {Path(name).parts[1] for name in FILES}
    assert parts == {NAME}
    assert NAME not in {path.name for path in peers_root().iterdir()}
    assert len(FILES) == 5
    assert [command.split()[0] for command in COMMANDS] == [
        "peers",
        "lab",
        "matrix",
        "peers",
        "peers",
    ]


def test_every_command_does_what_the_page_says(
    followed: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    for command, done in followed.items():
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"


@pytest.mark.usefixtures("followed")
def test_it_passes_against_the_reference_in_both_roles(place: Path) -> None:
    """Six combinations, each with the new peer as initiator and as responder, each a pass."""
    run = Run.open(place / "results" / "latest")
    records = run.records()
    assert {record.pairing for record in records} == {(NAME, "reference"), ("reference", NAME)}
    assert len({tuple(record.combination.values()) for record in records}) == 6
    assert len(records) == 12
    assert {
        record.cell: record.reason for record in records if record.verdict is not Verdict.PASS
    } == {}


@pytest.mark.usefixtures("followed")
def test_its_claims_are_checked_and_kept(place: Path) -> None:
    """What is claimed works; the one level that is not cannot be asked for, as the page says."""
    folder = place / "peers" / NAME
    observed = load_observed(folder)
    assert observed is not None
    held = hold_claims(load_manifest(folder), observed)
    assert {one.agreement for one in held} == {Agreement.AGREES}
    assert {(one.level, one.seen.outcome) for one in held if not one.claimed} == {
        ("yes", Outcome.UNASKED)
    }
    assert observed.package.startswith("strongswan-starter 5.9.8")
    assert json.loads((folder / "observed.json").read_text())["peer"] == NAME


def test_the_list_shows_it(followed: dict[str, subprocess.CompletedProcess[str]]) -> None:
    """With its image, its containers and its last check."""
    (row,) = (line for line in followed["peers"].stdout.splitlines() if NAME in line)
    assert "image built, 2 of 2 containers run" in row
    assert re.search(r"\d{4}-\d\d-\d\d: \d+ agree", row)
